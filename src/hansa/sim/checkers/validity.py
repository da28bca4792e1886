"""I2: whoever executes the chain again from genesis gets the same results."""

from typing import TYPE_CHECKING

from hansa.sim.checkers.violation import Violation
from hansa.sim.ledger import GENESIS_HEAD, compute_digest, compute_order_hash, execute

if TYPE_CHECKING:
    from hansa.sim.world import World


class Validity:
    """Executes the longest chain anew and checks what ordering rests on: links, heights, times, payloads, quorums."""

    def on_end(self, world: "World") -> None:
        """The run is over.

        Raises
        ------
        Violation: it does not hold.
        """
        longest = world.longest
        before = GENESIS_HEAD
        for stored in [] if longest is None else longest.ledger.sealed:
            head, order = stored.head, stored.head.block
            is_child = order.parent_hash == before.order_hash and order.height == before.height + 1
            if not is_child or order.time_ms < before.block.time_ms or compute_order_hash(order) != head.order_hash:
                raise Violation("validity", f"block {order.height} does not follow block {before.height}")
            is_complete = compute_digest(stored.refs) == order.payload_hash and len(stored.refs) == 32 * order.tx_count
            if not is_complete or execute(before.sealed_hash, head.order_hash) != head.sealed_hash:
                raise Violation("validity", f"block {order.height} has another payload or result than it says")
            before = head
