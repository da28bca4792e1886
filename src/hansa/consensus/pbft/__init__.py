"""PBFT-C (in work)."""

from hansa.consensus.pbft.machine import Pbft
from hansa.consensus.pbft.rules import Rules

__all__ = ["Pbft", "Rules"]
