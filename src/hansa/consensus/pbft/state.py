"""The memory of one PBFT-C engine. Mutated in place by the modules beside it; nothing here decides anything."""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import TYPE_CHECKING

from hansa.consensus.config import EngineConfig
from hansa.consensus.effects import Broadcast, Effect, Halt, Send
from hansa.consensus.inputs import Executed
from hansa.consensus.messages import Message, PrePrepare, ViewChange
from hansa.consensus.values import (
    QuorumCertificate,
    SealedHead,
    SignedVote,
    TimeoutCertificate,
    Vote,
    VoteType,
)
from hansa.types.epoch import EpochFacts
from hansa.types.order import OrderBlock

if TYPE_CHECKING:
    from hansa.consensus.pbft.rules import Rules

Proof = QuorumCertificate | TimeoutCertificate
VoteSlots = dict[tuple[int, int], dict[int, SignedVote]]  # (view, height) -> signer -> its first vote there


class Body(IntEnum):
    """How far a block's payload is."""

    UNKNOWN = 0
    CHECKING = 1  # CheckBody asked
    MISSING = 2  # transactions are being fetched
    HELD = 3  # checked, and in the block log
    INVALID = 4


@dataclass(slots=True)
class Entry:
    """One unsealed block."""

    hash: bytes
    block: OrderBlock
    refs: bytes
    seen_ms: int
    body: Body = Body.UNKNOWN
    missing: bytes = b""  # transaction hashes, while body is MISSING
    linked: bool = False  # this body and those of all ancestors down to the sealed head are held
    latency_counted: bool = False


@dataclass(slots=True)
class Candidate:
    """The leader's proposal for one height of the current view."""

    hash: bytes
    vote: SignedVote
    proof: Proof | None


@dataclass(frozen=True, slots=True)
class Base:
    """The block on which a view begins. An empty hash: joined in mid-view, only the height is known."""

    height: int
    hash: bytes


@dataclass(slots=True)
class Fetch:
    """A block, or transactions of one, that a peer was asked for."""

    hash: bytes
    height: int
    is_payload: bool
    peers: list[int]
    tries: int = 0
    due_ms: int = 0


@dataclass(frozen=True, slots=True)
class Progress:
    """How far each stage was at a check."""

    views: tuple[int, ...]
    prepared: int
    committed: int
    sealed: int


@dataclass(slots=True)
class Quarantine:
    """This validator may have signed votes that it does not know of."""

    reason: str
    floor: int  # not left in a lower view
    life: int
    reports: dict[int, int] = field(default_factory=dict)  # peer -> the view it was in, or asked for, first told
    is_over: bool = False  # its end is being made durable


@dataclass(slots=True)
class Rejoining:
    """A validator in quarantine, as another one sees it."""

    until_ms: int  # helped until then
    heard_ms: int = 0
    view: int = 0  # that it asks for; 0 = not known yet
    helps: int = 0


