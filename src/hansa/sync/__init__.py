"""Catching up: certified blocks are fetched in ranges from several peers and imported in order; a node too far behind
first takes over a state (`sync/snapshot.py`).

Heights come from peers' status. One peer's word is enough to ask it (a certified block proves itself); only what a
weight of t + 1 claims makes this node count itself behind, which stops its votes. Every answer is awaited for a bounded
time; a peer that fails to deliver, or delivers a block that does not hold, is not asked for a while.
"""

from hansa.sync.machine import Sync
from hansa.sync.snapshot import SnapshotFetch
from hansa.sync.snapshot_values import SnapshotConfig
from hansa.sync.values import SyncConfig

__all__ = ["SnapshotConfig", "SnapshotFetch", "Sync", "SyncConfig"]
