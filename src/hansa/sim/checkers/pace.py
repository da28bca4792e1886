"""Pacemaker: no storms, and nobody chases views that exist in one node's claims only."""

from typing import TYPE_CHECKING

from hansa.sim.checkers.violation import Violation

if TYPE_CHECKING:
    from hansa.sim.host import Host
    from hansa.sim.world import World

VIEW_MS_MIN = 100  # a view that ends without a block takes longer than this
VIEWS_FREE = 16
MESSAGES_PER_SECOND_MAX = 30_000  # from one node; the busiest sound ones send a tenth


class Pace:
    """Watches the views of honest nodes, and how much each of them says in a second."""

    def __init__(self) -> None:
        self._counts: dict[str, tuple[int, int]] = {}  # host -> (second, messages in it)

    def on_sent(self, world: "World", host: "Host", receivers: int) -> None:
        """An honest host sends a message, to so many receivers.

        Raises
        ------
        Violation: it sends far more than any situation asks for.
        """
        second = world.now_us // 1_000_000
        known = self._counts.get(host.name)
        count = receivers + (known[1] if known is not None and known[0] == second else 0)
        self._counts[host.name] = (second, count)
        if count > MESSAGES_PER_SECOND_MAX:
            raise Violation("pace", f"{host.name} sent {count} messages within a second")

    def on_calm(self, world: "World") -> None:
        """Faults are over: views may have passed as fast as blocks (by terms) or timeouts allow, not faster.

        Leaders that are gone are passed over at once, t of them at most between two blocks.

        Raises
        ------
        Violation: somebody is in a view that nobody could have reached.
        """
        heights = max((host.ledger.head.height for host in world.hosts), default=0)
        by_blocks = heights * (1 + (world.scenario.size - 1) // 3)
        highest = world.now_us // 1_000 // VIEW_MS_MIN + by_blocks + VIEWS_FREE + world.scenario.window
        for host in world.sound:
            if host.replica is not None and host.replica.status().view > highest:
                view = host.replica.status().view
                raise Violation("pace", f"{host.name} is in view {view}, where timeouts allow {highest}")
