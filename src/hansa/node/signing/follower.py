"""What a standby runs in the replica's place: it fetches what the active node of its validator has sealed, and votes
never. It asks again and again, at once while there is more; certificates say whether the answers hold.
"""

from collections.abc import Sequence

from hansa.consensus.effects import Effect, Halt, ImportBlocks, Send, SetTimer
from hansa.consensus.errors import RefusedVote
from hansa.consensus.inputs import Imported, Input, MessageIn, Restored, TimerFired, TimerId
from hansa.consensus.messages import RangeRequest, RangeResponse
from hansa.consensus.values import SignedVote
from hansa.io.vote_signer import VoteToSign
from hansa.node.replica import ReplicaStatus

ASK_MS = 200  # without news
ANSWER_MS = 500  # then it is asked again; a late answer serves as well
PENALTY_MS = 5_000  # after an answer that does not hold
BLOCKS_AT_ONCE = 16  # few, so that a take-over need not wait for a long import


class SignsNothing:
    """The signer of a node that follows."""

    def sign(self, votes: Sequence[VoteToSign]) -> list[SignedVote]:
        """Refuse.

        Raises
        ------
        RefusedVote: always.
        """
        raise RefusedVote("a standby signs nothing")

    def prune(self, below_height: int) -> None:
        """Nothing is kept."""

    def close(self) -> None:
        """Nothing is held."""


class Follower:
    """Follows one node. Same shape as `hansa.node.replica.Replica`."""

    def __init__(self, me: int) -> None:
        """`me` is this validator's index, and that of the link to its active node."""
        self._me = me
        self._height = 0
        self._request = 0
        self._importing = False
        self._halted: str | None = None

    @property
    def sealed_height(self) -> int:
        """The latest sealed height here."""
        return self._height

    @property
    def leader(self) -> int | None:
        """Who leads is not known here."""
        return None

    def step(self, event: Input, now_ms: int, wall_ms: int) -> list[Effect]:
        """Take one input and return what to do, in order."""
        if self._halted is not None:
            return []
        match event:
            case Restored(head):
                self._height = head.height
                return self._ask(now_ms)
            case MessageIn(peer, RangeResponse(request, first, blocks)):
                if peer != self._me or first != self._height + 1 or self._importing:
                    return []
                if not blocks:
                    return [SetTimer(TimerId.SYNC, now_ms + ASK_MS)]
                self._importing = True
                return [ImportBlocks(request, blocks)]
            case Imported():
                return self._on_imported(event, now_ms)
            case TimerFired(TimerId.SYNC):
                return [] if self._importing else self._ask(now_ms)
            case _:
                return []

    def _on_imported(self, event: Imported, now_ms: int) -> list[Effect]:
        self._importing = False
        if event.heads:
            self._height = event.heads[-1].height
        if event.is_split:
            self._halted = f"CONSENSUS-11: {event.error}"
            return [Halt("CONSENSUS-11", event.error, "the members agree on another result than this node computes")]
        if event.error:
            return [SetTimer(TimerId.SYNC, now_ms + PENALTY_MS)]
        return self._ask(now_ms)

    def _ask(self, now_ms: int) -> list[Effect]:
        self._request += 1
        request = RangeRequest(self._request, self._height + 1, BLOCKS_AT_ONCE)
        return [Send(self._me, request), SetTimer(TimerId.SYNC, now_ms + ANSWER_MS)]

    def status(self) -> ReplicaStatus:
        """Where it stands; it knows of no view."""
        return ReplicaStatus(
            view=0,
            leader=self._me,
            in_view=False,
            committed_height=self._height,
            sealed_height=self._height,
            high_qc_view=0,
            high_qc_height=self._height,
            in_flight=0,
            view_timeout_ms=0,
            view_changes=0,
            syncing=self._importing,
            voting=False,
            quarantine=None,
            halted=self._halted,
        )
