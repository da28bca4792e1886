"""`hansa bench moves`: what it costs when a validator's active node dies, moves, stops, or is renewed."""
