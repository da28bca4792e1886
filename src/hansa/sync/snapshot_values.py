"""Settings, inputs and effects of the snapshot machine."""

from collections.abc import Callable
from enum import IntEnum

import msgspec


class SnapshotConfig(msgspec.Struct, frozen=True):
    """What a snapshot machine is built from."""

    has_honest: Callable[[int], bool]  # mask of validators -> whether their weight exceeds t
    offers_ms: int = 1_000  # wait this long for what peers offer
    answer_ms: int = 10_000  # wait this long for an answer
    requests_max: int = 8  # questions under way, answers that are being checked included
    requests_per_peer_max: int = 3
    silence_ms: int = 5_000  # a peer that did not answer is not asked for this long
    stall_ms: int = 30_000  # with nothing that holds for so long, ask once more who serves what
    depth_blocks: int = 8  # of the newest states one this far below the least head is asked for
    rounds_max: int = 3  # attempts before it is left to ranges for a while


class SnapshotStep(IntEnum):
    """What is asked of the store of what was taken over."""

    OPEN = 1  # what an earlier life left: height and what is missing
    HEAD = 2  # check a sealed header and what goes with it: its face, or what to ask that peer for before
    BEGIN = 3  # begin with that header: what is missing
    ADD = 4  # check and keep an answer: what is missing because of it
    FINISH = 5  # put the data folder together


class SnapshotNeeded(msgspec.Struct, frozen=True):
    """This node is too far behind to execute what it missed, or nobody has it any more."""

    head: int


class OfferReceived(msgspec.Struct, frozen=True):
    """The states that a peer serves: those at `heights` for long, and those from `first` to `last` if asked soon."""

    peer: int
    heights: tuple[int, ...]
    first: int
    last: int


class PartReceived(msgspec.Struct, frozen=True):
    """A peer's answer to a question; empty = it cannot answer that."""

    peer: int
    request: int
    answer: bytes


class Worked(msgspec.Struct, frozen=True):
    """The answer to Work."""

    step: SnapshotStep
    request: int
    height: int = 0  # OPEN: of the snapshot on its way, 0 = none; HEAD: of the header
    face: bytes = b""  # HEAD
    missing: tuple[bytes, ...] = ()  # OPEN, HEAD, BEGIN, ADD
    error: str = ""  # why an answer does not hold; empty = it does


class SnapshotPeerLost(msgspec.Struct, frozen=True):
    """A link closed."""

    peer: int


class SnapshotTimerFired(msgspec.Struct, frozen=True):
    """The timer is due."""


SnapshotInput = SnapshotNeeded | OfferReceived | PartReceived | Worked | SnapshotPeerLost | SnapshotTimerFired


class AskOffers(msgspec.Struct, frozen=True):
    """Ask every peer what it serves."""


class AskPart(msgspec.Struct, frozen=True):
    """Ask a peer something about the state after block `height`."""

    peer: int
    request: int
    height: int
    ask: bytes


class Work(msgspec.Struct, frozen=True):
    """Do a step with the store; answered by Worked. Steps are done in order."""

    step: SnapshotStep
    request: int
    peer: int = -1  # whose answer it is
    ask: bytes = b""
    answer: bytes = b""


class SetSnapshotTimer(msgspec.Struct, frozen=True):
    """Wake me at this monotonic time."""

    at_ms: int


class SnapshotGivenUp(msgspec.Struct, frozen=True):
    """Nobody serves a snapshot just now; try ranges, and ask again later."""


SnapshotEffect = AskOffers | AskPart | Work | SetSnapshotTimer | SnapshotGivenUp
"""What the machine asks its shell for."""
