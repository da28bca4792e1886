"""Where a validator's votes are signed and kept: here, behind the marks and into the vote log; or by a signer process
(`hansa.node.signing`), which does the same for whichever of two nodes holds the right.
"""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from hansa.consensus.errors import RefusedVote
from hansa.consensus.signer import Signer
from hansa.consensus.values import SignedVote, Vote, VoteRecord
from hansa.io.errors import DiskFailed
from hansa.io.vote_log_file import VoteLog


class VoteToSign(msgspec.Struct, frozen=True, array_like=True):
    """A vote, and what must be durable together with it."""

    vote: Vote
    context: bytes  # an encoded VoteContext, or empty


class VoteSigner(Protocol):
    """Signs votes and keeps them. Called by one thread at a time."""

    def sign(self, votes: Sequence[VoteToSign]) -> list[SignedVote]:
        """Sign all of `votes`, in this order, or none; they are durable when this returns.

        Raises
        ------
        RefusedVote: the marks forbid one.
        OSError: there is no room; it may be tried again.
        HansaError: it cannot be done any more.
        """

    def prune(self, below_height: int) -> None:
        """Forget the votes below a height that nothing rests on."""

    def close(self) -> None:
        """Release what is held."""


class LoggedSigner:
    """Signs behind the marks of a `Signer`, into a vote log."""

    def __init__(self, signer: Signer, log: VoteLog) -> None:
        """`signer` has the marks of what `log` holds."""
        self._signer = signer
        self._log = log

    def sign(self, votes: Sequence[VoteToSign]) -> list[SignedVote]:
        """Sign, append, sync.

        Raises
        ------
        RefusedVote: the marks forbid one.
        OSError: the log cannot grow.
        DiskFailed: the sync failed; nothing may be signed any more.
        """
        before = self._signer.marks()
        try:
            records = [VoteRecord(self._signer.sign_vote(one.vote), one.context) for one in votes]
            self._log.append(records)
        except (RefusedVote, OSError):
            self._signer.revert(before)  # nobody saw what was signed: it may be signed again
            raise
        try:
            self._log.sync()
        except OSError as error:  # whatever its number: the pages may be gone
            where = error.filename or "the vote log"
            raise DiskFailed(f"{where}: {error.strerror}", "check the disk; never restore votes from a copy") from error
        return [record.signed for record in records]

    def prune(self, below_height: int) -> None:
        """Forget the votes below a height that nothing rests on.

        Raises
        ------
        OSError: as `sign`.
        """
        self._log.prune(below_height)

    def close(self) -> None:
        """Close the log."""
        self._log.close()
