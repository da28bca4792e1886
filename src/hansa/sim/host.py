"""One simulated node: the shell around a replica. It performs effects on simulated disks, clocks and links."""

from collections.abc import Callable, Iterable
from random import Random
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from hansa.consensus.config import RECENT_HEIGHTS, EngineConfig
from hansa.consensus.effects import (
    AddPayload,
    AskProposal,
    AskWork,
    BeginView,
    Broadcast,
    CancelTimer,
    CheckBody,
    Effect,
    Evidence,
    Execute,
    Halt,
    ImportBlocks,
    LeaveView,
    PruneVotes,
    Seal,
    Send,
    ServeBlocks,
    ServeOffer,
    ServePayload,
    ServeSnapshot,
    SetTimer,
    SignVote,
    WorkOnSnapshot,
)
from hansa.consensus.errors import CorruptVoteLog, LostVoteLog
from hansa.consensus.inputs import (
    BodyChecked,
    Executed,
    HeldBody,
    Imported,
    Input,
    MessageIn,
    PauseVoting,
    Proposed,
    Restored,
    ResumeVoting,
    SnapshotWorked,
    TimerFired,
    TimerId,
    VoteDurable,
    WorkPending,
)
from hansa.consensus.messages import (
    Message,
    PayloadResponse,
    RangeResponse,
    SnapshotOffer,
    SnapshotPart,
    signed_votes,
)
from hansa.consensus.values import SealedHead, SignedVote, VoteRecord
from hansa.node.replica import Replica, ReplicaConfig
from hansa.sim.attackers import TURN_US, Attacker
from hansa.sim.clock import SimClock
from hansa.sim.disk import SimDisk
from hansa.sim.ledger import FORGED, SimLedger, compute_digest
from hansa.sim.script import AttackKind
from hansa.types.order import OrderBlock

if TYPE_CHECKING:
    from hansa.sim.world import World

BLOCK_TRANSACTIONS = 4


