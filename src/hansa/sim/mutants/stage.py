"""A stage for scripted plays: honest machines, traitors whose keys the script holds, messages delivered by hand."""

import hashlib
from collections.abc import Callable
from typing import Any

from hansa.consensus.config import EngineConfig
from hansa.consensus.effects import (
    AskProposal,
    Broadcast,
    CancelTimer,
    CheckBody,
    Effect,
    Evidence,
    Execute,
    Halt,
    Seal,
    Send,
    SetTimer,
    SignVote,
)
from hansa.consensus.inputs import (
    BodyChecked,
    Executed,
    HeldBody,
    Input,
    MessageIn,
    Proposed,
    Restored,
    TimerFired,
    TimerId,
    VoteDurable,
    WorkPending,
)
from hansa.consensus.messages import Message, PrePrepare, ViewChange, VoteQuery, VoteReport, Votes
from hansa.consensus.pbft import Pbft, Rules
from hansa.consensus.signer import Signer
from hansa.consensus.validators import ValidatorSet
from hansa.consensus.values import (
    QuorumCertificate,
    SealedHead,
    SignedVote,
    TimeoutCertificate,
    Vote,
    VoteRecord,
    VoteType,
    genesis_qc,
)
from hansa.sim.build import make_plain_signer
from hansa.sim.ledger import GENESIS_HASH, GENESIS_HEAD, GENESIS_ORDER_HASH, compute_digest, compute_order_hash, execute
from hansa.types.epoch import EpochFacts
from hansa.types.order import OrderBlock, PayloadKind

WALL_MS = 1_700_000_000_000
GENESIS_QC = genesis_qc(GENESIS_ORDER_HASH)


class Actor:
    """One honest machine with its logs. Local answers come at once; messages wait in `Stage.wire`."""

    def __init__(self, stage: "Stage", index: int) -> None:
        self.stage = stage
        self.index = index
        self.records: list[VoteRecord] = []
        self.bodies: dict[bytes, HeldBody] = {}
        self.sealed: list[SealedHead] = [GENESIS_HEAD]
        self.certificates: dict[int, QuorumCertificate] = {}
        self.executed: dict[int, bytes] = {}  # height -> order hash: what was committed here
        self.results: dict[bytes, bytes] = {GENESIS_ORDER_HASH: GENESIS_HASH}
        self.votes: list[Vote] = []  # as handed to the signer, in order
        self.effects: list[Effect] = []
        self.timers: dict[TimerId, int] = {}
        self.missing: bytes = b""  # transactions that this actor's pool lacks
        self.body_reason = ""
        self.asked: AskProposal | None = None  # answered by `propose`
        self._inputs: list[Input] = []
        self._is_stepping = False
        self.durable = True  # whether votes become durable at once
        self.halted: str | None = None
        self.head_certificate: QuorumCertificate | None = None
        self.evidence: list[Evidence] = []
        self.start()

    def start(self, keeps_votes: bool = True) -> None:
        """Begin a life from the logs."""
        stage = self.stage
        self.machine = Pbft(stage.config(self.index), stage.rules)
        self.signer = stage.make_signer(self.index)
        records = tuple(self.records) if keeps_votes else ()
        self.signer.restore(records)
        head = self.sealed[-1]
        bodies = tuple(body for body in self.bodies.values() if body.block.height > head.height)
        recent = tuple((h.height, h.sealed_hash) for h in self.sealed)
        self.feed(Restored(head, recent, records, bodies, self.head_certificate))

    def propose_nothing(self) -> None:
        """Answer the AskProposal under way: the pool is empty."""
        asked, self.asked = self.asked, None
        assert asked is not None, "nothing was asked"
        self.feed(Proposed(asked.height, asked.parent_hash, b"", compute_digest(b""), 0, 0))

    @property
    def state(self) -> Any:  # whoever stages a play looks wherever it likes
        """The machine's memory."""
        return self.machine.state

    def feed(self, event: Input) -> None:
        """Hand in one input and perform what follows; local answers come when all effects are performed."""
        self._inputs.append(event)
        if self._is_stepping:
            return
        self._is_stepping = True
        while self._inputs:
            for effect in self.machine.step(self._inputs.pop(0), self.stage.now_ms, self.stage.wall_ms):
                self.effects.append(effect)
                self._perform(effect)
        self._is_stepping = False

    def propose(self, tx_count: int = 1) -> None:
        """Answer the AskProposal under way with so many transfers."""
        asked, self.asked = self.asked, None
        assert asked is not None, "nothing was asked"
        refs = self.stage.refs(asked.height) * tx_count
        gas = 21_000 * tx_count
        self.feed(Proposed(asked.height, asked.parent_hash, refs, compute_digest(refs), tx_count, gas))

    def hear(self, sender: int, message: Message) -> None:
        """Receive a message."""
        self.feed(MessageIn(sender, message))

    def voted(self, vote_type: VoteType) -> list[Vote]:
        """Return what was voted of a type, in order."""
        return [vote for vote in self.votes if vote.type is vote_type]

    def fire(self, timer: TimerId) -> None:
        """Let a timer come due: time jumps to it."""
        at_ms = self.timers.pop(timer)
        self.stage.now_ms = max(self.stage.now_ms, at_ms)
        self.feed(TimerFired(timer))

    def _perform(self, effect: Effect) -> None:  # noqa: PLR0912 - a table of twelve rows
        match effect:
            case SignVote():
                self.votes.append(effect.vote)
                signed = self.signer.sign_vote(effect.vote)
                self.records.append(VoteRecord(signed, effect.context))
                if self.durable:
                    self.feed(VoteDurable(signed))
            case Broadcast():
                for peer in range(self.stage.size):
                    if peer != self.index:
                        self.stage.wire.append((self.index, peer, effect.message))
            case Send():
                self.stage.wire.append((self.index, effect.peer, effect.message))
            case SetTimer():
                self.timers[effect.timer] = effect.at_ms
            case CancelTimer():
                self.timers.pop(effect.timer, None)
            case CheckBody():
                is_held = not self.missing and not self.body_reason
                if is_held:
                    self.bodies[effect.order_hash] = HeldBody(effect.order_hash, effect.block, effect.refs)
                self.feed(BodyChecked(effect.order_hash, is_held, self.missing, self.body_reason))
            case AskProposal():
                self.asked = effect
            case Execute():
                self.executed[effect.height] = effect.order_hash
                parent = self.bodies[effect.order_hash].block.parent_hash
                self.results[effect.order_hash] = execute(self.results[parent], effect.order_hash)
                result = self.results[effect.order_hash]
                self.feed(Executed(effect.height, effect.order_hash, result, *self.stage.news(effect.height)))
            case Seal():
                self.certificates[effect.certificate.height] = effect.certificate
                order_hash = next(h for h, sealed in self.results.items() if sealed == effect.certificate.hash)
                block = self.bodies[order_hash].block
                self.sealed.append(SealedHead(block.height, effect.certificate.hash, order_hash, block))
            case Evidence():
                self.evidence.append(effect)
            case Halt():
                self.halted = effect.code


