"""The loop that drives a replica: inputs in, effects out, on one event loop.

A turn takes what waits, at most TURN_MS of it, performs the effects in order, and ends with one group commit. Native
work runs in workers and comes back as inputs. The table EFFECTS is the list of what a replica may ask for;
`node/pipeline.py` shows where each answer goes.

| worker     | does                                                             |
|------------|------------------------------------------------------------------|
| order      | proposals, bodies, fetched payloads: what a vote waits for       |
| execute    | executing, sealing, importing blocks, in the order of the chain  |
| admit      | bundles of other members, own bundles, expiry                    |
| serve      | what other members ask for                                       |
| verify     | messages with many signatures                                    |
| snapshot   | taking over a state from other members                           |
"""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hansa._native import NativeError
from hansa.alliance.layout import NodeFolder
from hansa.consensus import effects as fx
from hansa.consensus import inputs as ins
from hansa.consensus.errors import RefusedVote
from hansa.consensus.evidence import encode_evidence, evidence_name
from hansa.consensus.messages import Message, encode_message, lane_of
from hansa.consensus.values import SignedVote, Vote, VoteType
from hansa.errors import HansaError
from hansa.io.clock import Clock
from hansa.io.errors import DiskFull
from hansa.io.evidence_folder import keep_evidence
from hansa.io.group_commit import CommitEvents, GroupCommit
from hansa.io.stages import StageClock
from hansa.io.transport import Transport
from hansa.io.vote_signer import VoteSigner, VoteToSign
from hansa.io.worker import Worker
from hansa.network.frames import FrameKind
from hansa.network.lanes import Lane
from hansa.node.epochs.facts import note_epoch
from hansa.node.epochs.keys import NodeKeys
from hansa.node.errors import explain_native, explain_protocol
from hansa.node.gossip import Gossip
from hansa.node.inbox import Inbox, Verifier
from hansa.node.ledger_work import LedgerWork
from hansa.node.replica import Replica
from hansa.node.sealed_feed import SealedFeed
from hansa.node.signing.follower import Follower
from hansa.node.snapshots.work import SnapshotPlace, SnapshotWork
from hansa.types import versions
from hansa.types.epoch import EpochFacts

if TYPE_CHECKING:
    from hansa._native import Chain

log = logging.getLogger("hansa.node")

TURN_MS = 2
WORKERS = ("order", "execute", "admit", "serve", "verify", "snapshot")


@dataclass(slots=True)
class RuntimeParts:
    """What `hansa.node.assemble` puts together."""

    index: int
    chain: "Chain"
    replica: Replica | Follower
    signer: VoteSigner
    epoch: EpochFacts  # in force above the head
    verifier: Verifier
    keys: NodeKeys | None  # None: votes are signed elsewhere, or never
    feed: SealedFeed
    gas_limit: int  # of one block
    restored: ins.Restored
    keep_blocks: int = 0


