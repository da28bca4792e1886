"""Hansa: a ledger kept jointly by organisations that do not fully trust each other."""

__version__ = "0.1.0"
