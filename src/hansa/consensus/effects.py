"""Everything a replica can ask its shell for. The order in a returned list is law.

Durability: SignVote covers every CheckBody that was answered before it. The shell signs, appends the vote with its
context to the vote log, syncs the block log and then the vote log (one group commit for many votes), and feeds
VoteDurable. A replica never puts a vote of its own into a message before that.

Execution: Execute, Seal and ImportBlocks are one queue, performed in order. Execute of a height that is already sealed
here is answered from the store; ImportBlocks of a height that is already executed compares and seals; Seal of a
height that is already sealed changes nothing.
"""

from enum import StrEnum

import msgspec

from hansa.consensus.inputs import TimerId
from hansa.consensus.messages import Message
from hansa.consensus.values import Equivocation, QuorumCertificate, Vote
from hansa.types.order import OrderBlock


class SignVote(msgspec.Struct, frozen=True):
    """Sign, log and sync a vote; answered by VoteDurable."""

    vote: Vote
    context: bytes


class Send(msgspec.Struct, frozen=True):
    """Send to one validator; lost if it is not connected."""

    peer: int
    message: Message


class Broadcast(msgspec.Struct, frozen=True):
    """Send to all other validators."""

    message: Message


class SetTimer(msgspec.Struct, frozen=True):
    """Feed TimerFired at `at_ms` of the monotonic clock, or at once if that is past; replaces an earlier one."""

    timer: TimerId
    at_ms: int


class CancelTimer(msgspec.Struct, frozen=True):
    """Forget a timer."""

    timer: TimerId


class AskProposal(msgspec.Struct, frozen=True):
    """Choose transactions for the child of `parent_hash`; answered by Proposed."""

    height: int
    parent_hash: bytes
    ancestors: tuple[bytes, ...]  # order hashes of the unsealed ancestors, oldest first, parent included


class AskWork(msgspec.Struct, frozen=True):
    """The tip moved: say with WorkPending whether there is work beyond these ancestors, now and whenever it changes.

    Ancestors that are sealed meanwhile no longer count.
    """

    ancestors: tuple[bytes, ...]


class CheckBody(msgspec.Struct, frozen=True):
    """Check a body, whose ancestors are all held, and append it to the block log; answered by BodyChecked.

    While ancestors are unsealed the answer may depend on where this ledger stands; an invalid body is asked for again
    once its parent is sealed. Directly above the sealed head the answer depends on the block alone.
    """

    order_hash: bytes
    block: OrderBlock
    refs: bytes


class ServePayload(msgspec.Struct, frozen=True):
    """Send PayloadResponse(order_hash, bundle of what we hold among `hashes`) to the peer."""

    peer: int
    order_hash: bytes
    hashes: bytes


class AddPayload(msgspec.Struct, frozen=True):
    """Take transactions that a peer sent in answer to a payload request into the pool."""

    peer: int
    bundle: bytes


class Execute(msgspec.Struct, frozen=True):
    """Execute a committed block whose parent was asked for before; answered by Executed."""

    height: int
    order_hash: bytes


class Seal(msgspec.Struct, frozen=True):
    """Store the certificate of an executed block: it is final and visible to clients from here on."""

    certificate: QuorumCertificate


class ServeBlocks(msgspec.Struct, frozen=True):
    """Send RangeResponse(request, first, blocks) with certified blocks from `first` on, at most `count`."""

    peer: int
    request: int
    first: int
    count: int


class ImportBlocks(msgspec.Struct, frozen=True):
    """Verify, execute and seal certified blocks in order; answered by one Imported."""

    request: int
    blocks: tuple[bytes, ...]


class ServeOffer(msgspec.Struct, frozen=True):
    """Send SnapshotOffer with the states that this node serves."""

    peer: int


class ServeSnapshot(msgspec.Struct, frozen=True):
    """Send SnapshotPart(request, answer) about the state after block `height`; an empty answer where there is none."""

    peer: int
    request: int
    height: int
    ask: bytes


class WorkOnSnapshot(msgspec.Struct, frozen=True):
    """Do a step (`sync/snapshot_values.py`) with what was taken over so far; answered by SnapshotWorked, in order.

    After the last step the node begins a new life with the ledger that was taken over.
    """

    step: int
    request: int
    peer: int  # whose answer it is; -1 = nobody's
    ask: bytes
    answer: bytes


class PruneVotes(msgspec.Struct, frozen=True):
    """Sync the block log, then begin a vote-log segment with what `retained_records(records, below_height)` keeps."""

    below_height: int


class Evidence(msgspec.Struct, frozen=True):
    """A validator contradicted itself; keep the proof."""

    proof: Equivocation


class WhyLeave(StrEnum):
    """Why a replica asks for the next view, as the log says it."""

    TIMEOUT = "nothing was committed in its time"
    LEADER_DOWN = "the link to its leader is closed"
    LEADER_SILENT = "nothing was heard of its leader"
    LEADER_LEAVES = "its leader gives it up"
    EQUIVOCATION = "its leader contradicted itself"
    CANNOT_LEAD = "this node leads it and cannot propose"
    PLANNED = "this node leads it and is about to stop"
    OTHERS_LEAVE = "enough others give it up"
    ONE_IS_STUCK = "one validator gave it up long ago and cannot come back to it"
    HELPS_REJOIN = "a validator in quarantine needs a later view"


class LeaveView(msgspec.Struct, frozen=True):
    """For the log: this replica gives `view` up and asks for `asked`."""

    view: int
    asked: int
    why: WhyLeave


class BeginView(msgspec.Struct, frozen=True):
    """For the log: this replica is in `view` now, which `leader` leads."""

    view: int
    leader: int


class Halt(msgspec.Struct, frozen=True):
    """This node votes no more. The code is stable; the hint says what to do."""

    code: str
    reason: str
    hint: str


Effect = (
    SignVote
    | Send
    | Broadcast
    | SetTimer
    | CancelTimer
    | AskProposal
    | AskWork
    | CheckBody
    | ServePayload
    | AddPayload
    | Execute
    | Seal
    | ServeBlocks
    | ImportBlocks
    | ServeOffer
    | ServeSnapshot
    | WorkOnSnapshot
    | PruneVotes
    | Evidence
    | LeaveView
    | BeginView
    | Halt
)