class Runtime:
    """Drives one replica. Everything but the workers runs on the event loop that made it."""

    def __init__(self, parts: RuntimeParts) -> None:
        self.index = parts.index
        self.chain = parts.chain
        self.replica = parts.replica
        self.epoch = parts.epoch
        self.clock = Clock()
        self.feed = parts.feed
        self.halted: str | None = None
        self.full: str | None = None  # why nothing can be made durable just now
        self.evidence: Path | None = None  # folder for proofs of lies
        self.folder: NodeFolder | None = None  # in which the epochs are noted that begin
        self.protocol = versions.PROTOCOL_GENESIS  # by which blocks are made and judged
        self._next_epoch: EpochFacts | None = parts.restored.epoch  # what holds once its first block is due
        self.begins_anew = False  # this process is to open the node's folder once more
        self._parts = parts
        self._loop = asyncio.get_running_loop()
        self._inputs: deque[ins.Input] = deque()
        self._turn_scheduled = False
        self._stopping = False
        self._is_led_by_other = asyncio.Event()  # looked at at the end of every turn
        self._ended: asyncio.Future[None] = self._loop.create_future()
        self._timers: dict[ins.TimerId, asyncio.TimerHandle] = {}
        self._transport: Transport | None = None
        self._follow_epoch: Callable[[EpochFacts], None] | None = None
        self.stages = StageClock()
        self._workers = {name: Worker(name, self.stages, self._on_work_failed, self._is_full) for name in WORKERS}
        self._ledger = LedgerWork(self.chain, parts.gas_limit, self._workers, self, parts.keep_blocks)
        self._snapshot = SnapshotWork(self._workers["snapshot"], self, self._begin_anew)
        events = CommitEvents(self._on_durable, self._on_refused, self._on_full, self._on_room, self.fail)
        self._commit = GroupCommit(parts.signer, self._ledger.sync_blocks, events, self.stages)
        self.gossip = Gossip(self.chain, self._workers["admit"], self._ledger.pool_changed)
        self.inbox = Inbox(parts.verifier, self._workers["verify"], self.push)

    # --- life

    def start(self, transport: Transport | None) -> None:
        """Begin: restore the replica, gossip, take turns. A single node has no transport."""
        self._transport = transport
        self.stages.start()
        self.inbox.start(transport)
        self._begin_epoch(self.feed.height)
        self.push(self._parts.restored)
        self.gossip.start(transport)
        if transport is not None:
            for peer in transport.peers_up():
                self.push(ins.PeerUp(peer))

    async def wait_ended(self) -> None:
        """Return when `stop` was asked for.

        Raises
        ------
        HansaError: why the node cannot go on.
        """
        await self._ended

    def end(self) -> None:
        """Ask `wait_ended` to return."""
        if not self._ended.done():
            self._ended.set_result(None)

    def take_over_to(self, place: SnapshotPlace) -> None:
        """A snapshot, should one be needed, goes there; without a place none can be taken over."""
        self._snapshot.place = place

    def _begin_anew(self) -> None:
        """End, so that the ledger that was taken over is opened."""
        self.begins_anew = True
        self.end()

    def fail(self, error: BaseException) -> None:
        """End the node with an error."""
        if not self._ended.done():
            self._ended.set_exception(error)

    def abdicate(self) -> None:
        """If this validator leads, have another one lead, so that nobody need wait for a timeout."""
        self.push(ins.Abdicate())

    async def give_up_leadership(self, patience_s: float) -> None:
        """As `abdicate`; return once another validator leads."""
        self.abdicate()
        self._is_led_by_other.clear()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._is_led_by_other.wait(), patience_s)

    def close(self) -> None:
        """Stop taking turns, finish the work under way, write a checkpoint."""
        self.detach()
        self._ledger.close()

    def detach(self) -> None:
        """Stop taking turns, finish the work under way; the ledger stays open for another runtime."""
        self._stopping = True
        for timer in self._timers.values():
            timer.cancel()
        self.gossip.close()
        self.stages.close()
        for worker in self._workers.values():
            worker.close()
        self._snapshot.close()
        self._commit.close()
        self._parts.signer.close()

    def position(self) -> tuple[int, int]:
        """(sealed height, view), for logs."""
        return self.feed.height, self.replica.status().view

    def on_message(self, peer: int, lane: Lane, payload: bytes) -> None:
        """A message frame came."""
        if peer == self.index and lane is not Lane.SYNC:
            return  # a standby reads what is sealed, and says nothing else
        self.stages.measure("decode messages, verify votes", lambda: self.inbox.on_message(peer, lane, payload))

    def on_peer_up(self, peer: int) -> None:
        """All lanes to a peer are open."""
        self.push(ins.PeerUp(peer))
        self.gossip.on_peer_up(peer)

    def on_peer_down(self, peer: int) -> None:
        """A peer went away."""
        self.push(ins.PeerDown(peer))

    def kick(self) -> None:
        """Transactions may have entered the pool here."""
        self.gossip.kick()
        self._ledger.pool_changed()

    # --- turns

    def push(self, event: ins.Input) -> None:
        """Queue an input for the next turn."""
        if isinstance(event, ins.Executed | ins.Imported):
            self._note_epoch(event)
        self._inputs.append(event)
        if not self._turn_scheduled and not self._stopping:
            self._turn_scheduled = True
            self._loop.call_soon(self._take_turn)

    def _take_turn(self) -> None:
        self.stages.measure("consensus and sync", self._turn)

    def _turn(self) -> None:
        self._turn_scheduled = False
        if self._stopping:
            return
        now_ms = self.clock.now_ms()
        until_ms = now_ms + TURN_MS
        while self._inputs and now_ms <= until_ms:
            event = self._inputs.popleft()
            if isinstance(event, ins.MessageIn):
                self.inbox.taken(event.peer)
            for effect in self.replica.step(event, now_ms, self.clock.wall_ms()):
                EFFECTS[type(effect)](self, effect)
            now_ms = self.clock.now_ms()
        self._commit.flush()
        if self.replica.leader != self.index:
            self._is_led_by_other.set()
        if self._inputs and not self._turn_scheduled:
            self._turn_scheduled = True
            self._loop.call_soon(self._take_turn)

    # --- votes

    def _sign_vote(self, effect: fx.SignVote) -> None:
        if effect.vote.type is VoteType.REJOIN:
            self._say_rejoin(effect.vote)
        has_body = effect.vote.type not in (VoteType.VIEW_CHANGE, VoteType.REJOIN)
        self._commit.add(VoteToSign(effect.vote, effect.context), has_body)

    def _say_rejoin(self, vote: Vote) -> None:
        status = self.replica.status()
        if vote.height:
            how = f"votes again from view {vote.view} on" if status.has_vote else "votes once it is given a vote"
            log.info("out of quarantine: %s", how, extra={"code": "VOTES-6"})
            return
        log.warning("in quarantine, without a vote: %s", status.quarantine, extra={"code": "VOTES-5"})

    def mark_blocks_dirty(self) -> None:
        """The block log was appended to; the next group commit syncs it."""
        self._commit.mark_blocks_dirty()

    def _on_refused(self, error: RefusedVote) -> None:
        log.critical(str(error), extra={"code": error.code})
        self.push(ins.StopVoting(str(error)))

    def _on_durable(self, votes: Sequence[SignedVote]) -> None:
        self._parts.verifier.remember(votes)
        for signed in votes:
            self.push(ins.VoteDurable(signed))

    def _on_full(self, error: DiskFull) -> None:
        """Vote no more for now and give leadership away; reads are served, and work waits for room."""
        log.critical(str(error), extra={"code": error.code})
        self.full = str(error)
        self.push(ins.PauseVoting(str(error)))

    def _on_room(self) -> None:
        """Everything that waited is durable."""
        log.info("there is room on the disk again", extra={"code": DiskFull.code})
        self.full = None
        self.push(ins.ResumeVoting())

    def _is_full(self, error: NativeError) -> bool:
        """Called in a worker: whether its work is to be done again, as the block log cannot grow just now."""
        explained = explain_native(error)
        if isinstance(explained, DiskFull):
            self._loop.call_soon_threadsafe(self._commit.wait_for_room, explained)
            return True
        return False

    def _prune_votes(self, effect: fx.PruneVotes) -> None:
        def prune_now() -> None:
            self._ledger.sync_blocks()  # the results that make the old votes needless come first
            self._parts.signer.prune(effect.below_height)

        self._commit.submit(prune_now)

    # --- messages

    def send(self, peer: int, message: Message) -> None:
        """Send to one validator; lost if it is not connected."""
        if self._transport is not None:
            self._transport.send(peer, Lane(lane_of(message)), FrameKind.MESSAGE, encode_message(message))

    def _send(self, effect: fx.Send) -> None:
        self.send(effect.peer, effect.message)

    def _broadcast(self, effect: fx.Broadcast) -> None:
        if self._transport is not None:
            message = effect.message
            self._transport.broadcast(Lane(lane_of(message)), FrameKind.MESSAGE, encode_message(message))

    # --- timers

    def _set_timer(self, effect: fx.SetTimer) -> None:
        self._cancel(effect.timer)
        delay = max(0, effect.at_ms - self.clock.now_ms()) / 1000
        self._timers[effect.timer] = self._loop.call_later(delay, self._fire, effect)

    def _fire(self, effect: fx.SetTimer) -> None:
        if self.clock.now_ms() < effect.at_ms:  # the loop rounds; a timer is never early
            self._timers[effect.timer] = self._loop.call_later(0.001, self._fire, effect)
            return
        self._timers.pop(effect.timer, None)
        self.push(ins.TimerFired(effect.timer))

    def _cancel_timer(self, effect: fx.CancelTimer) -> None:
        self._cancel(effect.timer)

    def _cancel(self, timer: ins.TimerId) -> None:
        handle = self._timers.pop(timer, None)
        if handle is not None:
            handle.cancel()

    # --- ledger (answers come back through `push`)

    def _ledger_work(self, effect: fx.Effect) -> None:
        self._ledger.perform(effect)

    def _work_on_snapshot(self, effect: fx.WorkOnSnapshot) -> None:
        self._snapshot.perform(effect)

    def on_sealed(self, height: int) -> None:
        """A block is final here; after the last one of an epoch links are what the next one says."""
        self.feed.publish(height)
        self._begin_epoch(height)

    def _note_epoch(self, event: ins.Executed | ins.Imported) -> None:
        """Remember what holds above the block that ends an epoch."""
        ends = (event,) if isinstance(event, ins.Executed) else event.heads
        for end in ends:
            if end.next_epoch is not None:
                self._next_epoch = end.next_epoch
                self._learn_keys(end.next_epoch)
                self._begin_epoch(self.feed.height)

    def _learn_keys(self, facts: EpochFacts) -> None:
        """Votes of the next epoch may come, and may have to be signed, as soon as the last block of this one ran."""
        if self._parts.keys is not None:
            try:
                self._parts.keys.begin(facts)
            except HansaError as error:
                log.critical(str(error), extra={"code": error.code})
        self.inbox.add_epoch(facts)

    def follow_epochs(self, follow: Callable[[EpochFacts], None]) -> None:
        """Tell somebody of each epoch that begins."""
        self._follow_epoch = follow

    def _begin_epoch(self, height: int) -> None:
        """Behind the last block of an epoch change links and protocol; or end the node, if this release does not know
        the protocol.
        """
        facts = self._next_epoch
        if facts is None or height + 1 < facts.first_height:
            return
        self._next_epoch = None
        error = explain_protocol(facts.protocol, facts.first_height)
        if error is not None:
            log.critical(str(error), extra={"code": error.code})
            self.fail(error)
            return
        if facts.protocol != self.protocol:
            log.info("protocol %d is active from block %d on", facts.protocol, facts.first_height)
        self.protocol = facts.protocol
        if facts.number > self.epoch.number:
            log.info("epoch %d begins with block %d", facts.number, facts.first_height)
        self.epoch = facts
        if (folder := self.folder) is not None:
            note = partial(note_epoch, folder, facts, self.chain.genesis_hash)
            self._workers["serve"].submit("note the epoch", note, lambda _: None)
        if self._follow_epoch is not None:
            self._follow_epoch(facts)

    def _on_work_failed(self, error: BaseException) -> None:
        self.fail(explain_native(error) if isinstance(error, NativeError) else error)

    # --- last words

    def _evidence(self, effect: fx.Evidence) -> None:
        proof, parts = effect.proof, self._parts
        liar, folder = proof.first.signer, self.evidence
        name = self._name_of(liar)
        public_key = parts.verifier.public_key(proof.first.vote.epoch, liar)
        if public_key is None:
            log.warning("%s contradicted itself in an epoch whose keys are forgotten", name, extra={"peer": liar})
            return
        content = encode_evidence(proof, self.chain.genesis_hash, name, public_key, self.clock.wall_ms())
        log.critical(
            "%s contradicted itself: %s and %s",
            name,
            proof.first.vote,
            proof.second.vote,
            extra={"code": "CONSENSUS-9", "peer": liar, "evidence": content.decode()},
        )
        if folder is not None:
            self._workers["serve"].submit(
                "keep evidence", lambda: keep_evidence(folder, evidence_name(proof), content), self._say_kept
            )

    def _say_kept(self, path: Path | None) -> None:
        if path is not None:
            log.critical("the proof is kept in %s", path, extra={"code": "CONSENSUS-9"})

    def _leave_view(self, effect: fx.LeaveView) -> None:
        log.info("view %d given up for view %d: %s", effect.view, effect.asked, effect.why)

    def _begin_view(self, effect: fx.BeginView) -> None:
        log.info("view %d begins, led by %s", effect.view, self._name_of(effect.leader))

    def _name_of(self, index: int) -> str:
        """A node's name; one that is not known here yet is called by its index."""
        nodes = self.epoch.nodes
        return nodes[index].name if index < len(nodes) else f"node {index}"

    def _halt(self, effect: fx.Halt) -> None:
        log.critical("%s (%s)", effect.reason, effect.hint, extra={"code": effect.code})
        self.halted = self.halted or f"{effect.code}: {effect.reason}"


