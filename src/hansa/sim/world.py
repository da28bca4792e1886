"""One simulated alliance: an event heap, the hosts, the network, the faults, the clients, the checkers."""

import heapq
import traceback
from collections.abc import Callable
from random import Random
from typing import Any

import msgspec

from hansa.consensus.messages import Message
from hansa.errors import HansaError
from hansa.sim.build import SOUND, Build
from hansa.sim.checkers import Checkers, Violation
from hansa.sim.faults import begin_fault, end_fault
from hansa.sim.host import Host
from hansa.sim.ledger import (
    GENESIS_ORDER_HASH,
    Change,
    compute_digest,
    compute_order_hash,
    encode_change,
    make_first_epoch,
)
from hansa.sim.network import TWIN_SHUFFLE_US, SimNetwork
from hansa.sim.scenario import Scenario
from hansa.sim.script import Fault
from hansa.sim.trace import Trace
from hansa.types.order import OrderBlock

EVENTS_MAX = 2_000_000
CHANGE_AGAIN_US = 300_000
# None of them may happen.
BUGS = (ArithmeticError, AssertionError, LookupError, TypeError, AttributeError, ValueError, HansaError)


class Outcome(msgspec.Struct, frozen=True):
    """How a run ended."""

    seed: int
    violation: str | None  # "<checker>: what" or None
    events: int
    virtual_ms: int
    heights: int  # lowest sealed height of a sound node at the end
    views: int  # highest view of a sound node
    heal_ms: int  # from calm to the first new sealed block everywhere; -1 = not reached
    gap_ms: int  # longest time after calm in which nothing new was final everywhere; -1 = nothing was
    trace: str  # hash over all events, "" when not traced


class World:
    """A run in progress.

    Parameters
    ----------
    build: what validators are made of. Tests break one part to prove that it matters.
    """

    def __init__(self, scenario: Scenario, trace: Trace | None = None, build: Build = SOUND) -> None:
        self.scenario = scenario
        self.trace = trace
        self.build = build
        self.traitors = scenario.script.traitors
        self.rng = Random(scenario.seed ^ 0x48414E5341)
        self.now_us = 0
        self.validators = build.make_validators(scenario.size)
        joiners = scenario.script.nodes - scenario.size
        self.epoch = make_first_epoch(self.validators.weights + (0,) * joiners, scenario.block_interval_ms)
        self._changes = 0
        self.asked: set[bytes] = set()  # transactions of the members' changes
        self.genesis_order_hash = GENESIS_ORDER_HASH
        self.events = 0
        self._heap: list[tuple[int, int, Callable[[Any], None], Any]] = []
        self._count = 0
        self._order_hashes: dict[int, tuple[OrderBlock, bytes]] = {}
        self.network = self._make_network()
        nodes = range(scenario.script.nodes)
        self.hosts = [self._make_host(i, i) for i in nodes]
        for twin in scenario.twins:
            self.hosts.append(self._make_host(len(self.hosts), twin))
        self._by_index = {i: tuple(host for host in self.hosts if host.index == i) for i in nodes}
        self.checkers = Checkers(self)
        self.network.set_instances({i: tuple(h.instance for h in found) for i, found in self._by_index.items()})
        self._transactions = 0
        self.crashes = [0] * len(nodes)  # overlapping crash faults of each node

    @property
    def sound(self) -> list[Host]:
        """The hosts that follow the protocol and whose disks keep what they said was safe."""
        return [host for host in self.hosts if host.is_sound]

    @property
    def longest(self) -> Host | None:
        """The sound host with the longest ledger; none where no host is sound."""
        return max(self.sound, key=lambda host: host.ledger.head.height, default=None)

    def peers(self, index: int) -> list[int]:
        """All nodes but one, beginning with the next."""
        nodes = self.scenario.script.nodes
        return [(index + step) % nodes for step in range(1, nodes)]

    def hosts_of(self, index: int) -> tuple[Host, ...]:
        """The instances of a validator."""
        return self._by_index[index]

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
        sound = self.sound
        return Outcome(
            seed=self.scenario.seed,
            violation=violation,
            events=self.events,
            virtual_ms=self.now_us // 1000,
            heights=min((host.ledger.head.height for host in sound), default=0),
            views=max((h.replica.status().view for h in sound if h.replica is not None), default=0),
            heal_ms=self.checkers.liveness.heal_ms,
            gap_ms=self.checkers.liveness.gap_ms,
            trace=self.trace.digest() if self.trace is not None else "",
        )

    def _make_network(self) -> SimNetwork:
        return SimNetwork(self.scenario, self.rng, self._deliver)

    def _make_host(self, instance: int, index: int) -> Host:
        return Host(self, instance, index)

    def _begin(self) -> None:
        for host in self.hosts:
            if host.has_joined:
                host.start()
        for fault in self.scenario.script.faults:
            self.at(fault.at_ms * 1000, self._begin_fault, fault)
            self.at(fault.until_ms * 1000, self._end_fault, fault)
        self.at(self.scenario.script.calm_ms * 1000, self._begin_calm, None)
        self.at(0, self._load, None)
        if self.scenario.twins:
            self.at(TWIN_SHUFFLE_US, self._shuffle_twins, None)

    def _loop(self) -> None:
        heap = self._heap
        liveness = self.checkers.liveness
        deadline_us = self.scenario.script.deadline_ms * 1000
        while heap:
            self.now_us, _, act, argument = heapq.heappop(heap)
            self.events += 1
            act(argument)
            if liveness.is_done:
                return
            if self.now_us > deadline_us or self.events > EVENTS_MAX:
                return

    def _deliver(self, at_us: int, instance: int, sender: int, message: Message) -> None:
        host = self.hosts[instance]
        self.at(at_us, self._arrive, (host, host.life, sender, message))

    def _arrive(self, what: tuple[Host, int, int, Message]) -> None:
        host, life, sender, message = what
        if host.life == life:
            host.receive(sender, message)

    # --- clients

    def _load(self, _: None) -> None:
        """A client hands one transaction to a random validator, which passes it on to the others."""
        scenario, rng = self.scenario, self.rng
        first, last = scenario.load_pause_us
        if not first <= self.now_us < last:
            self._transactions += 1
            tx = compute_digest(b"tx%d" % self._transactions)
            for host in self.hosts:
                is_lost = not self.network.calm and rng.random() < scenario.gossip_loss
                if not is_lost:
                    self.at(self.now_us + rng.randint(*scenario.delay_us), host.add_transactions, [tx])
        self.at(self.now_us + scenario.load_us, self._load, None)

    def ask_change(self, change: Change) -> None:
        """The members agree on a change; their transaction is sent again until a block holds it."""
        self._changes += 1
        transaction = encode_change(change, self._changes)
        self.asked.add(transaction)
        self._send_change(transaction)

    def _send_change(self, transaction: bytes) -> None:
        if any(transaction in host.ledger.done for host in self.sound):
            return
        for host in self.hosts:
            self.at(self.now_us + self.rng.randint(*self.scenario.delay_us), host.add_transactions, [transaction])
        self.at(self.now_us + CHANGE_AGAIN_US, self._send_change, transaction)

    # --- faults

    def _begin_fault(self, fault: Fault) -> None:
        if self.trace is not None:
            self.trace.add(self.now_us, "----", "FAULT", fault)
        begin_fault(self, fault)

    def _end_fault(self, fault: Fault) -> None:
        if self.trace is not None:
            self.trace.add(self.now_us, "----", "HEAL", fault)
        end_fault(self, fault)

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
