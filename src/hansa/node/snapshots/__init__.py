"""Taking over a ledger's state from the other nodes."""