EFFECTS: dict[type[Any], Callable[[Runtime, Any], None]] = {
    fx.SignVote: Runtime._sign_vote,
    fx.Send: Runtime._send,
    fx.Broadcast: Runtime._broadcast,
    fx.SetTimer: Runtime._set_timer,
    fx.CancelTimer: Runtime._cancel_timer,
    fx.AskProposal: Runtime._ledger_work,
    fx.AskWork: Runtime._ledger_work,
    fx.CheckBody: Runtime._ledger_work,
    fx.ServePayload: Runtime._ledger_work,
    fx.AddPayload: Runtime._ledger_work,
    fx.Execute: Runtime._ledger_work,
    fx.Seal: Runtime._ledger_work,
    fx.ServeBlocks: Runtime._ledger_work,
    fx.ImportBlocks: Runtime._ledger_work,
    fx.ServeOffer: Runtime._ledger_work,
    fx.ServeSnapshot: Runtime._ledger_work,
    fx.WorkOnSnapshot: Runtime._work_on_snapshot,
    fx.PruneVotes: Runtime._prune_votes,
    fx.Evidence: Runtime._evidence,
    fx.LeaveView: Runtime._leave_view,
    fx.BeginView: Runtime._begin_view,
    fx.Halt: Runtime._halt,
}
