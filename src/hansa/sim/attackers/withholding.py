"""A leader that proposes transactions which only it has, and gives them to nobody or to too few."""

from collections.abc import Iterable
from random import Random

from hansa.consensus.messages import BlockResponse, Message, PayloadResponse, PrePrepare
from hansa.sim.attackers.attacker import Attacker, Puppet


class Withholding(Attacker):
    """Each of its blocks holds one transaction that nobody else ever saw; some peers do not even hear of the block."""

    def __init__(self, puppet: Puppet, rng: Random) -> None:
        super().__init__(puppet, rng)
        self._is_generous_to = frozenset(peer for peer in self.puppet.peers if rng.random() < 0.4)

    def choose(self, refs: bytes) -> bytes:
        """Add a transaction of the own, out of nothing."""
        return refs + self.puppet.invent()

    def on_send(self, peer: int, message: Message) -> Iterable[Message]:
        """Serve the favoured only."""
        is_needed = isinstance(message, BlockResponse | PayloadResponse | PrePrepare)
        is_kept = is_needed and peer not in self._is_generous_to
        if is_kept and (not isinstance(message, PrePrepare) or self.rng.random() < 0.3):
            return ()
        return (message,)
