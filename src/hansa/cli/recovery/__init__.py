"""Keeping a node whole: checking and healing its folder, backups."""
