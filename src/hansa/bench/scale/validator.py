"""One validator whose work takes time: the simulator's host, with its work on threads of simulated processors.

The threads are those of a real node (`hansa.node.runtime.WORKERS`): event loop, ordering, execution, admission,
commits; what a node does beside the path of a block has one of its own. Policy that lives in a node's shell, such as
bundles and the patience with missing transactions, is that of `hansa.node.gossip` and `hansa.node.ledger_work`.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from hansa.bench.scale.costs import Costs
from hansa.bench.scale.processor import Processor, Thread
from hansa.consensus.effects import AskProposal, Broadcast, CheckBody, Effect, Execute, Seal, Send
from hansa.consensus.inputs import BodyChecked, HeldBody, Input, MessageIn, Proposed, WorkPending
from hansa.consensus.messages import PrePrepare, signed_votes
from hansa.consensus.values import SignedVote
from hansa.node.gossip import BUNDLE_BYTES, BUNDLE_INTERVAL_S
from hansa.node.ledger_work import BLOCK_COUNT_MAX, PATIENCE_BUSY_S, PATIENCE_IDLE_S
from hansa.sim.host import Host
from hansa.sim.ledger import SimLedger, compute_digest
from hansa.types.order import HASH_BYTES

if TYPE_CHECKING:
    from hansa.bench.scale.world import ScaleWorld

# Transactions travel in parcels, each a client's request: to handle them one by one would only make runs slower.
PARCEL = 50
GAS = 21_000
PARCELS_MAX = BLOCK_COUNT_MAX // PARCEL


class ParcelLedger(SimLedger):
    """The simulator's ledger, where a reference is that of a whole parcel."""

    ref_bytes: ClassVar[int] = HASH_BYTES * PARCEL

    def count(self, order_hash: bytes) -> int:
        """Transactions of a body that lies above the sealed head; 0 when there is none."""
        body = self.bodies.get(order_hash)
        return 0 if body is None or body.block.height <= self.head.height else body.block.tx_count


