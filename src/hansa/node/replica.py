"""One node's protocol, complete and without I/O: ordering (PBFT or solo) and sync behind one `step`.

The real shell (`hansa.node.runtime`) and the simulator drive this same class.
"""

from enum import Enum

import msgspec

from hansa.consensus.config import EngineConfig
from hansa.consensus.effects import Effect
from hansa.consensus.inputs import Input


class EngineKind(Enum):
    """Which engine orders."""

    PBFT = "pbft"
    SOLO = "solo"


class ReplicaConfig(msgspec.Struct, frozen=True):
    """What a replica is built from."""

    engine: EngineConfig
    kind: EngineKind = EngineKind.PBFT


class ReplicaStatus(msgspec.Struct, frozen=True):
    """Where a replica stands."""

    view: int
    leader: int
    in_view: bool  # False while a VIEW-CHANGE above `view` is signed
    committed_height: int
    sealed_height: int
    high_qc_view: int
    high_qc_height: int
    in_flight: int  # blocks above the sealed head
    view_timeout_ms: int
    view_changes: int  # VIEW-CHANGEs signed in this life
    syncing: bool
    voting: bool
    halted: str | None  # code and reason


class Replica:
    """Ordering and sync of one validator. Single-threaded; owns all its memory."""

    def __init__(self, config: ReplicaConfig) -> None:
        self.config = config

    def step(self, event: Input, now_ms: int, wall_ms: int) -> list[Effect]:
        """Take one input and return what to do, in order.

        Parameters
        ----------
        now_ms: monotonic clock, milliseconds; never goes back. wall_ms: Unix time; may jump.
        """
        raise NotImplementedError

    def status(self) -> ReplicaStatus:
        """Return where the replica stands."""
        raise NotImplementedError
