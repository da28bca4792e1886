"""I3 and I10: an honest validator never signs two contents at one position, and no evidence names one."""

from typing import TYPE_CHECKING

from hansa.consensus.messages import Message, signed_votes
from hansa.consensus.signer import vote_position
from hansa.consensus.values import Equivocation, Vote
from hansa.sim.checkers.violation import Violation

if TYPE_CHECKING:
    from hansa.sim.host import Host


class NoHonestEquivocation:
    """Watches the wire, so that crashes between signing and sending do not hide anything."""

    def __init__(self, traitors: frozenset[int]) -> None:
        self._traitors = traitors
        self._sent: dict[tuple[int, int, tuple[int, int]], Vote] = {}

    def on_sent(self, host: "Host", message: Message) -> None:
        """Look at the sender's own votes in a message.

        Raises
        ------
        Violation: it does not hold.
        """
        for signed in signed_votes(message):
            if signed.signer != host.index:
                continue
            vote = signed.vote
            key = (signed.signer, vote.type, vote_position(vote))
            if self._sent.setdefault(key, vote) != vote:
                raise Violation("equivocation", f"{host.name} sent two {vote.type.name} votes at {key[2]}")

    def on_evidence(self, host: "Host", proof: Equivocation) -> None:
        """Evidence must name a traitor.

        Raises
        ------
        Violation: it does not hold.
        """
        if proof.first.signer not in self._traitors:
            raise Violation("equivocation", f"{host.name} holds evidence against honest validator {proof.first.signer}")