class Host:
    """One instance of a validator. A twin has two, with disks of their own."""

    ledger_type: ClassVar[type[SimLedger]] = SimLedger

    def __init__(self, world: "World", instance: int, index: int) -> None:
        script = world.scenario.script
        self.world = world
        self.instance = instance
        self.index = index
        self.is_honest = index not in script.traitors  # it follows the protocol
        self.is_sound = self.is_honest and index not in script.damaged  # and its disk keeps what it said was safe
        self.name = f"n{index}" if self.is_honest else f"t{index}{'ab'[instance >= world.scenario.size]}"
        self.disk = SimDisk(index, world.scenario.has_sectors)
        self.clock = SimClock(world.scenario.skew_ms[index])
        self.rng: Random = world.rng
        self.life = 0  # counts up with every crash; answers to earlier lives are dropped
        self.attacks: dict[AttackKind, Attacker] = {}
        self.stories: dict[bytes, OrderBlock] = {}  # an equivocator's: own order hash -> the block told in its place
        self.ledger = self._open_ledger()
        self.has_joined = index < script.size  # whether this node was ever started
        self.replica: Replica | None = None
        self.halted: str | None = None

    # --- life

    def start(self) -> None:
        """Begin a life from what the disk holds."""
        world = self.world
        self.life += 1
        self.has_joined = True
        self.signer = world.build.make_signer(self.index)
        self.ledger = self._open_ledger()
        records = self._open_votes() if world.build.keeps_votes else ()
        self.held: list[tuple[Callable[[Any], None], Effect]] = []  # what waits for room on the disk
        self.timers: dict[TimerId, int] = {}
        self.timer_draws = 0
        self.ancestors: tuple[bytes, ...] | None = None
        self.unsealed: dict[int, bytes] = {}  # order hashes by height: executed or to be, not yet sealed by the ledger
        self.told_work: bool | None = None
        self.is_syncing_disk = False
        self.unsynced_votes: list[SignedVote] = []
        self.execute_free_us = world.now_us
        self.signer.restore(records)
        self.replica = Replica(ReplicaConfig(self._engine_config()), world.build.rules())
        head = self.ledger.head
        recent = tuple(
            (h, self.ledger.get_head(h).sealed_hash)
            for h in range(max(0, head.height - RECENT_HEIGHTS), head.height + 1)
        )
        bodies = tuple(self.ledger.bodies.values())
        certificate = self.ledger.sealed[-1].certificate if self.ledger.sealed else None
        epoch = self.ledger.epoch
        root_hash = self.ledger.epoch_root_hash
        self.feed(Restored(head, recent, records, bodies, certificate, epoch.facts, root_hash, epoch.end))
        if self.disk.is_full:
            self.feed(PauseVoting("the disk is full"))

    def _open_ledger(self) -> SimLedger:
        world = self.world
        build, window = world.build, world.scenario.window
        return self.ledger_type(
            self.disk.blocks, world.validators, build.verifies_signatures, world.epoch, window, build.blocks_early
        )

    def resume(self) -> None:
        """There is room on the disk: do what waited for it."""
        if self.replica is None:
            return
        held, self.held = self.held, []
        for perform, effect in held:
            perform(effect)
        self.feed(ResumeVoting())

    def _open_votes(self) -> tuple[VoteRecord, ...]:
        """What the vote log holds; rules 1.13: a log that is lost or damaged is replaced by a quarantine."""
        try:
            return self.disk.open_votes()
        except (LostVoteLog, CorruptVoteLog):
            return self.disk.replace_votes(self.signer.begin_quarantine(self.ledger.epoch.facts.number))

    def crash(self) -> None:
        """Lose power."""
        self.stop()
        self.disk.cut_power(self.rng)

    def stop(self) -> None:
        """End the process; the machine lives on."""
        self.replica = None
        self.life += 1

    def begin_attack(self, kind: AttackKind, attacker: Attacker) -> None:
        """From now on this validator breaks the protocol in that way."""
        self.attacks[kind] = attacker
        self._turn(kind)

    def end_attack(self, kind: AttackKind) -> None:
        """It behaves again."""
        self.attacks.pop(kind, None)

    def _turn(self, kind: AttackKind) -> None:
        attacker = self.attacks.get(kind)
        if attacker is not None:
            if self.replica is not None:
                attacker.on_turn()
            self.world.at(self.world.now_us + TURN_US, self._turn, kind)

    def receive(self, sender: int, message: Message) -> None:
        """A message arrived. Only a traitor sends what does not verify, so only theirs is looked at."""
        world = self.world
        for attacker in self.attacks.values():
            attacker.on_receive(sender, message)
        is_looked_at = sender in world.traitors and world.build.verifies_signatures
        if is_looked_at and any(signed.signature == FORGED for signed in signed_votes(message)):
            return
        self.feed(MessageIn(sender, message))

    def feed(self, event: Input) -> None:
        """Hand one input to the replica and perform what it asks for."""
        replica = self.replica
        if replica is None:
            return
        world = self.world
        if world.trace is not None:
            world.trace.add(world.now_us, self.name, "<-", event)
        now_us = world.now_us
        for effect in replica.step(event, self.clock.now_us(now_us) // 1000, self.clock.wall_ms(now_us)):
            if world.trace is not None:
                world.trace.add(world.now_us, self.name, "->", effect)
            self.perform(effect)

    def perform(self, effect: Effect) -> None:
        """Do what an effect asks for."""
        PERFORM[type(effect)](self, effect)

    def add_transactions(self, hashes: list[bytes]) -> None:
        """Clients or gossip bring transactions."""
        if self.replica is not None and self.ledger.add_transactions(hashes):
            self._tell_work(False)

    # --- effects

    def _sign_vote(self, effect: SignVote) -> None:
        signed = self.signer.sign_vote(effect.vote)
        self.disk.votes.append(VoteRecord(signed, effect.context))
        self.unsynced_votes.append(signed)
        if not self.world.build.waits_for_sync:
            self._answer(0, VoteDurable(signed))
        if not self.is_syncing_disk:
            self._begin_sync()

    def _begin_sync(self) -> None:
        """One group commit: bodies first, then votes; what comes meanwhile waits for the next one."""
        self.is_syncing_disk = True
        batch, self.unsynced_votes = self.unsynced_votes, []
        marks = self.disk.begin_sync()
        low, high = self.world.scenario.sync_us
        self._later(self.rng.randint(low, high) + self.disk.extra_sync_us, self._end_sync, (batch, marks))

    def _end_sync(self, done: tuple[list[SignedVote], tuple[int, int]]) -> None:
        batch, marks = done
        self.is_syncing_disk = False
        self.disk.end_sync(marks)
        if self.world.build.waits_for_sync:
            for signed in batch:
                self.feed(VoteDurable(signed))
        if self.unsynced_votes and not self.is_syncing_disk:
            self._begin_sync()

    def _send(self, effect: Send) -> None:
        if self.is_honest:
            self.world.checkers.on_sent(self, effect.message, 1)
        self._put(effect.peer, effect.message)

    def _broadcast(self, effect: Broadcast) -> None:
        peers = self.world.peers(self.index)
        if self.is_honest:
            self.world.checkers.on_sent(self, effect.message, len(peers))
        for peer in peers:
            self._put(peer, effect.message)

    def _put(self, peer: int, message: Message) -> None:
        if self.attacks:
            self._put_bent(peer, message)
        else:
            self.world.network.send(self.world.now_us, self.instance, self.index, peer, message)

    def _put_bent(self, peer: int, message: Message) -> None:
        """What an attacker sends to a peer in the place of an honest message."""
        world = self.world
        bent: list[Message] = [message]
        delay_us = 0
        for attacker in self.attacks.values():
            bent = [out for told in bent for out in attacker.on_send(peer, told)]
            delay_us += attacker.delay_us(message)
        for told in bent:
            world.network.send(world.now_us + delay_us, self.instance, self.index, peer, told)

    def _set_timer(self, effect: SetTimer) -> None:
        self.timer_draws += 1
        self.timers[effect.timer] = self.timer_draws
        delay_us = self.clock.delay_us(self.world.now_us, effect.at_ms * 1000)
        self._later(delay_us, self._fire, (effect.timer, self.timer_draws))

    def _cancel_timer(self, effect: CancelTimer) -> None:
        self.timers.pop(effect.timer, None)

    def _fire(self, due: tuple[TimerId, int]) -> None:
        if self.timers.get(due[0]) == due[1]:
            self.feed(TimerFired(due[0]))

    def _ask_proposal(self, effect: AskProposal) -> None:
        refs = self.ledger.choose(self._with_unsealed(effect.ancestors), BLOCK_TRANSACTIONS)
        for attacker in self.attacks.values():
            refs = attacker.choose(refs)
        count = len(refs) // 32
        answer = Proposed(effect.height, effect.parent_hash, refs, compute_digest(refs), count, 21_000 * count)
        self._answer(200, answer)

    def _with_unsealed(self, ancestors: Iterable[bytes]) -> tuple[bytes, ...]:
        """The replica counts a block as sealed when it asks for the seal; the pool knows only once that is done."""
        return (*self.unsealed.values(), *ancestors)

    def _ask_work(self, effect: AskWork) -> None:
        self.ancestors = effect.ancestors
        self._tell_work(True)

    def _tell_work(self, is_asked: bool) -> None:
        if self.ancestors is None:
            return
        has_work = self.ledger.has_work(self._with_unsealed(self.ancestors))
        if is_asked or has_work != self.told_work:
            self.told_work = has_work
            self._answer(0, WorkPending(has_work))

    def _check_body(self, effect: CheckBody) -> None:
        if self.disk.is_full:
            self.held.append((self._check_body, effect))
            return
        missing, reason = self.ledger.check_body(effect.order_hash, effect.block, effect.refs)
        is_held = not missing and not reason
        if is_held:
            self.disk.blocks.append(HeldBody(effect.order_hash, effect.block, effect.refs))
        self._answer(self.world.scenario.check_us, BodyChecked(effect.order_hash, is_held, missing, reason))

    def _serve_payload(self, effect: ServePayload) -> None:
        held = (tx for tx in self.ledger.split(effect.hashes) if self.ledger.holds(tx))
        self._put(effect.peer, PayloadResponse(effect.order_hash, b"".join(held)))

    def _add_payload(self, effect: AddPayload) -> None:
        self.add_transactions(self.ledger.split(effect.bundle))

    def _execute(self, effect: Execute) -> None:
        self.unsealed[effect.height] = effect.order_hash
        self._queue(self.world.scenario.execute_us, self._executed, effect)

    def _executed(self, effect: Execute) -> None:
        if self.is_honest:
            self.world.checkers.on_executed(self, effect.height, effect.order_hash)
        sealed_hash = self.ledger.execute(effect.height, effect.order_hash)
        news = self.ledger.epoch_news(effect.height, effect.order_hash)
        self.feed(Executed(effect.height, effect.order_hash, sealed_hash, *news))

    def _seal(self, effect: Seal) -> None:
        self._queue(self.world.scenario.seal_us, self._seal_now, effect)

    def _seal_now(self, effect: Seal) -> None:
        certificate = effect.certificate
        if self.disk.is_full:
            self.held.append((self._seal_now, effect))
            return
        order_hash = next((h for h, sealed in self.ledger.results.items() if sealed == certificate.hash), None)
        block = None if order_hash is None else self.ledger.seal(certificate, order_hash)
        if block is not None:
            self._sealed(block.head)
            self.disk.blocks.append(block)

    def _sealed(self, head: SealedHead) -> None:
        self.unsealed = {height: known for height, known in self.unsealed.items() if height > head.height}
        if self.is_honest:
            self.world.checkers.on_sealed(self, head)

    def _serve_blocks(self, effect: ServeBlocks) -> None:
        blocks = self.ledger.export(effect.first, min(effect.count, 64))
        self._put(effect.peer, RangeResponse(effect.request, effect.first, blocks))

    def _offer_nothing(self, effect: ServeOffer) -> None:
        """Simulated nodes serve no snapshots: whoever wants one goes back to ranges."""
        self._put(effect.peer, SnapshotOffer((), 0, 0))

    def _serve_nothing(self, effect: ServeSnapshot) -> None:
        self._put(effect.peer, SnapshotPart(effect.request, b""))

    def _work_on_snapshot(self, effect: WorkOnSnapshot) -> None:
        self._answer(0, SnapshotWorked(effect.step, effect.request))

    def _import_blocks(self, effect: ImportBlocks) -> None:
        cost_us = self.world.scenario.execute_us * len(effect.blocks)
        self._queue(cost_us, self._import, effect)

    def _import(self, effect: ImportBlocks) -> None:
        if self.disk.is_full:
            self.held.append((self._import, effect))
            return
        heads: list[SealedHead] = []
        error = ""
        own_seal = 0
        for data in effect.blocks:
            block, error = self.ledger.import_block(data)
            if error:
                break
            if block is not None:
                self._sealed(block.head)
                self.disk.blocks.append(block)
                end, following = self.ledger.epoch_news(block.head.height, block.head.order_hash)
                heads.append(msgspec.structs.replace(block.head, epoch_end=end, next_epoch=following))
                if any(signer == self.index for signer, _ in block.certificate.signatures):
                    own_seal = block.head.height
        self.feed(Imported(effect.request, tuple(heads), error, own_seal=own_seal))

    def _prune_votes(self, effect: PruneVotes) -> None:
        self.disk.prune_votes(effect.below_height)

    def _evidence(self, effect: Evidence) -> None:
        if self.is_honest:
            self.world.checkers.on_evidence(self, effect.proof)

    def _note_nothing(self, effect: Effect) -> None:
        """Only real logs tell of views; a trace of the run has the effect itself."""

    def _halt(self, effect: Halt) -> None:
        self._halted(f"{effect.code}: {effect.reason}")

    def _halted(self, why: str) -> None:
        self.halted = why
        self.world.checkers.on_halt(self, why)

    # --- time

    def _engine_config(self) -> EngineConfig:
        scenario = self.world.scenario
        return EngineConfig(
            me=self.index,
            validators=self.world.validators,
            genesis_order_hash=self.world.genesis_order_hash,
            order_hash=self.world.order_hash,
            payload_hash=compute_digest,
            window=scenario.window,
            term=scenario.term,
            block_interval_ms=scenario.block_interval_ms,
            prune_every_heights=scenario.prune_every_heights,
            verify_own_votes=self.index not in scenario.twins and self.world.build.asks_peers,
        )

    def _queue(self, cost_us: int, perform: Callable[[Any], None], effect: Effect) -> None:
        """Executions, seals and imports happen one after another."""
        self.execute_free_us = max(self.execute_free_us, self.world.now_us) + cost_us
        self._later(self.execute_free_us - self.world.now_us, perform, effect)

    def _answer(self, delay_us: int, event: Input) -> None:
        self._later(delay_us, self.feed, event)

    def _later(self, delay_us: int, act: Callable[[Any], None], argument: object) -> None:
        self.world.at(self.world.now_us + delay_us, self._if_alive, (self.life, act, argument))

    def _if_alive(self, what: tuple[int, Callable[[Any], None], object]) -> None:
        life, act, argument = what
        if life == self.life:
            act(argument)


PERFORM: dict[type, Callable[[Host, Any], None]] = {
    SignVote: Host._sign_vote,
    Send: Host._send,
    Broadcast: Host._broadcast,
    SetTimer: Host._set_timer,
    CancelTimer: Host._cancel_timer,
    AskProposal: Host._ask_proposal,
    AskWork: Host._ask_work,
    CheckBody: Host._check_body,
    ServePayload: Host._serve_payload,
    AddPayload: Host._add_payload,
    Execute: Host._execute,
    Seal: Host._seal,
    ServeBlocks: Host._serve_blocks,
    ServeOffer: Host._offer_nothing,
    ServeSnapshot: Host._serve_nothing,
    WorkOnSnapshot: Host._work_on_snapshot,
    ImportBlocks: Host._import_blocks,
    PruneVotes: Host._prune_votes,
    Evidence: Host._evidence,
    LeaveView: Host._note_nothing,
    BeginView: Host._note_nothing,
    Halt: Host._halt,
}
