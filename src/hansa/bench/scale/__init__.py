"""Larger alliances than one machine can hold: the real consensus machine on virtual time, with measured costs."""
