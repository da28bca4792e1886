"""Validators that break the protocol with genuine keys: intruders in the place of a node, and nodes that lie."""
