"""I8: the ledgers of all sound nodes are the same bytes, as far as each goes."""

from typing import TYPE_CHECKING

from hansa.sim.checkers.violation import Violation
from hansa.sim.ledger import encode_sealed

if TYPE_CHECKING:
    from hansa.sim.world import World


class Convergence:
    """Compares every node's stored blocks with those of the longest chain; certificates may differ in their signers."""

    def on_end(self, world: "World") -> None:
        """The run is over.

        Raises
        ------
        Violation: it does not hold.
        """
        longest = world.longest
        if longest is None:
            return
        known = [encode_sealed(block) for block in longest.ledger.sealed]
        for host in world.sound:
            for height, block in enumerate(host.ledger.sealed, 1):
                if block is not longest.ledger.sealed[height - 1] and encode_sealed(block) != known[height - 1]:
                    raise Violation("convergence", f"{host.name} and {longest.name} store different blocks {height}")
