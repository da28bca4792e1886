"""I9: each transaction stands in the chain at most once."""

from typing import TYPE_CHECKING

from hansa.sim.checkers.violation import Violation
from hansa.sim.ledger import split_hashes

if TYPE_CHECKING:
    from hansa.sim.world import World


class EachTransactionOnce:
    """Looks through the longest sound chain at the end."""

    def on_end(self, world: "World") -> None:
        """The run is over.

        Raises
        ------
        Violation: it does not hold.
        """
        longest = world.longest
        if longest is None:
            return
        seen: set[bytes] = set()
        for block in longest.ledger.sealed:
            for tx in split_hashes(block.refs):
                if tx in seen:
                    raise Violation("once", f"a transaction of block {block.head.height} stands in an earlier one too")
                seen.add(tx)
