"""Every sealed block extends the one before it, and its result follows from that block's result."""

from typing import TYPE_CHECKING

from hansa.consensus.values import SealedHead
from hansa.sim.checkers.violation import Violation
from hansa.sim.ledger import GENESIS_HEAD, execute

if TYPE_CHECKING:
    from hansa.sim.host import Host


class HashChain:
    """Checks each honest node's seals in order."""

    def on_sealed(self, host: "Host", head: SealedHead) -> None:
        """The block is the ledger's head now.

        Raises
        ------
        Violation: it does not hold.
        """
        before = host.ledger.get_head(head.height - 1) if head.height > 1 else GENESIS_HEAD
        if head.block.parent_hash != before.order_hash or head.block.height != head.height:
            raise Violation("hash chain", f"{host.name} sealed block {head.height} on another parent")
        if execute(before.sealed_hash, head.order_hash) != head.sealed_hash:
            raise Violation("hash chain", f"{host.name} sealed block {head.height} with a wrong result")
        if head.block.time_ms < before.block.time_ms:
            raise Violation("hash chain", f"{host.name} sealed block {head.height} with an earlier time")
