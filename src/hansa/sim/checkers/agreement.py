"""I1: at every height all honest nodes commit one block and seal one header."""

from typing import TYPE_CHECKING

from hansa.consensus.values import SealedHead
from hansa.sim.checkers.violation import Violation

if TYPE_CHECKING:
    from hansa.sim.host import Host


class Agreement:
    """Compares what honest nodes commit and seal, over all their lives."""

    def __init__(self) -> None:
        self._committed: dict[int, tuple[bytes, str]] = {}
        self._sealed: dict[int, tuple[bytes, str]] = {}

    def on_executed(self, host: "Host", height: int, order_hash: bytes) -> None:
        """A committed block goes into execution."""
        self._compare(self._committed, "commit", host, height, order_hash)

    def on_sealed(self, host: "Host", head: SealedHead) -> None:
        """A block is final."""
        self._compare(self._sealed, "seal", host, head.height, head.sealed_hash)
        self._compare(self._committed, "commit", host, head.height, head.order_hash)

    def _compare(self, known: dict[int, tuple[bytes, str]], what: str, host: "Host", height: int, value: bytes) -> None:
        first = known.setdefault(height, (value, host.name))
        if first[0] != value:
            raise Violation("agreement", f"fork: {host.name} and {first[1]} {what} different blocks at height {height}")
