"""A validator that brings genuine votes of another epoch, in which everybody may have signed anything."""

from collections.abc import Iterable

import msgspec

from hansa.consensus.messages import Message, Votes
from hansa.consensus.values import SignedVote
from hansa.sim.attackers.attacker import Attacker
from hansa.sim.ledger import compute_digest

EPOCH = 1_000_000  # never reached


class ForeignEpoch(Attacker):
    """For each vote of its own it sends everybody's, for another block, with the number of another epoch.

    Such signatures exist: the same keys sign at the same heights and views of every epoch.
    """

    def on_send(self, peer: int, message: Message) -> Iterable[Message]:
        """Add the foreign votes."""
        if not isinstance(message, Votes) or self.rng.random() < 0.5:
            return (message,)
        vote = message.votes[0].vote
        foreign = msgspec.structs.replace(vote, epoch=EPOCH, hash=compute_digest(vote.hash))
        everybody = range(self.puppet.size)
        return (message, Votes(tuple(SignedVote(foreign, i, b"signature of %d" % i) for i in everybody)))
