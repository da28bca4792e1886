"""Members by the command line: the contract that holds them, invitations, and how a node joins."""
