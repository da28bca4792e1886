"""Talking to the other validators, without I/O: frames, the link session, outgoing lanes, budgets.

`hansa.io` moves the bytes; everything here is deterministic and is given the time.
"""
