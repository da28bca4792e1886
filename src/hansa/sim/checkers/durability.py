"""I4: what any client saw as final is still final, at every sound node, after whatever power cuts."""

from typing import TYPE_CHECKING

from hansa.consensus.values import SealedHead
from hansa.sim.checkers.violation import Violation

if TYPE_CHECKING:
    from hansa.sim.world import World


class Durability:
    """Remembers every block that was shown as final and looks for it at the end."""

    def __init__(self) -> None:
        self._final: dict[int, bytes] = {}

    def on_sealed(self, head: SealedHead) -> None:
        """A client sees a block as final."""
        self._final.setdefault(head.height, head.sealed_hash)

    def on_end(self, world: "World") -> None:
        """Every sound node holds, up to its head, what was final; together they hold all of it.

        Raises
        ------
        Violation: it does not hold.
        """
        for host in world.sound:
            for height in range(1, host.ledger.head.height + 1):
                if self._final.get(height) != host.ledger.get_head(height).sealed_hash:
                    raise Violation("durability", f"{host.name} does not hold the final block {height}")
        heights = [host.ledger.head.height for host in world.sound]
        highest = max(self._final, default=0)
        if heights and max(heights) < highest:
            raise Violation("durability", f"block {highest} was final; the best node is at {max(heights)}")
