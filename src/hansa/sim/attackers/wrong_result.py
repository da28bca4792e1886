"""A validator whose execution gives another result than everybody's."""

from collections.abc import Iterable

import msgspec

from hansa.consensus.messages import Message, Votes
from hansa.consensus.values import SignedVote, VoteType
from hansa.sim.attackers.attacker import Attacker
from hansa.sim.ledger import compute_digest


class WrongResult(Attacker):
    """All its SEALs are for headers that nobody else computes."""

    def on_send(self, peer: int, message: Message) -> Iterable[Message]:
        """Sign another header."""
        if not isinstance(message, Votes):
            return (message,)
        return (Votes(tuple(self._reseal(signed) for signed in message.votes)),)

    def _reseal(self, signed: SignedVote) -> SignedVote:
        if signed.vote.type is not VoteType.SEAL or signed.signer != self.puppet.index:
            return signed
        return self.puppet.sign(msgspec.structs.replace(signed.vote, hash=compute_digest(signed.vote.hash)))
