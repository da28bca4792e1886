"""A validator that puts others' names under votes, certificates and sealed blocks of its own making."""

from collections.abc import Iterable
from random import Random
from typing import TYPE_CHECKING

import msgspec

from hansa.consensus.messages import Certificate, Message, NewView, RangeResponse, Votes
from hansa.consensus.values import QuorumCertificate, TimeoutCertificate, Vote, VoteType
from hansa.sim.attackers.attacker import Attacker
from hansa.sim.ledger import FORGED, compute_digest, forge_block

if TYPE_CHECKING:
    from hansa.sim.faults import HostPuppet


class Forging(Attacker):
    """Nothing of it survives a check of signatures."""

    def __init__(self, puppet: "HostPuppet", rng: Random) -> None:
        super().__init__(puppet, rng)
        self._host = puppet.host

    def on_send(self, peer: int, message: Message) -> Iterable[Message]:
        """Add forgeries beside votes; put an invented sealed block in the place of a range."""
        if isinstance(message, RangeResponse) and message.blocks:
            parent = self._host.ledger.get_head(message.first - 1)
            forged = forge_block(message.blocks[0], parent.sealed_hash, self._names())
            return (RangeResponse(message.request, message.first, (forged,)),)
        if isinstance(message, Votes) and self.rng.random() < 0.3:
            return (message, self._forge(message.votes[0].vote))
        return (message,)

    def _forge(self, vote: Vote) -> Message:
        other = compute_digest(vote.hash)
        everybody = range(self.puppet.size)
        view = vote.view + 1
        forged = QuorumCertificate(VoteType.PREPARE, self.puppet.epoch, view, vote.height, other, self._names())
        match self.rng.randrange(3):
            case 0:
                changed = msgspec.structs.replace(vote, hash=other)
                return Votes(tuple(self.puppet.forge(i, changed) for i in everybody))
            case 1:
                return Certificate(forged)
            case _:
                forge, epoch = self.puppet.forge, self.puppet.epoch
                asked = Vote(VoteType.VIEW_CHANGE, epoch, view + 1, vote.height, other, view)
                return NewView(TimeoutCertificate(epoch, view + 1, tuple(forge(i, asked) for i in everybody), forged))

    def _names(self) -> tuple[tuple[int, bytes], ...]:
        return tuple((i, FORGED) for i in range(self.puppet.size))
