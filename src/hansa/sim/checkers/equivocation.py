"""I3 and I10: an honest validator never signs two contents at one position, and no evidence names one."""

from typing import TYPE_CHECKING

from hansa.consensus.messages import Message, PrePrepare, ViewChange, Votes, signed_votes
from hansa.consensus.signer import vote_position
from hansa.consensus.values import Equivocation, Vote
from hansa.sim.checkers.violation import Violation
from hansa.sim.script import Disk, DiskTrouble, Script

if TYPE_CHECKING:
    from hansa.sim.host import Host


FORGETTING = frozenset(
    {DiskTrouble.LYING, DiskTrouble.MISDIRECTED}
)  # what was forgotten may be unknown to all who answer
OWN = (PrePrepare, ViewChange, Votes)  # where a node's own votes leave it


class NoHonestEquivocation:
    """Watches the wire, so that crashes between signing and sending do not hide anything."""

    def __init__(self, script: Script) -> None:
        lost = (fault for fault in script.faults if isinstance(fault, Disk) and fault.trouble in FORGETTING)
        self._faulty = script.traitors | {node for fault in lost for node in fault.nodes}
        self._sent: dict[tuple[int, int, tuple[int, int, int]], Vote] = {}

    def on_sent(self, host: "Host", message: Message) -> None:
        """Look at the sender's own votes in a message.

        Raises
        ------
        Violation: it does not hold.
        """
        if host.index in self._faulty or not isinstance(message, OWN):
            return
        for signed in signed_votes(message):
            if signed.signer != host.index:
                continue
            vote = signed.vote
            key = (signed.signer, vote.type, vote_position(vote))
            if self._sent.setdefault(key, vote) != vote:
                raise Violation("equivocation", f"{host.name} sent two {vote.type.name} votes at {key[2]}")

    def on_evidence(self, host: "Host", proof: Equivocation) -> None:
        """Evidence must name a faulty validator.

        Raises
        ------
        Violation: it does not hold.
        """
        if proof.first.signer not in self._faulty:
            raise Violation("equivocation", f"{host.name} holds evidence against honest validator {proof.first.signer}")
