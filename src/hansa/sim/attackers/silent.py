"""A validator that withholds some kinds of messages, or all of them."""

from collections.abc import Iterable
from random import Random
from typing import TYPE_CHECKING

from hansa.consensus.messages import (
    BlockResponse,
    Message,
    PayloadResponse,
    PrePrepare,
    RangeResponse,
    Status,
    ViewChange,
    Votes,
)
from hansa.sim.attackers.attacker import Attacker

if TYPE_CHECKING:
    from hansa.sim.host import Host

KINDS = (PrePrepare, Votes, ViewChange, Status, BlockResponse, PayloadResponse, RangeResponse)


class Silent(Attacker):
    """Says nothing of the drawn kinds."""

    def __init__(self, host: "Host", rng: Random) -> None:
        super().__init__(host, rng)
        self._kinds = tuple(kind for kind in KINDS if rng.random() < 0.5) or KINDS

    def on_send(self, peer: int, message: Message) -> Iterable[Message]:
        """Drop it or let it pass."""
        return () if isinstance(message, self._kinds) else (message,)
