"""What must never happen, one property in each file. A checker raises Violation; the run then prints its trace."""

from typing import TYPE_CHECKING

from hansa.consensus.messages import Message
from hansa.consensus.values import Equivocation, SealedHead
from hansa.sim.checkers.agreement import Agreement
from hansa.sim.checkers.bounded import Bounded
from hansa.sim.checkers.censorship import Censorship
from hansa.sim.checkers.convergence import Convergence
from hansa.sim.checkers.durability import Durability
from hansa.sim.checkers.epochs import OneSetPerHeight
from hansa.sim.checkers.equivocation import NoHonestEquivocation
from hansa.sim.checkers.evidence import GuiltyAreNamed
from hansa.sim.checkers.hash_chain import HashChain
from hansa.sim.checkers.liveness import Liveness
from hansa.sim.checkers.once import EachTransactionOnce
from hansa.sim.checkers.pace import Pace
from hansa.sim.checkers.validity import Validity
from hansa.sim.checkers.violation import Violation

if TYPE_CHECKING:
    from hansa.sim.host import Host
    from hansa.sim.world import World

__all__ = ["Checkers", "Violation"]


class Checkers:
    """All checkers of one run.

    An honest host follows the protocol; a sound one also has a disk that keeps what it said was safe. What honest hosts
    say must agree; sound ones must also make progress, lose nothing and never stop.
    """

    def __init__(self, world: "World") -> None:
        script = world.scenario.script
        self._world = world
        self._may_stop = script.demand_heights == 0  # more than t are faulty: standing still is right
        self.agreement = Agreement()
        self.bounded = Bounded()
        self.censorship = Censorship(world.scenario)
        self.convergence = Convergence()
        self.durability = Durability()
        self.equivocation = NoHonestEquivocation(script)
        self.epochs = OneSetPerHeight()
        self.evidence = GuiltyAreNamed(world.scenario)
        self.hash_chain = HashChain(script)
        self.liveness = Liveness(script.demand_heights)
        self.once = EachTransactionOnce()
        self.pace = Pace()
        self.validity = Validity()

    def on_sent(self, host: "Host", message: Message, receivers: int) -> None:
        """An honest host puts a message on the wire, to so many receivers."""
        self.equivocation.on_sent(host, message)
        self.epochs.on_sent(host, message)
        self.pace.on_sent(self._world, host, receivers)

    def on_executed(self, host: "Host", height: int, order_hash: bytes) -> None:
        """An honest host executes a block: it was committed there."""
        self.agreement.on_executed(host, height, order_hash)
        self.epochs.on_executed(self._world, host, order_hash)
        self.bounded.on_executed(host)

    def on_sealed(self, host: "Host", head: SealedHead) -> None:
        """An honest host shows a block to its clients as final."""
        self.agreement.on_sealed(host, head)
        self.bounded.on_sealed(head.height)
        self.hash_chain.on_sealed(host, head)
        self.epochs.on_sealed(host, head)
        if host.is_sound:
            self.durability.on_sealed(head)
            self.liveness.on_sealed(self._world, host, head)

    def on_evidence(self, host: "Host", proof: Equivocation) -> None:
        """An honest host holds evidence."""
        self.equivocation.on_evidence(host, proof)
        self.evidence.on_evidence(proof)

    def on_provoked(self, guilty: int, peer: int) -> None:
        """A traitor told a peer two things that contradict each other."""
        self.evidence.on_provoked(self._world, guilty, peer)

    def on_halt(self, host: "Host", reason: str) -> None:
        """A host stops for good: a sound one must not while at most t validators are faulty.

        Raises
        ------
        Violation: it does not hold.
        """
        if host.is_sound and not self._may_stop:
            raise Violation("halt", f"{host.name} stopped: {reason}")

    def on_calm(self) -> None:
        """Faults are over."""
        self.liveness.on_calm(self._world)
        self.pace.on_calm(self._world)

    def on_end(self) -> None:
        """The run is over."""
        self.liveness.on_end(self._world)
        self.durability.on_end(self._world)
        self.once.on_end(self._world)
        self.validity.on_end(self._world)
        self.epochs.on_end(self._world)
        self.convergence.on_end(self._world)
        self.censorship.on_end(self._world)
        self.evidence.on_end()