class CostedHost(Host):
    """A validator and its threads."""

    ledger_type: ClassVar[type[SimLedger]] = ParcelLedger
    ledger: ParcelLedger

    def __init__(self, world: "ScaleWorld", index: int, processor: Processor) -> None:
        self.loop, self.order, self.worker, self.admit, self.commit, self.beside = (Thread(processor) for _ in range(6))
        self.scale = world
        self.costs: Costs = world.costs
        self.told: tuple[bool, bool] | None = None  # of work, since it was asked for
        self._in_step = False
        self._is_body_unsynced = False
        self._to_sync = 0  # transactions of bodies that no round has taken yet
        self._waiting: dict[bytes, tuple[CheckBody, int]] = {}  # bodies without all transactions, since when
        self._outgoing: list[bytes] = []
        self._left_us = -1_000_000
        self._is_bundle_due = False
        super().__init__(world, index, index)

    def busiest(self) -> tuple[str, float]:
        """The thread that worked most, and its microseconds of processor time."""
        threads = {
            "event loop": self.loop,
            "ordering": self.order,
            "execution": self.worker,
            "admission": self.admit,
            "commits": self.commit,
        }
        name = max(threads, key=lambda known: threads[known].spent_us)
        return name, threads[name].spent_us

    # --- turns

    def feed(self, event: Input) -> None:
        """Hand an input to the replica once the event loop gets to it."""
        costs = self.costs
        cost_us = costs.step
        if isinstance(event, MessageIn):
            cost_us += costs.frame + costs.message * max(1, len(signed_votes(event.message)))
            if isinstance(event.message, PrePrepare):
                cost_us += costs.ordering * event.message.block.tx_count
        elif isinstance(event, Proposed):
            cost_us += costs.ordering * event.tx_count
        self.loop.do(cost_us, self._step, event)

    def _step(self, event: Input) -> None:
        self._in_step = True
        super().feed(event)
        self._in_step = False
        if self.unsynced_votes and not self.is_syncing_disk:
            self._begin_sync()

    def perform(self, effect: Effect) -> None:
        """Do what an effect asks for, at its cost."""
        costed = PERFORM.get(type(effect))
        if costed is not None:
            costed(self, effect)
            return
        if isinstance(effect, Send | Broadcast):
            copies = 1 if isinstance(effect, Send) else self.world.scenario.size - 1
            self.loop.do(self.costs.frame * copies, _nothing, None)
        super().perform(effect)

    # --- commits

    def _begin_sync(self) -> None:
        """One round at the end of a turn: the block log is synced as well if a body was appended."""
        if self._in_step:
            return
        self.is_syncing_disk = True
        batch, self.unsynced_votes = self.unsynced_votes, []
        cost_us = self.costs.commit.of(self._to_sync)
        syncs = 2 if self._is_body_unsynced else 1
        self._is_body_unsynced, self._to_sync = False, 0
        self.commit.do(cost_us, self._sync, (batch, self.disk.begin_sync(), syncs))

    def _sync(self, begun: tuple[list[SignedVote], tuple[int, int], int]) -> None:
        batch, marks, syncs = begun
        self._later(round(syncs * self.costs.sync_us), self._end_sync, (batch, marks))

    # --- ordering

    def _tell_work(self, is_asked: bool) -> None:
        if self.ancestors is None:
            return
        ordered = sum(self.ledger.count(order_hash) for order_hash in self.ancestors)
        beyond = len(self.ledger.pool) * PARCEL - ordered
        found = (beyond > 0, beyond >= BLOCK_COUNT_MAX)
        if is_asked or found != self.told:
            self.told = found
            self.feed(WorkPending(*found))

    def _propose(self, effect: AskProposal) -> None:
        self.order.do(self.costs.propose.of(self._candidates()), self._proposed, effect)

    def _candidates(self) -> int:
        return min(BLOCK_COUNT_MAX, len(self.ledger.pool) * PARCEL)

    def _proposed(self, effect: AskProposal) -> None:
        refs = self.ledger.choose(effect.ancestors, PARCELS_MAX)
        count = len(refs) // HASH_BYTES
        self.feed(Proposed(effect.height, effect.parent_hash, refs, compute_digest(refs), count, GAS * count))

    def _check(self, effect: CheckBody) -> None:
        self.order.do(self.costs.check.of(effect.block.tx_count), self._checked, (effect, self.world.now_us))

    def _checked(self, what: tuple[CheckBody, int]) -> None:
        effect, since_us = what
        missing, reason = self.ledger.check_body(effect.order_hash, effect.block, effect.refs)
        patience_s = PATIENCE_BUSY_S if self.admit.waiting else PATIENCE_IDLE_S
        if missing and self.world.now_us < since_us + patience_s * 1e6:
            self._waiting[effect.order_hash] = (effect, since_us)
            self._later(round(PATIENCE_IDLE_S * 1e6), self._check_again, effect.order_hash)
            return
        is_held = not missing and not reason
        if is_held:
            self.disk.blocks.append(HeldBody(effect.order_hash, effect.block, effect.refs))
            self._is_body_unsynced = True
            self._to_sync += effect.block.tx_count
        self.feed(BodyChecked(effect.order_hash, is_held, missing, reason))

    def _check_again(self, order_hash: bytes) -> None:
        waiting = self._waiting.pop(order_hash, None)
        if waiting is not None:
            self.order.do(self.costs.check.per_block, self._checked, waiting)

    # --- execution

    def _run(self, effect: Execute) -> None:
        transactions = self.ledger.count(effect.order_hash)
        self.beside.do(self.costs.rest.of(transactions), _nothing, None)
        self.worker.do(self.costs.execute.of(transactions), self._executed, effect)

    def _store(self, effect: Seal) -> None:
        """The ledger moves on at once, so that nothing is proposed twice; clients see the block when it is stored."""
        before = len(self.ledger.sealed)
        self._seal_now(effect)
        self._tell_work(False)
        for block in self.ledger.sealed[before:]:
            cost_us = self.costs.seal.of(block.head.block.tx_count)
            self.worker.do(cost_us, self._final, block.refs)

    def _final(self, refs: bytes) -> None:
        self.scale.on_final(self, self.ledger.split(refs))

    # --- transactions

    def take_request(self, parcel: bytes) -> None:
        """A client's request arrives."""
        self.loop.do(self.costs.traffic * PARCEL, self._admit_own, parcel)

    def _admit_own(self, parcel: bytes) -> None:
        self.admit.do(self.costs.own_admission * PARCEL, self._admitted_own, parcel)

    def _admitted_own(self, parcel: bytes) -> None:
        self._outgoing.append(parcel)
        self.add_transactions([parcel])
        self._kick()

    def _kick(self) -> None:
        """Own transactions leave at once, or when the interval since the last bundle is over."""
        if self._is_bundle_due or not self._outgoing:
            return
        self._is_bundle_due = True
        delay_us = max(0, self._left_us + round(BUNDLE_INTERVAL_S * 1e6) - self.world.now_us)
        self._later(delay_us, self._take_bundle, None)

    def _take_bundle(self, _: None) -> None:
        self._left_us = self.world.now_us
        count = max(1, int(BUNDLE_BYTES // (self.costs.transaction_bytes * PARCEL + 1)))
        bundle, self._outgoing = self._outgoing[:count], self._outgoing[count:]
        self.admit.do(self.costs.own_bundle * PARCEL * len(bundle), self._send_bundle, bundle)

    def _send_bundle(self, bundle: list[bytes]) -> None:
        self._is_bundle_due = False
        size = round(self.costs.transaction_bytes * PARCEL * len(bundle))
        peers = self.world.validators.others(self.index)
        self.loop.do(self.costs.frame * len(peers), _nothing, None)
        for peer in peers:
            at_us = self.scale.network.carry(self.world.now_us, self.index, peer, size, True)
            self.world.at(at_us, self.scale.peer(peer).take_bundle, bundle)
        self._kick()

    def take_bundle(self, bundle: list[bytes]) -> None:
        """Transactions of another member arrive."""
        cost_us = self.costs.frame + self.costs.traffic * PARCEL * len(bundle)
        self.loop.do(cost_us, self._admit_bundle, bundle)

    def _admit_bundle(self, bundle: list[bytes]) -> None:
        self.admit.do(self.costs.bundle_admission * PARCEL * len(bundle), self._admitted, bundle)

    def _admitted(self, bundle: list[bytes]) -> None:
        self.add_transactions(bundle)

    def add_transactions(self, hashes: list[bytes]) -> None:
        """Transactions are in the pool: bodies that waited for them are looked at again."""
        super().add_transactions(hashes)
        for order_hash in list(self._waiting):
            self._check_again(order_hash)


def _nothing(_: object) -> None:
    """Work that nobody waits for."""


PERFORM: dict[type, Callable[[CostedHost, Any], None]] = {
    AskProposal: CostedHost._propose,
    CheckBody: CostedHost._check,
    Execute: CostedHost._run,
    Seal: CostedHost._store,
}
