"""I7: memory stays bounded: unsealed blocks never pile up, whatever is delayed."""

from typing import TYPE_CHECKING

from hansa.sim.checkers.violation import Violation

if TYPE_CHECKING:
    from hansa.sim.host import Host

PILE_MAX = 128  # windows are 8 at most here; every view change may add one height and competitors


class Bounded:
    """Looks at a node's unsealed blocks whenever one is executed.

    A node that lags may hold what others sealed already; what nobody sealed yet is bounded by windows and view changes.
    """

    def __init__(self) -> None:
        self._sealed_height = 0

    def on_sealed(self, height: int) -> None:
        """Somebody sealed a block."""
        self._sealed_height = max(self._sealed_height, height)

    def on_executed(self, host: "Host") -> None:
        """A committed block goes into execution.

        Raises
        ------
        Violation: it does not hold.
        """
        if host.replica is None:
            return
        status = host.replica.status()
        pile = status.in_flight - (self._sealed_height - status.sealed_height)
        if pile > PILE_MAX:
            raise Violation("bounded", f"{host.name} keeps {pile} blocks that nobody sealed")
