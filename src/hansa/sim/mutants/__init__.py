"""Validators with one rule broken on purpose, and the proof that each is noticed. The product builds none of them."""
