"""The one place where votes are signed, behind monotone marks of its own.

The marks repeat, independently of the machine, what an honest validator may sign (W7): PREPARE(e,v,h), COMMIT(e,v,h),
VIEW-CHANGE(e,v) and SEAL(e,h) never go back, an equal mark is signed again only for the same content, nothing of an
epoch below the highest one signed in is signed, nor of a view below the epoch's last VIEW-CHANGE. PROPOSE(e,v,h), the
leader's word, has a fifth mark of the same kind. REJOIN of height 0 says that marks may be missing: nothing is signed
in whatever epoch until a later REJOIN, and then nothing of an epoch or view below that one's. A second process with
the same marks is thereby refused, not believed.
"""

from collections.abc import Callable, Iterable

from hansa.consensus.errors import RefusedVote
from hansa.consensus.values import SignedVote, Vote, VoteRecord, VoteType, vote_preimage
from hansa.types.order import NO_HASH


class VoteDomain:
    """Where votes are good: one genesis, one group, one suite.

    Parameters
    ----------
    genesis_hash: 32 bytes. group_hash: 32 bytes. suite: number of the signature suite.
    keccak256: bytes -> 32 bytes.
    """

    __slots__ = ("_genesis_hash", "_group_hash", "_keccak256", "_suite")

    def __init__(self, genesis_hash: bytes, group_hash: bytes, suite: int, keccak256: Callable[[bytes], bytes]) -> None:
        self._genesis_hash = genesis_hash
        self._group_hash = group_hash
        self._suite = suite
        self._keccak256 = keccak256

    def digest(self, vote: Vote) -> bytes:
        """Return the 32 bytes that are signed for `vote`."""
        return self._keccak256(vote_preimage(self._genesis_hash, self._group_hash, self._suite, vote))


class Signer:
    """Signs the votes of one validator, or refuses.

    Parameters
    ----------
    index: this validator's index. sign: vote -> signature, by the key of the vote's epoch.
    """

    def __init__(self, index: int, sign: Callable[[Vote], bytes]) -> None:
        self._index = index
        self._sign = sign
        self._marks: dict[VoteType, SignedVote] = {}

    def restore(self, records: Iterable[VoteRecord]) -> None:
        """Raise the marks to what the vote log holds. Called once, before the first vote."""
        for record in records:
            self.observe(record.signed)

    def observe(self, signed: SignedVote) -> None:
        """Raise the mark of a vote's type to a vote that was signed earlier."""
        mark = self._marks.get(signed.vote.type)
        if mark is None or vote_position(signed.vote) > vote_position(mark.vote):
            self._marks[signed.vote.type] = signed

    def marks(self) -> dict[VoteType, SignedVote]:
        """Return all marks as they stand, for `revert`."""
        return dict(self._marks)

    def revert(self, marks: dict[VoteType, SignedVote]) -> None:
        """Go back to earlier marks; only while nobody was shown what was signed since."""
        self._marks = dict(marks)

    def begin_quarantine(self, epoch: int = 0) -> VoteRecord:
        """Return what a vote log begins with in place of a lost one: nothing is signed until the chain has moved on.

        Parameters
        ----------
        epoch: in which the ledger is; votes of later ones may have been lost too.
        """
        return VoteRecord(self.sign_vote(Vote(VoteType.REJOIN, epoch, 0, 0, NO_HASH)), b"")

    def mark(self, vote_type: VoteType) -> Vote | None:
        """Return the highest vote of a type that was ever signed here."""
        signed = self._marks.get(vote_type)
        return None if signed is None else signed.vote

    def sign_vote(self, vote: Vote) -> SignedVote:
        """Return the signed vote; the same bytes again for the mark itself.

        Raises
        ------
        RefusedVote: it is below a mark, contradicts one, or belongs to a view that was given up.
        """
        mark = self._marks.get(vote.type)
        if mark is not None and mark.vote == vote:
            return mark
        self._check(vote, None if mark is None else mark.vote)
        signed = SignedVote(vote, self._index, self._sign(vote))
        self._marks[vote.type] = signed
        return signed

    def _check(self, vote: Vote, mark: Vote | None) -> None:
        if mark is not None and vote_position(vote) <= vote_position(mark):
            self._refuse(vote, f"at {vote_position(mark)} a vote was signed already")
        latest = max((known.vote.epoch for known in self._marks.values()), default=0)
        if vote.epoch < latest:
            self._refuse(vote, f"this validator already voted in epoch {latest}")
        if vote.type is VoteType.REJOIN:
            return
        rejoined = self.mark(VoteType.REJOIN)
        if rejoined is not None:
            self._check_rejoined(vote, rejoined)
        if vote.type is VoteType.VIEW_CHANGE:
            for other in (VoteType.PREPARE, VoteType.COMMIT, VoteType.PROPOSE):
                voted = self.mark(other)
                if voted is not None and (voted.epoch, voted.view) >= (vote.epoch, vote.view):
                    self._refuse(vote, f"this validator already voted in view {voted.view}")
        elif vote.type is not VoteType.SEAL:
            given_up = self.mark(VoteType.VIEW_CHANGE)
            if given_up is not None and (vote.epoch, vote.view) < (given_up.epoch, given_up.view):
                self._refuse(vote, f"views below {given_up.view} were given up")

    def _check_rejoined(self, vote: Vote, rejoined: Vote) -> None:
        if rejoined.height == 0:
            self._refuse(vote, "this validator lost track of its votes and is in quarantine")
        is_old = vote.view <= rejoined.view if vote.type is VoteType.VIEW_CHANGE else vote.view < rejoined.view
        if vote.type is not VoteType.SEAL and vote.epoch == rejoined.epoch and is_old:
            self._refuse(vote, f"this validator came out of its quarantine in view {rejoined.view}")

    def _refuse(self, vote: Vote, why: str) -> None:
        where = f"{vote.type.name} at epoch {vote.epoch}, view {vote.view}, height {vote.height}"
        raise RefusedVote(f"{where} is refused: {why}", "another process may run with this key; stop it")


def vote_position(vote: Vote) -> tuple[int, int, int]:
    """Return where a vote stands among those of its type: at one position an honest validator signs one content."""
    if vote.type is VoteType.SEAL:
        return (vote.epoch, vote.height, 0)
    if vote.type is VoteType.VIEW_CHANGE:
        return (vote.epoch, vote.view, 0)
    return (vote.epoch, vote.view, vote.height)
