"""An equivocating leader: two chains, one for each part of the others, and votes for both."""

from collections.abc import Iterable
from random import Random

import msgspec

from hansa.consensus.messages import Message, PrePrepare
from hansa.sim.attackers.attacker import Puppet, Rewriting
from hansa.types.order import OrderBlock


class Equivocating(Rewriting):
    """Tells a random part of the others of another block; now and then somebody hears both."""

    def __init__(self, puppet: Puppet, rng: Random) -> None:
        super().__init__(puppet, rng)
        self._deceived = frozenset(peer for peer in self.puppet.peers if rng.random() < 0.5)

    def rewrite_block(self, block: OrderBlock) -> OrderBlock:
        """The same block, a millisecond later."""
        return msgspec.structs.replace(block, time_ms=block.time_ms + 1)

    def is_deceived(self, peer: int) -> bool:
        """Decided at the beginning, for each peer."""
        return peer in self._deceived

    def on_send(self, peer: int, message: Message) -> Iterable[Message]:
        """Send the story meant for the peer, sometimes both."""
        told = super().on_send(peer, message)
        if isinstance(message, PrePrepare) and self.is_deceived(peer) and self.rng.random() < 0.1:
            self.puppet.note_provoked(peer)
            return (message, *told)
        return told
