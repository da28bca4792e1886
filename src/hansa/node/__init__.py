"""Assembly of one node: configuration, the replica, the loop that drives it, supervision."""
