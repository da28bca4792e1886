"""A validator that claims to be in views far away, so that others chase it."""

from collections.abc import Iterable

import msgspec

from hansa.consensus.messages import Message, Status, ViewChange, Votes
from hansa.consensus.values import SignedVote, Vote, VoteType
from hansa.sim.attackers.attacker import Attacker

FAR = (1, 5, 1_000_000, 2**62)


class HugeView(Attacker):
    """Asks for views without number, also where no VIEW-CHANGE belongs."""

    def on_send(self, peer: int, message: Message) -> Iterable[Message]:
        """Raise every view by as much as it likes."""
        far = self.rng.choice(FAR)
        match message:
            case Status():
                changed = msgspec.structs.replace(message, view=message.view + far, view_asked=message.view + far)
                return (msgspec.structs.replace(changed, stalled=True),)
            case ViewChange():
                return (ViewChange(self._ask(message.vote, far), message.high_qc),)
            case Votes() if self.rng.random() < 0.2:
                return (Votes((self._ask(message.votes[0], far),)),)
            case _:
                return (message,)

    def on_turn(self) -> None:
        """Ask for a view by itself, as often as it pleases."""
        if self.rng.random() < 0.3:
            qc = self.puppet.root_qc()
            vote = Vote(VoteType.VIEW_CHANGE, self.puppet.epoch, self.rng.choice(FAR), qc.height, qc.hash, qc.view)
            asking = ViewChange(self.puppet.sign(vote), qc)
            for peer in self.puppet.peers:
                self.puppet.tell(peer, asking)

    def _ask(self, signed: SignedVote, far: int) -> SignedVote:
        vote = signed.vote
        epoch, view = self.puppet.epoch, vote.view + far
        return self.puppet.sign(Vote(VoteType.VIEW_CHANGE, epoch, view, vote.height, vote.hash, vote.qc_view))
