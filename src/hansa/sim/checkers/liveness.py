"""I5: once at most t validators are faulty and the network is calm, every sound node makes progress in bounded
time."""

from typing import TYPE_CHECKING

from hansa.consensus.values import SealedHead
from hansa.sim.checkers.violation import Violation

if TYPE_CHECKING:
    from hansa.sim.host import Host
    from hansa.sim.world import World


class Liveness:
    """Demands a number of new heights at every sound node before the scenario's deadline."""

    def __init__(self, demand_heights: int) -> None:
        self._demand_heights = demand_heights
        self._goal: int | None = None
        self._first: int | None = None
        self._calm_us = 0
        self._heights: dict[str, int] = {}
        self.heal_ms = -1

    @property
    def is_done(self) -> bool:
        """Whether every sound node reached the goal."""
        return self._goal is not None and bool(self._heights) and min(self._heights.values()) >= self._goal

    def on_sealed(self, world: "World", host: "Host", head: SealedHead) -> None:
        """A node advances."""
        self._heights[host.name] = head.height
        if self._first is not None and self.heal_ms < 0 and min(self._heights.values()) >= self._first:
            self.heal_ms = (world.now_us - self._calm_us) // 1000

    def on_calm(self, world: "World") -> None:
        """Faults are over: from the highest head of now, the goal is so many heights away."""
        self._heights = {host.name: host.ledger.head.height for host in world.sound}
        self._calm_us = world.now_us
        self._first = max(self._heights.values()) + 1
        self._goal = max(self._heights.values()) + self._demand_heights

    def on_end(self, world: "World") -> None:
        """The run is over; was it in time?

        Raises
        ------
        Violation: it does not hold.
        """
        if not self.is_done:
            lowest = min(self._heights, key=lambda name: self._heights[name], default="nobody")
            heights = " ".join(f"{name}={height}" for name, height in self._heights.items())
            raise Violation("liveness", f"stall: {lowest} did not reach height {self._goal} in time ({heights})")
