"""What must never happen, one property in each file. A checker raises Violation; the run then prints its trace."""

from typing import TYPE_CHECKING

from hansa.consensus.messages import Message
from hansa.consensus.values import Equivocation, SealedHead
from hansa.sim.checkers.agreement import Agreement
from hansa.sim.checkers.bounded import Bounded
from hansa.sim.checkers.durability import Durability
from hansa.sim.checkers.equivocation import NoHonestEquivocation
from hansa.sim.checkers.hash_chain import HashChain
from hansa.sim.checkers.liveness import Liveness
from hansa.sim.checkers.once import EachTransactionOnce
from hansa.sim.checkers.violation import Violation

if TYPE_CHECKING:
    from hansa.sim.host import Host
    from hansa.sim.world import World

__all__ = ["Checkers", "Violation"]


class Checkers:
    """All checkers of one run."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self.agreement = Agreement()
        self.bounded = Bounded()
        self.durability = Durability()
        self.equivocation = NoHonestEquivocation(world.scenario.traitors)
        self.hash_chain = HashChain()
        self.liveness = Liveness(world.scenario.demand_heights)
        self.once = EachTransactionOnce()

    @property
    def is_done(self) -> bool:
        """Whether the demanded progress was made everywhere."""
        return self.liveness.is_done

    def on_sent(self, host: "Host", message: Message) -> None:
        """An honest host puts a message on the wire."""
        self.equivocation.on_sent(host, message)

    def on_executed(self, host: "Host", height: int, order_hash: bytes) -> None:
        """An honest host executes a block: it was committed there."""
        self.agreement.on_executed(host, height, order_hash)
        self.bounded.on_executed(host)

    def on_sealed(self, host: "Host", head: SealedHead) -> None:
        """An honest host shows a block to its clients as final."""
        self.agreement.on_sealed(host, head)
        self.bounded.on_sealed(head.height)
        self.hash_chain.on_sealed(host, head)
        self.durability.on_sealed(host, head)
        self.liveness.on_sealed(self._world, host, head)

    def on_evidence(self, host: "Host", proof: Equivocation) -> None:
        """An honest host holds evidence."""
        self.equivocation.on_evidence(host, proof)

    def on_halt(self, host: "Host", reason: str) -> None:
        """An honest host stops for good: it must not happen while at most t validators misbehave.

        Raises
        ------
        Violation: it does not hold.
        """
        raise Violation("halt", f"{host.name} stopped: {reason}")

    def on_calm(self) -> None:
        """Faults are over."""
        self.liveness.on_calm(self._world)

    def on_end(self) -> None:
        """The run is over."""
        self.liveness.on_end(self._world)
        self.durability.on_end(self._world)
        self.once.on_end(self._world)
