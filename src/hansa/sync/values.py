"""Settings, inputs and effects of the sync machine."""

from collections.abc import Callable

import msgspec


class SyncConfig(msgspec.Struct, frozen=True):
    """What a sync machine is built from."""

    has_honest: Callable[[int], bool]  # mask of peers -> whether their claim to be further is believed
    is_sure: Callable[[int], bool]  # the same where a lie would cost the blocks held here: their weight exceeds t
    behind_heights: int = 16  # this far below what an honest peer sealed: do not vote, fetch at once
    patience_ms: int = 500  # with a smaller lag, wait this long for consensus itself to bring it
    range_blocks: int = 32
    ranges_max: int = 4  # requests under way
    answer_ms: int = 500  # wait this long for an answer, and
    answer_block_ms: int = 100  # this much longer for each block asked for
    silence_ms: int = 1_000  # a peer that did not answer is not asked for this long
    snapshot_behind: int = 4_096  # this far below what an honest peer sealed a snapshot of the state comes first
    second_claim_ms: int = 5_000  # with nothing here and one peer that says so, wait this long for another one's word
    keeps_all: bool = False  # blocks are never dropped here: none are given up for a snapshot while a peer has the next
    snapshot_retry_ms: int = 30_000  # where nobody serves one, ranges are tried for this long
    penalty_ms: int = 5_000  # a peer whose answer does not hold is not asked for this long


class HeightSeen(msgspec.Struct, frozen=True):
    """A peer says what it has sealed."""

    peer: int
    height: int


class HeadMoved(msgspec.Struct, frozen=True):
    """The sealed head here."""

    height: int


class RangeReceived(msgspec.Struct, frozen=True):
    """A peer's answer to a request."""

    peer: int
    request: int
    first: int
    blocks: tuple[bytes, ...]
    oldest: int = 0  # the oldest block that the peer holds


class ImportDone(msgspec.Struct, frozen=True):
    """The answer to Import: the head now, and why the next block was refused (empty = all taken)."""

    request: int
    height: int
    error: str


class PeerLost(msgspec.Struct, frozen=True):
    """A link closed."""

    peer: int


class SnapshotFailed(msgspec.Struct, frozen=True):
    """Nobody serves a snapshot just now."""


class SyncTimer(msgspec.Struct, frozen=True):
    """The timer is due."""


SyncInput = HeightSeen | HeadMoved | RangeReceived | ImportDone | PeerLost | SnapshotFailed | SyncTimer


class RequestRange(msgspec.Struct, frozen=True):
    """Ask a peer for certified blocks."""

    peer: int
    request: int
    first: int
    count: int


class Import(msgspec.Struct, frozen=True):
    """Verify, execute and seal these blocks, which follow the head."""

    request: int
    blocks: tuple[bytes, ...]


class SetSyncTimer(msgspec.Struct, frozen=True):
    """Wake me at this monotonic time."""

    at_ms: int


class SyncStateChanged(msgspec.Struct, frozen=True):
    """Tell consensus."""

    behind: bool
    importing: bool


class WantSnapshot(msgspec.Struct, frozen=True):
    """Take over the state after a newer block from the peers; no ranges are asked for meanwhile."""

    head: int


SyncEffect = RequestRange | Import | SetSyncTimer | SyncStateChanged | WantSnapshot
