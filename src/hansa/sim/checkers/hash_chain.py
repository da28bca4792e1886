"""Every sealed block extends the one before it, its result follows from that block's, its time is not of the future."""

from typing import TYPE_CHECKING

from hansa.consensus.values import SealedHead
from hansa.sim.checkers.violation import Violation
from hansa.sim.clock import EPOCH_MS
from hansa.sim.ledger import GENESIS_HEAD, execute
from hansa.sim.script import Clock, Script

if TYPE_CHECKING:
    from hansa.sim.host import Host


AHEAD_MS_MAX = 1_000 + 400  # what voters allow, and how far their clocks are off where no fault moves them


class HashChain:
    """Checks each honest node's seals in order."""

    def __init__(self, script: Script) -> None:
        self._has_right_clocks = not any(isinstance(fault, Clock) for fault in script.faults)

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
        if self._has_right_clocks and head.block.time_ms > EPOCH_MS + host.world.now_us // 1_000 + AHEAD_MS_MAX:
            raise Violation("hash chain", f"{host.name} sealed block {head.height} from the future")
