"""I5: once at most t validators are faulty and the network is calm, every sound node makes progress in bounded time,
and who was in quarantine votes again."""

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
        self.is_done = False  # every sound node reached the goal, and everybody votes
        self._risen_us = 0  # when the lowest height last rose
        self.heal_ms = -1
        self.gap_ms = -1  # longest time after calm in which nothing new was final everywhere

    def _is_reached(self) -> bool:
        return self._goal is not None and self._demand_heights > 0 and min(self._heights.values()) >= self._goal

    def on_sealed(self, world: "World", host: "Host", head: SealedHead) -> None:
        """A node advances."""
        before = min(self._heights.values(), default=0)
        self._heights[host.name] = head.height
        if self._first is not None and min(self._heights.values()) > before:
            self.gap_ms = max(self.gap_ms, (world.now_us - self._risen_us) // 1000, 0)
            self._risen_us = world.now_us
        self.is_done = self._is_reached() and not self._silent(world) and not self._unsettled(world)
        if self._first is not None and self.heal_ms < 0 and min(self._heights.values()) >= self._first:
            self.heal_ms = max(0, (world.now_us - self._calm_us) // 1000)

    def on_calm(self, world: "World") -> None:
        """Faults are over: from the highest head of now, the goal is so many heights away."""
        self._heights = {host.name: host.ledger.head.height for host in world.sound}
        first, last = world.scenario.load_pause_us
        self._calm_us = self._risen_us = last if first <= world.now_us < last else world.now_us  # no load, no blocks
        highest = max(self._heights.values(), default=0)
        self._first = highest + 1
        self._goal = highest + self._demand_heights

    def on_end(self, world: "World") -> None:
        """The run is over; was it in time?

        Raises
        ------
        Violation: it does not hold.
        """
        if self._demand_heights == 0 or self.is_done:
            return
        heights = " ".join(f"{name}={height}" for name, height in self._heights.items())
        if self._is_reached():
            silent, unsettled = self._silent(world), self._unsettled(world)
            what = (
                f"{' '.join(silent)} votes no more" if silent else f"changes are not in force at {' '.join(unsettled)}"
            )
            raise Violation("liveness", f"{what} ({heights})")
        lowest = min(self._heights, key=lambda name: self._heights[name], default="nobody")
        raise Violation("liveness", f"stall: {lowest} did not reach height {self._goal} in time ({heights})")

    def _silent(self, world: "World") -> list[str]:
        """Who follows the protocol, is up and does not vote, though it may have had to stop doing so for a while."""
        silent = []
        for host in world.hosts:
            if host.is_honest and not host.is_sound and host.replica is not None:
                status = host.replica.status()
                is_quarantined = status.quarantine is not None and status.has_vote
                if is_quarantined or status.halted is not None:
                    silent.append(host.name)
        return silent

    def _unsettled(self, world: "World") -> list[str]:
        """Sound nodes at which a change that the members agreed on is not in force."""
        if not world.asked:
            return []
        return [h.name for h in world.sound if not world.asked <= h.ledger.done or h.ledger.epoch.end is not None]
