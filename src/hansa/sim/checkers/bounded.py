"""I7: memory stays bounded: unsealed blocks never pile up, whatever is delayed."""

from typing import TYPE_CHECKING

from hansa.sim.checkers.violation import Violation

if TYPE_CHECKING:
    from hansa.sim.host import Host

UNSEALED_BLOCKS_MAX = 128  # windows are 8 at most here; every view change may add one height and competitors


class Bounded:
    """Looks at a node's unsealed blocks whenever one is executed."""

    def on_executed(self, host: "Host") -> None:
        """A committed block goes into execution.

        Raises
        ------
        Violation: it does not hold.
        """
        in_flight = host.replica.status().in_flight if host.replica is not None else 0
        if in_flight > UNSEALED_BLOCKS_MAX:
            raise Violation("bounded", f"{host.name} keeps {in_flight} unsealed blocks")
