"""What changes from epoch to epoch: who is there, with which keys, and over which links."""
