"""Checking the signatures of peer messages, each signed vote once.

A certificate consists of votes that were mostly seen one by one before, so a bounded memory of verified votes saves
most of the work. The replica only ever sees messages in which every signature holds.
"""

from collections.abc import Sequence

from hansa.consensus.messages import Message, signed_votes
from hansa.consensus.signer import VoteDomain
from hansa.consensus.values import SignedVote
from hansa.crypto.suite import is_signature_valid
from hansa.network.errors import InvalidSignature

VERIFIED_MAX = 65_536


class Verifier:
    """Knows the validators' keys and the votes that were verified lately. Used on the event loop only."""

    def __init__(self, domain: VoteDomain, public_keys: Sequence[bytes]) -> None:
        self._domain = domain
        self._public_keys = tuple(public_keys)
        self._verified: dict[SignedVote, None] = {}

    def unverified(self, message: Message) -> list[SignedVote]:
        """The votes in a message whose signatures were not checked yet.

        Raises
        ------
        InvalidSignature: a signer that is no validator.
        """
        votes = [vote for vote in signed_votes(message) if vote not in self._verified]
        for vote in votes:
            if vote.signer >= len(self._public_keys):
                raise InvalidSignature(f"a vote of validator {vote.signer}, who does not exist")
        return votes

    def check(self, votes: Sequence[SignedVote]) -> None:
        """Check signatures. Safe in any thread; `remember` them on the event loop afterwards.

        Raises
        ------
        InvalidSignature: one does not hold.
        """
        for signed in votes:
            if not is_signature_valid(self._public_keys[signed.signer], self._domain.digest(signed.vote), signed.signature):
                raise InvalidSignature(f"a {signed.vote.type.name} vote of validator {signed.signer} does not verify")

    def remember(self, votes: Sequence[SignedVote]) -> None:
        """Note votes as verified, forgetting the oldest beyond VERIFIED_MAX."""
        for vote in votes:
            self._verified[vote] = None
        while len(self._verified) > VERIFIED_MAX:
            del self._verified[next(iter(self._verified))]
