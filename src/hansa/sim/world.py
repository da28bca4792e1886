"""One simulated alliance: an event heap, the hosts, the network, the faults, the clients, the checkers."""

import heapq
import traceback
from collections.abc import Callable
from random import Random
from typing import Any, assert_never

import msgspec

from hansa.consensus.inputs import MessageIn, PeerDown, PeerUp
from hansa.consensus.messages import Message
from hansa.consensus.pbft import Rules
from hansa.consensus.signer import Signer
from hansa.consensus.validators import ValidatorSet
from hansa.errors import HansaError
from hansa.sim.checkers import Checkers, Violation
from hansa.sim.host import Host
from hansa.sim.ledger import GENESIS_ORDER_HASH, compute_digest, compute_order_hash
from hansa.sim.network import TWIN_SHUFFLE_US, SimNetwork
from hansa.sim.scenario import Fault, Scenario
from hansa.sim.trace import Trace
from hansa.types.order import OrderBlock

EVENTS_MAX = 2_000_000
BUGS = (AssertionError, LookupError, TypeError, AttributeError, ValueError, HansaError)  # none of them may happen


class Outcome(msgspec.Struct, frozen=True):
    """How a run ended."""

    seed: int
    violation: str | None  # "<checker>: what" or None
    events: int
    virtual_ms: int
    heights: int  # lowest sealed height of an honest node at the end
    views: int  # highest view of an honest node
    heal_ms: int  # from calm to the first new sealed block everywhere; -1 = not reached
    trace: str  # hash over all events, "" when not traced