class Stage:
    """`size` validators; those in `traitors` are played by the script, the others are machines.

    Everybody knows at the start what everybody signed: nothing.
    """

    def __init__(
        self,
        size: int = 4,
        traitors: tuple[int, ...] = (),
        rules: Rules | None = None,
        make_signer: Callable[[int], Signer] | None = None,
        window: int = 8,
        term: int = 1_000,
        verify_own_votes: bool = False,
        block_interval_ms: int = 0,
        weights: tuple[int, ...] = (),
        following: EpochFacts | None = None,
    ) -> None:
        """Set the stage.

        Parameters
        ----------
        weights: of each validator; none = all the same. following: every state says that this epoch comes next.
        """
        self.size = size
        self.validators = ValidatorSet(weights or [1] * size)
        self.following = following
        self.rules = rules
        self.make_signer = make_signer or make_plain_signer
        self.window = window
        self.term = term
        self.verify_own_votes = verify_own_votes
        self.block_interval_ms = block_interval_ms
        self.now_ms = 1_000
        self.wall_ms = WALL_MS
        self.wire: list[tuple[int, int, Message]] = []
        self.actors = {i: Actor(self, i) for i in range(size) if i not in traitors}
        self.wire.clear()

    def config(self, index: int) -> EngineConfig:
        """Return what a machine is built from."""
        return EngineConfig(
            me=index,
            validators=self.validators,
            genesis_order_hash=GENESIS_ORDER_HASH,
            order_hash=compute_order_hash,
            payload_hash=compute_digest,
            window=self.window,
            term=self.term,
            block_interval_ms=self.block_interval_ms,
            verify_own_votes=self.verify_own_votes,
        )

    def news(self, height: int) -> tuple[int | None, EpochFacts | None]:
        """Return what the state after a block says: the epoch's end, and at its last height what holds next."""
        if self.following is None:
            return None, None
        end = self.following.first_height - 1
        return end, self.following if height == end else None

    # --- what travels

    def deliver(self, wanted: Callable[[int, int, Message], bool] = lambda sender, receiver, message: True) -> int:
        """Deliver what is on the wire and wanted; the rest stays there. Returns how many messages arrived."""
        wire, self.wire = self.wire, []
        kept: list[tuple[int, int, Message]] = []
        count = 0
        for sender, receiver, message in wire:
            if receiver in self.actors and wanted(sender, receiver, message):
                self.actors[receiver].hear(sender, message)
                count += 1
            else:
                kept.append((sender, receiver, message))
        self.wire = kept + self.wire
        return count

    def settle(self, wanted: Callable[[int, int, Message], bool] = lambda sender, receiver, message: True) -> None:
        """Deliver until nothing wanted is under way."""
        for _ in range(1_000):
            if not self.deliver(wanted):
                return
        raise AssertionError("messages never end")

    def drop(self) -> None:
        """Lose everything on the wire."""
        self.wire.clear()

    def tell(self, sender: int, receivers: tuple[int, ...], message: Message) -> None:
        """The script speaks for a validator."""
        for receiver in receivers:
            self.actors[receiver].hear(sender, message)

    # --- what a traitor, or a script that replays honest words, can make

    def refs(self, salt: int) -> bytes:
        """Return the references of a payload of one transaction."""
        return hashlib.blake2b(b"payload %d" % salt, digest_size=32).digest()

    def block(self, view: int, parent: OrderBlock, base_height: int, salt: int = 0, **fields: object) -> OrderBlock:
        """Return a well-formed child of `parent`."""
        parent_hash = GENESIS_ORDER_HASH if parent.height == 0 else compute_order_hash(parent)
        given = {
            "epoch": 0,
            "view": view,
            "height": parent.height + 1,
            "parent_hash": parent_hash,
            "base_height": base_height,
            "sealed_height": 0,
            "sealed_hash": GENESIS_HASH,
            "time_ms": max(WALL_MS, parent.time_ms),
            "proposer": self.validators.leader(view),
            "payload_kind": PayloadKind.TRANSACTION_HASHES,
            "payload_hash": compute_digest(self.refs(salt)),
            "tx_count": 1,
            "gas": 21_000,
        } | fields
        return OrderBlock(**given)  # type: ignore[arg-type]

    def sign(self, signer: int, vote: Vote) -> SignedVote:
        """Sign anything for anybody."""
        return SignedVote(vote, signer, b"signature of %d" % signer)

    def vote(self, signer: int, vote_type: VoteType, block: OrderBlock) -> SignedVote:
        """Return PROPOSE, PREPARE or COMMIT of `signer` for a block."""
        return self.sign(signer, Vote(vote_type, 0, block.view, block.height, compute_order_hash(block)))

    def proposal(
        self, block: OrderBlock, salt: int = 0, proof: QuorumCertificate | TimeoutCertificate | None = None
    ) -> PrePrepare:
        """Return the leader's signed proposal."""
        return PrePrepare(block, self.refs(salt), self.vote(block.proposer, VoteType.PROPOSE, block), proof)

    def qc(self, block: OrderBlock, signers: tuple[int, ...]) -> QuorumCertificate:
        """Return a QC for a block."""
        signatures = tuple((i, b"signature of %d" % i) for i in sorted(signers))
        return QuorumCertificate(VoteType.PREPARE, 0, block.view, block.height, compute_order_hash(block), signatures)

    def view_change(self, signer: int, view: int, qc: QuorumCertificate) -> ViewChange:
        """Return a VIEW-CHANGE that names `qc`."""
        vote = Vote(VoteType.VIEW_CHANGE, 0, view, qc.height, qc.hash, qc.view)
        return ViewChange(self.sign(signer, vote), qc)

    def tc(self, view: int, messages: tuple[ViewChange, ...], high_qc: QuorumCertificate) -> TimeoutCertificate:
        """Return a TC of these VIEW-CHANGEs that claims `high_qc` as its highest."""
        votes = tuple(sorted((m.vote for m in messages), key=lambda signed: signed.signer))
        return TimeoutCertificate(0, view, votes, high_qc)

    def qc_of(self, actor: int) -> QuorumCertificate:
        """Return the highest QC that an honest validator holds."""
        qc: QuorumCertificate = self.actors[actor].state.high_qc
        return qc

    def has_fork(self) -> bool:
        """Whether two honest validators committed, or sealed, different blocks at one height."""
        committed: dict[int, bytes] = {}
        for actor in self.actors.values():
            chain = actor.executed | {head.height: head.order_hash for head in actor.sealed[1:]}
            for height, order_hash in chain.items():
                if committed.setdefault(height, order_hash) != order_hash:
                    return True
        return False

    def has_equivocation(self) -> bool:
        """Whether an honest validator voted for two contents at one position."""
        for actor in self.actors.values():
            known: dict[object, Vote] = {}
            for vote in actor.votes:
                key = (vote.type, vote.view, vote.height if vote.type is not VoteType.VIEW_CHANGE else 0)
                if known.setdefault(key, vote) != vote:
                    return True
        return False


def votes_only(*types: VoteType) -> Callable[[int, int, Message], bool]:
    """Return a filter for `Votes` messages of these types."""
    return lambda sender, receiver, message: isinstance(message, Votes) and message.votes[0].vote.type in types


def answers(sender: int, receiver: int, message: Message) -> bool:
    """A filter for the question what others saw of one's votes, and the answers."""
    return isinstance(message, VoteQuery | VoteReport)


__all__ = ["GENESIS_QC", "Actor", "Stage", "WorkPending", "answers", "votes_only"]
