"""What it costs to have been away."""