class World:
    """A run in progress.

    Parameters
    ----------
    rules: safety rules of every replica; None = the real ones. Tests break one of them to prove that it matters.
    make_signer: builds a validator's signer by index. keeps_votes: whether a restarted node finds its vote log.
    """

    def __init__(
        self,
        scenario: Scenario,
        trace: Trace | None = None,
        rules: Rules | None = None,
        make_signer: Callable[[int], Signer] | None = None,
        keeps_votes: bool = True,
    ) -> None:
        self.scenario = scenario
        self.trace = trace
        self.rules = rules
        self.keeps_votes = keeps_votes
        self.make_signer = make_signer or make_plain_signer
        self.rng = Random(scenario.seed ^ 0x48414E5341)
        self.now_us = 0
        self.validators = ValidatorSet([1] * scenario.size)
        self.genesis_order_hash = GENESIS_ORDER_HASH
        self.events = 0
        self._heap: list[tuple[int, int, Callable[[Any], None], Any]] = []
        self._count = 0
        self._order_hashes: dict[int, tuple[OrderBlock, bytes]] = {}
        self.network = SimNetwork(scenario, self.rng, self._deliver)
        self.hosts = [Host(self, i, i, i not in scenario.traitors) for i in range(scenario.size)]
        for twin in scenario.twins:
            self.hosts.append(Host(self, len(self.hosts), twin, False))
        self.checkers = Checkers(self)
        instances = {i: tuple(h.instance for h in self.hosts if h.index == i) for i in range(scenario.size)}
        self.network.set_instances(instances)
        self._transactions = 0
        self._crashes = [0] * scenario.size  # overlapping crash faults of each node

    @property
    def honest(self) -> list[Host]:
        """The hosts that follow the protocol."""
        return [host for host in self.hosts if host.is_honest]

    def at(self, at_us: int, act: Callable[[Any], None], argument: object) -> None:
        """Do something later."""
        self._count += 1
        heapq.heappush(self._heap, (at_us, self._count, act, argument))

    def order_hash(self, block: OrderBlock) -> bytes:
        """The order hash, computed once for each block object."""
        known = self._order_hashes.get(id(block))
        if known is None or known[0] is not block:
            known = (block, compute_order_hash(block))
            self._order_hashes[id(block)] = known
        return known[1]

    def run(self) -> Outcome:
        """Run to the demanded progress or the first violation."""
        violation = None
        try:
            self._begin()
            self._loop()
            self.checkers.on_end()
        except Violation as found:
            violation = str(found)
        except BUGS as bug:
            violation = f"bug: {bug!r} at {_last_line(bug)}"
        honest = self.honest
        return Outcome(
            seed=self.scenario.seed,
            violation=violation,
            events=self.events,
            virtual_ms=self.now_us // 1000,
            heights=min((host.ledger.head.height for host in honest), default=0),
            views=max((h.replica.status().view for h in honest if h.replica is not None), default=0),
            heal_ms=self.checkers.liveness.heal_ms,
            trace=self.trace.digest() if self.trace is not None else "",
        )

    def _begin(self) -> None:
        for host in self.hosts:
            host.start()
        for fault in self.scenario.faults:
            self.at(fault.at_us, self._begin_fault, fault)
            self.at(fault.until_us, self._end_fault, fault)
        self.at(self.scenario.calm_us, self._begin_calm, None)
        self.at(0, self._load, None)
        if self.scenario.twins:
            self.at(TWIN_SHUFFLE_US, self._shuffle_twins, None)

    def _loop(self) -> None:
        heap = self._heap
        while heap:
            self.now_us, _, act, argument = heapq.heappop(heap)
            self.events += 1
            act(argument)
            if self.checkers.is_done:
                return
            if self.now_us > self.scenario.deadline_us or self.events > EVENTS_MAX:
                return

    def _deliver(self, at_us: int, instance: int, sender: int, message: Message) -> None:
        host = self.hosts[instance]
        self.at(at_us, self._arrive, (host, host.life, sender, message))

    def _arrive(self, what: tuple[Host, int, int, Message]) -> None:
        host, life, sender, message = what
        if host.life == life:
            host.feed(MessageIn(sender, message))

    # --- clients

    def _load(self, _: None) -> None:
        """A client hands one transaction to a random validator, which passes it on to the others."""
        scenario, rng = self.scenario, self.rng
        first, last = scenario.load_pause
        if not first <= self.now_us < last:
            self._transactions += 1
            tx = compute_digest(b"tx%d" % self._transactions)
            for host in self.hosts:
                is_lost = not self.network.calm and rng.random() < scenario.gossip_loss
                if not is_lost:
                    self.at(self.now_us + rng.randint(*scenario.delay_us), host.add_transactions, [tx])
        self.at(self.now_us + scenario.load_us, self._load, None)

    # --- faults

    def _begin_fault(self, fault: Fault) -> None:
        if self.trace is not None:
            self.trace.add(self.now_us, "----", "FAULT", fault)
        if fault.kind == "crash":
            for node in fault.nodes:
                self._crashes[node] += 1
                for host in self.hosts:
                    if host.index == node and host.replica is not None:
                        host.crash()
                self._tell_links(node, False)
        elif fault.kind == "cut":
            self.network.cut(fault.nodes, fault.peers, 1)
            if not fault.is_one_way:
                self.network.cut(fault.peers, fault.nodes, 1)
        elif fault.kind == "jump":
            for host in self.hosts:
                if host.index in fault.nodes:
                    host.wall_jump_ms += fault.amount_ms
        else:
            assert_never(fault.kind)

    def _end_fault(self, fault: Fault) -> None:
        if self.trace is not None:
            self.trace.add(self.now_us, "----", "HEAL", fault)
        if fault.kind == "crash":
            for node in fault.nodes:
                self._crashes[node] -= 1
                if self._crashes[node] == 0:
                    for host in self.hosts:
                        if host.index == node and host.replica is None:
                            host.start()
                    self._tell_links(node, True)
        elif fault.kind == "cut":
            self.network.cut(fault.nodes, fault.peers, -1)
            if not fault.is_one_way:
                self.network.cut(fault.peers, fault.nodes, -1)
        elif fault.kind == "jump":
            for host in self.hosts:
                if host.index in fault.nodes:
                    host.wall_jump_ms -= fault.amount_ms

    def _tell_links(self, node: int, is_up: bool) -> None:
        """Links close and open with a process; a closed one may be noticed late or never."""
        for host in self.hosts:
            if host.index == node or host.replica is None:
                continue
            delay_us = self.rng.randint(0, 200_000)
            if is_up:
                self.at(self.now_us + delay_us, self._feed_alive, (host, host.life, PeerUp(node)))
                for other in (h for h in self.hosts if h.index == node and h.replica is not None):
                    self.at(self.now_us + delay_us, self._feed_alive, (other, other.life, PeerUp(host.index)))
            elif self.rng.random() < 0.5:
                self.at(self.now_us + delay_us, self._feed_alive, (host, host.life, PeerDown(node)))

    def _feed_alive(self, what: tuple[Host, int, PeerUp | PeerDown]) -> None:
        host, life, event = what
        if host.life == life:
            host.feed(event)

    def _begin_calm(self, _: None) -> None:
        """From here on: every fault has ended, messages arrive, progress is due."""
        if self.trace is not None:
            self.trace.add(self.now_us, "----", "CALM", "")
        self.network.calm = True
        self.checkers.on_calm()

    def _shuffle_twins(self, _: None) -> None:
        self.network.shuffle_twins()
        self.at(self.now_us + TWIN_SHUFFLE_US, self._shuffle_twins, None)


def _last_line(error: BaseException) -> str:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{frame.name}:{frame.lineno}"


def make_plain_signer(index: int) -> Signer:
    """Return a signer with the real marks; signatures cannot be forged here because nobody tries."""
    return Signer(index, lambda vote: b"", lambda digest: b"signature of %d" % index)
