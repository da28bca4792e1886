"""How the simulator plays each fault of a script: what happens when it begins, and when it ends."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from hansa.consensus.inputs import PauseVoting, PeerDown, PeerUp
from hansa.consensus.messages import Message
from hansa.consensus.values import QuorumCertificate, SignedVote, Vote, genesis_qc
from hansa.sim.attackers import ATTACKERS
from hansa.sim.ledger import FORGED, Change, compute_digest
from hansa.sim.script import Attack, AttackKind, Clock, Crash, Cut, Disk, DiskTrouble, Fault, Links, Membership
from hansa.types.order import OrderBlock

if TYPE_CHECKING:
    from hansa.sim.host import Host
    from hansa.sim.world import World

LINK_NOTICED_US = 200_000  # a link that closed is noticed within this time, or never
DOWN_WHILE_STRUCK = frozenset(DiskTrouble) - {DiskTrouble.SLOW, DiskTrouble.FULL}


def begin_fault(world: "World", fault: Fault) -> None:
    """A fault begins."""
    PLAYERS[type(fault)][0](world, fault)


def end_fault(world: "World", fault: Fault) -> None:
    """A fault ends."""
    PLAYERS[type(fault)][1](world, fault)


def _begin_crash(world: "World", fault: Crash) -> None:
    for node in fault.nodes:
        world.crashes[node] += 1
        for host in world.hosts_of(node):
            if host.replica is not None:
                host.crash()
        _tell_links(world, node, False)


def _end_crash(world: "World", fault: Crash) -> None:
    for node in fault.nodes:
        world.crashes[node] -= 1
        if world.crashes[node] == 0:
            _start(world, node)


def _start(world: "World", node: int) -> None:
    for host in world.hosts_of(node):
        if host.replica is None and host.has_joined:
            host.start()
    _tell_links(world, node, True)


def _tell_links(world: "World", node: int, is_up: bool) -> None:
    """Links close and open with a process; a closed one may be noticed late or never."""
    for host in world.hosts:
        if host.index == node or host.replica is None:
            continue
        at_us = world.now_us + world.rng.randint(0, LINK_NOTICED_US)
        if is_up:
            world.at(at_us, _feed_alive, (host, host.life, PeerUp(node)))
            for other in (h for h in world.hosts_of(node) if h.replica is not None):
                world.at(at_us, _feed_alive, (other, other.life, PeerUp(host.index)))
        elif world.rng.random() < 0.5:
            world.at(at_us, _feed_alive, (host, host.life, PeerDown(node)))


def _feed_alive(what: tuple["Host", int, PeerUp | PeerDown]) -> None:
    host, life, event = what
    if host.life == life:
        host.feed(event)


def _begin_cut(world: "World", fault: Cut) -> None:
    _set_cut(world, fault, 1)


def _end_cut(world: "World", fault: Cut) -> None:
    _set_cut(world, fault, -1)


def _set_cut(world: "World", fault: Cut, delta: int) -> None:
    world.network.cut(fault.nodes, fault.peers, delta)
    if not fault.is_one_way:
        world.network.cut(fault.peers, fault.nodes, delta)


def _begin_links(world: "World", fault: Links) -> None:
    world.network.trouble(fault, True)


def _end_links(world: "World", fault: Links) -> None:
    world.network.trouble(fault, False)


def _begin_clock(world: "World", fault: Clock) -> None:
    for host in _hosts(world, fault.nodes):
        host.clock.begin(world.now_us, fault.jump_ms, fault.rate_percent)


def _end_clock(world: "World", fault: Clock) -> None:
    for host in _hosts(world, fault.nodes):
        host.clock.end(world.now_us, fault.jump_ms)


def _begin_disk(world: "World", fault: Disk) -> None:
    for host in _hosts(world, fault.nodes):
        host.disk.begin(fault.trouble, fault.amount_ms, world.rng)
        if fault.trouble is DiskTrouble.FULL:
            host.feed(PauseVoting("the disk is full"))


def _end_disk(world: "World", fault: Disk) -> None:
    """The power fails, the disk is struck while the node is down, and the node starts again."""
    for node in fault.nodes:
        is_down = fault.trouble in DOWN_WHILE_STRUCK
        for host in world.hosts_of(node):
            if is_down and host.replica is not None:
                host.crash()
            host.disk.strike(fault.trouble, fault.amount_ms, world.rng)
        if fault.trouble is DiskTrouble.FULL:
            for host in world.hosts_of(node):
                host.resume()
        if fault.trouble is not DiskTrouble.SLOW and world.crashes[node] == 0:
            _start(world, node)


def _begin_attack(world: "World", fault: Attack) -> None:
    if fault.attack is not AttackKind.TWINS:
        for host in _hosts(world, fault.nodes):
            host.begin_attack(fault.attack, ATTACKERS[fault.attack](HostPuppet(host), world.rng))


def _end_attack(world: "World", fault: Attack) -> None:
    for host in _hosts(world, fault.nodes):
        host.end_attack(fault.attack)


class HostPuppet:
    """A simulated validator in an attacker's hands."""

    def __init__(self, host: "Host") -> None:
        self.host = host
        self.index = host.index
        self.size = host.world.scenario.size
        self.stories = host.stories
        self._invented = 0

    @property
    def peers(self) -> list[int]:
        """All other nodes."""
        return self.host.world.peers(self.index)

    @property
    def epoch(self) -> int:
        """The epoch that the replica is in."""
        replica = self.host.replica
        return 0 if replica is None else replica.engine_config.epoch

    def root_qc(self) -> QuorumCertificate:
        """The QC that everybody may name."""
        ledger = self.host.ledger
        return genesis_qc(ledger.epoch_root_hash, self.epoch, ledger.epoch.facts.first_height - 1)

    def order_hash(self, block: OrderBlock) -> bytes:
        """The hash of a block."""
        return self.host.world.order_hash(block)

    def sign(self, vote: Vote) -> SignedVote:
        """Sign anything in the own name."""
        return SignedVote(vote, self.index, b"signature of %d" % self.index)

    def forge(self, signer: int, vote: Vote) -> SignedVote:
        """Claim that another signed a vote."""
        return SignedVote(vote, signer, FORGED)

    def tell(self, peer: int, message: Message) -> None:
        """Send something of the own."""
        host = self.host
        host.world.network.send(host.world.now_us, host.instance, self.index, peer, message)

    def invent(self) -> bytes:
        """Make a transaction out of nothing."""
        self._invented += 1
        own = compute_digest(b"withheld %d %d %d" % (self.index, self.host.life, self._invented))
        self.host.ledger.add_transactions([own])
        return own

    def note_provoked(self, peer: int) -> None:
        """Evidence is due."""
        self.host.world.checkers.on_provoked(self.index, peer)


def _begin_membership(world: "World", fault: Membership) -> None:
    """Whoever is to come starts with an empty disk, and follows without a vote."""
    if fault.joiner is not None:
        for host in world.hosts_of(fault.joiner):
            host.has_joined = True
        if world.crashes[fault.joiner] == 0:
            _start(world, fault.joiner)


def _end_membership(world: "World", fault: Membership) -> None:
    world.ask_change(Change(fault.change, fault.nodes))


def _hosts(world: "World", nodes: tuple[int, ...]) -> list["Host"]:
    return [host for node in nodes for host in world.hosts_of(node)]


PLAYERS: dict[type, tuple[Callable[["World", Any], None], Callable[["World", Any], None]]] = {
    Crash: (_begin_crash, _end_crash),
    Cut: (_begin_cut, _end_cut),
    Links: (_begin_links, _end_links),
    Clock: (_begin_clock, _end_clock),
    Disk: (_begin_disk, _end_disk),
    Attack: (_begin_attack, _end_attack),
    Membership: (_begin_membership, _end_membership),
}
