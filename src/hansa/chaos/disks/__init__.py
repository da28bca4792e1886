"""What the disks of real nodes do to them."""
