"""Everything that can happen to a replica.

The shell passes each with two clocks: `now_ms`, monotonic, for timers, and `wall_ms`, Unix time, for block times.
"""

from enum import IntEnum

import msgspec

from hansa.consensus.messages import Message
from hansa.consensus.values import QuorumCertificate, SealedHead, SignedVote, VoteRecord
from hansa.types.epoch import EpochFacts
from hansa.types.order import OrderBlock


class TimerId(IntEnum):
    """The timers of a replica; setting one again replaces it."""

    VIEW = 1  # no progress in this view
    TICK = 2  # status, rebroadcast, heartbeat
    PROPOSE = 3  # the next block may be proposed
    FETCH = 4  # an answer to a fetch is overdue
    RECHECK = 5  # a block from the near future may be voted for now
    SYNC = 6  # an answer to a range request is overdue
    SNAPSHOT = 7  # the same for parts of a snapshot


class HeldBody(msgspec.Struct, frozen=True):
    """An unsealed body found in the block log."""

    order_hash: bytes
    block: OrderBlock
    refs: bytes  # tx_count x 32 bytes


class Restored(msgspec.Struct, frozen=True):
    """The first input of every life of a node, also of its very first one."""

    head: SealedHead  # the latest sealed block; height 0 = genesis
    recent: tuple[tuple[int, bytes], ...]  # (height, sealed hash) of up to RECENT_HEIGHTS blocks up to head, ascending
    records: tuple[VoteRecord, ...]  # the vote log, oldest first
    bodies: tuple[HeldBody, ...]  # everything above the head in the block log
    certificate: QuorumCertificate | None = None  # of the head; None for height 0
    epoch: EpochFacts | None = None  # in force above the head; None = epoch 0 as the replica was built
    epoch_root_hash: bytes = b""  # order hash of the block below the epoch's first one; read where `epoch` is given
    epoch_end: int | None = None  # the epoch's last height, if the state after the head has one above the head


class MessageIn(msgspec.Struct, frozen=True):
    """A message from a connected validator; every signature in it was verified."""

    peer: int
    message: Message


class TimerFired(msgspec.Struct, frozen=True):
    """A timer is due."""

    timer: TimerId


class VoteDurable(msgspec.Struct, frozen=True):
    """A vote of ours is signed, and it, its context and every body appended before are synced."""

    signed: SignedVote


class Proposed(msgspec.Struct, frozen=True):
    """The pool's answer to AskProposal; `tx_count` 0 = nothing to propose."""

    height: int
    parent_hash: bytes
    refs: bytes  # tx_count x 32 bytes
    payload_hash: bytes  # keccak256(refs)
    tx_count: int
    gas: int


class BodyChecked(msgspec.Struct, frozen=True):
    """The answer to CheckBody. With `ok` the body stands in the block log's buffer."""

    order_hash: bytes
    ok: bool
    missing: bytes = b""  # concatenated transaction hashes that must be fetched first
    reason: str = ""  # why an invalid body is invalid


class Executed(msgspec.Struct, frozen=True):
    """The answer to Execute. Of `epoch_end` and `next_epoch` see SealedHead."""

    height: int
    order_hash: bytes
    sealed_hash: bytes
    epoch_end: int | None = None
    next_epoch: EpochFacts | None = None


class Imported(msgspec.Struct, frozen=True):
    """The answer to ImportBlocks: the blocks that now are sealed here, ascending, and why the next one was refused."""

    request: int
    heads: tuple[SealedHead, ...]
    error: str = ""
    is_split: bool = False  # its certificate holds, our own result differs: this node must stop
    own_seal: int = 0  # highest of the heights whose certificate holds a signature of ours


class SnapshotWorked(msgspec.Struct, frozen=True):
    """The answer to WorkOnSnapshot; which fields count depends on the step (`sync/snapshot_values.py`)."""

    step: int
    request: int
    height: int = 0
    face: bytes = b""
    missing: tuple[bytes, ...] = ()
    error: str = ""  # why an answer does not hold; empty = it does


class WorkPending(msgspec.Struct, frozen=True):
    """Whether the pool holds transactions executable after the ancestors of the last AskWork."""

    pending: bool
    full: bool = False  # they fill a block


class PeerUp(msgspec.Struct, frozen=True):
    """A validator's vote lane opened."""

    peer: int


class PeerDown(msgspec.Struct, frozen=True):
    """A validator's vote lane closed."""

    peer: int


class Abdicate(msgspec.Struct, frozen=True):
    """Give leadership away now, before a planned stop."""


class ForceBlock(msgspec.Struct, frozen=True):
    """Solo only: seal a block now, empty if need be."""


class StopVoting(msgspec.Struct, frozen=True):
    """A vote could not be signed: vote no more in this life."""

    reason: str


class PauseVoting(msgspec.Struct, frozen=True):
    """The disk is full: votes that stand for bodies cannot become durable. VIEW-CHANGEs still can."""

    reason: str


class ResumeVoting(msgspec.Struct, frozen=True):
    """There is room again, and everything signed is durable."""


class Synced(msgspec.Struct, frozen=True):
    """From the sync machine, inside the replica: certified blocks were sealed here, ascending."""

    heads: tuple[SealedHead, ...]
    split: str = ""  # why the certified block after them contradicts our own execution; empty = it does not
    own_seal: int = 0  # highest of their heights whose certificate holds a signature of ours


class SyncState(msgspec.Struct, frozen=True):
    """From the sync machine, inside the replica."""

    behind: bool  # too far behind to vote
    importing: bool  # an ImportBlocks is in the execution queue


Input = (
    Restored
    | MessageIn
    | TimerFired
    | VoteDurable
    | Proposed
    | BodyChecked
    | Executed
    | Imported
    | SnapshotWorked
    | WorkPending
    | PeerUp
    | PeerDown
    | Abdicate
    | ForceBlock
    | StopVoting
    | PauseVoting
    | ResumeVoting
    | Synced
    | SyncState
)