@dataclass(slots=True)
class PbftState:
    """Everything one engine knows. `out` collects the effects of the step under way."""

    config: EngineConfig
    rules: "Rules"
    root: SealedHead
    high_qc: QuorumCertificate
    out: list[Effect] = field(default_factory=list)
    now_ms: int = 0
    wall_ms: int = 0

    # views
    view: int = 0
    view_asked: int = 0  # highest VIEW-CHANGE that was handed to the signer
    view_proof: Proof | None = None  # what proves `view` to others
    view_entered_ms: int = 0
    base: Base | None = None  # fixed by the first PREPARE in `view`
    view_changes: dict[int, ViewChange] = field(default_factory=dict)  # signer -> its highest
    view_change_seen_ms: dict[int, int] = field(default_factory=dict)
    own_view_change: ViewChange | None = None
    own_view_change_qc: QuorumCertificate | None = None
    view_changes_count: int = 0
    lonely_counts: dict[int, int] = field(default_factory=dict)  # views that were given up for one alone, by signer

    # blocks
    entries: dict[bytes, Entry] = field(default_factory=dict)
    children: dict[bytes, list[bytes]] = field(default_factory=dict)  # parent hash -> known children
    candidates: dict[int, Candidate] = field(default_factory=dict)  # height -> proposal in `view`
    early: dict[tuple[int, int], PrePrepare] = field(default_factory=dict)  # proposals for the next views
    fetches: dict[bytes, Fetch] = field(default_factory=dict)

    # votes
    prepare_votes: VoteSlots = field(default_factory=dict)
    prepare_masks: dict[tuple[int, int, bytes], int] = field(default_factory=dict)
    commit_votes: VoteSlots = field(default_factory=dict)
    commit_masks: dict[tuple[int, int, bytes], int] = field(default_factory=dict)  # descendants of one view included
    seal_votes: dict[int, dict[int, SignedVote]] = field(default_factory=dict)  # height -> signer -> vote
    new_qcs: list[QuorumCertificate] = field(default_factory=list)
    qcs: dict[tuple[int, int], QuorumCertificate] = field(default_factory=dict)  # by (view, height), sealed head's on
    seen: dict[tuple[int, VoteType], SignedVote] = field(default_factory=dict)  # highest vote of each validator
    accused: set[tuple[int, VoteType]] = field(default_factory=set)
    marks: dict[VoteType, Vote] = field(default_factory=dict)  # own highest votes, as handed to the signer
    own_votes: dict[tuple[VoteType, int, int], SignedVote] = field(default_factory=dict)  # durable, unsealed heights

    # finality
    committed_height: int = 0
    committed_hash: bytes = b""
    committed_chain: dict[int, bytes] = field(default_factory=dict)  # unsealed committed heights
    commit_target: tuple[int, bytes] | None = None  # committed by votes, not linked to committed_height yet
    executing_height: int = 0  # highest height handed to Execute
    executed: dict[int, Executed] = field(default_factory=dict)  # by height
    recent: dict[int, bytes] = field(default_factory=dict)  # height -> sealed hash

    # the epoch
    epoch_end: int | None = None  # its last height, once a block that schedules it was executed
    end_known_height: int = 0  # the lowest height after which it is known here
    next_epoch: EpochFacts | None = None  # its last block is sealed: this engine has done its work
    root_seals: tuple[SignedVote, ...] = ()  # that sealed the block this epoch grows from, where they came one by one
    voted_later: bool = False  # the vote log holds votes of later epochs: nothing is signed in this one

    # leading
    lead_tip: Base | None = None  # what the next own proposal extends; None = not leading
    lead_base_height: int | None = None
    lead_proof: Proof | None = None
    lead_required_ms: int | None = None  # when an empty block is due because the base is not sealed
    lead_asked: tuple[int, bytes] | None = None  # (height, parent hash) of an AskProposal under way
    lead_checking: bytes | None = None  # own block whose body is being checked
    lead_refusals: int = 0  # own bodies in a row that did not hold
    lead_not_before_ms: int = 0
    lead_wake_ms: int | None = None  # what the shell was last told to wake us at for a proposal
    last_proposed_ms: int = -(1 << 60)
    lead_pause_ms: int = 0  # from then on, unless a block is full
    own_proposals: dict[int, PrePrepare] = field(default_factory=dict)  # height -> signed proposal of `view`
    work_pending: bool = False
    work_full: bool = False
    work_tip: bytes = b""

    # pace
    view_due_ms: int | None = None
    view_timer_at_ms: int | None = None  # what the shell was last told
    latency_p99_ms: int | None = None
    failures: int = 0  # views in a row that ran out of time, and
    passed_over: int = 0  # views that were left at once, since the last commit
    heard_ms: dict[int, int] = field(default_factory=dict)
    down: set[int] = field(default_factory=set)
    replied_ms: dict[int, int] = field(default_factory=dict)
    last_broadcast_ms: int = 0
    last_status_ms: int = 0
    last_check_ms: int = 0
    progress: Progress | None = None
    recheck_ms: int | None = None

    # permission to vote
    started: bool = False
    reports: int = 0  # mask of validators that answered the vote query
    quarantine: Quarantine | None = None
    quarantine_life: int | None = None  # of a quarantine that goes on from an earlier epoch
    told_epochs: dict[int, int] = field(default_factory=dict)  # peer -> the last one of which it told that life no end
    rejoining: dict[int, Rejoining] = field(default_factory=dict)
    queried: bool = False  # own votes were compared with what a quorum saw
    behind: bool = False
    importing: bool = False
    stopped: str | None = None
    paused: str | None = None  # no votes that stand for bodies, for now
    gave_way_height: int | None = None  # committed height at which this paused leader last gave its view up
    halted: str | None = None

    @property
    def may_vote(self) -> bool:
        """Whether votes for blocks may be signed now."""
        return self.paused is None and self.may_change_view

    @property
    def may_change_view(self) -> bool:
        """Whether a VIEW-CHANGE may be signed now: it promises less than other votes."""
        is_sure = self.started and self.queried and self.quarantine is None and not self.voted_later
        is_well = not self.behind and self.stopped is None and self.halted is None
        return self.has_vote and is_sure and is_well and self.next_epoch is None

    @property
    def has_vote(self) -> bool:
        """Whether this node votes in the epoch; else it only follows."""
        return self.config.validators.has_vote(self.config.me)

    @property
    def closing_end(self) -> int | None:
        """The epoch's last height, once a sealed block's state names it: what ordering reads of execution is sealed."""
        return self.epoch_end if self.root.height >= self.end_known_height else None

    @property
    def is_active(self) -> bool:
        """Whether votes in `view` are allowed: no VIEW-CHANGE above it was signed."""
        return self.view_asked <= self.view

    @property
    def leader(self) -> int:
        """The leader of `view`."""
        return self.config.validators.leader(self.view)

    def emit(self, effect: Effect) -> None:
        """Ask for something."""
        self.out.append(effect)

    def broadcast(self, message: Message) -> None:
        """Send to all others."""
        self.last_broadcast_ms = self.now_ms
        self.out.append(Broadcast(message))

    def send(self, peer: int, message: Message) -> None:
        """Send to one."""
        self.out.append(Send(peer, message))

    def halt(self, code: str, reason: str, hint: str) -> None:
        """Stop for good: a broken invariant, or votes that are not ours."""
        if self.halted is None:
            self.halted = f"{code}: {reason}"
            self.out.append(Halt(code, reason, hint))


Handler = Callable[[PbftState, object], None]
