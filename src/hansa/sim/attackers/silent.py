"""A validator that withholds some kinds of messages, or all of them."""

from collections.abc import Iterable
from random import Random

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
from hansa.sim.attackers.attacker import Attacker, Puppet

KINDS = (PrePrepare, Votes, ViewChange, Status, BlockResponse, PayloadResponse, RangeResponse)


class Silent(Attacker):
    """Says nothing of the drawn kinds."""

    def __init__(self, puppet: Puppet, rng: Random) -> None:
        super().__init__(puppet, rng)
        self._kinds = tuple(kind for kind in KINDS if rng.random() < 0.5) or KINDS

    def on_send(self, peer: int, message: Message) -> Iterable[Message]:
        """Drop it or let it pass."""
        return () if isinstance(message, self._kinds) else (message,)
