"""Who may sign, and the signing itself; without clock and sockets.

The right is a lease on one connection: it ends when the connection does, when nothing came over it for LEASE_MS, or
when it is given back. A request to sign on any other connection is refused, so two nodes that both believe to be the
active one do not both sign. Safety does not rest on the lease: every vote passes the same durable marks, whoever asks.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hansa.consensus.errors import RefusedVote
from hansa.consensus.values import VoteRecord
from hansa.io.errors import DiskFull
from hansa.io.group_commit import explain_disk_error
from hansa.io.vote_signer import VoteSigner
from hansa.node.signing.errors import NoStandbyWaits, RightLost
from hansa.node.signing.wire import (
    Acquire,
    Answer,
    AskTakeover,
    Done,
    Failed,
    Granted,
    Held,
    Look,
    Prune,
    Release,
    Renew,
    Renewed,
    Request,
    Sign,
    Signed,
    State,
)

LEASE_MS = 3_000
WAITING_MS = 1_000  # who asked longer ago does not wait any more


_Asker = tuple[str, bytes]  # label and instance


@dataclass(slots=True)
class _Lease:
    connection: int
    label: str
    heard_ms: int
    is_wanted: bool = False


class SignerService:
    """Answers requests, one after the other."""

    def __init__(self, signer: VoteSigner, records: Callable[[], tuple[VoteRecord, ...]]) -> None:
        """`records` returns what the vote log holds."""
        self._signer = signer
        self._records = records
        self._lease: _Lease | None = None
        self._number = 0
        self._waiting: dict[_Asker, int] = {}  # when each last asked, ms
        self._passed_to: tuple[frozenset[_Asker], int] | None = None  # who may have it on command, until when alone

    def answer(self, connection: int, request: Request, now_ms: int) -> Answer:
        """Do what a node asks for.

        Parameters
        ----------
        connection: a number that no other connection of this process ever has. now_ms: monotonic clock.

        Raises
        ------
        DiskFailed: nothing may be signed any more.
        """
        lease = self._lease
        if lease is not None and now_ms - lease.heard_ms > LEASE_MS:
            self._lease = lease = None
        if lease is not None and lease.connection == connection:
            lease.heard_ms = now_ms
        return HANDLERS[type(request)](self, connection, request, now_ms)

    def on_closed(self, connection: int) -> None:
        """A connection ended, and with it the right that was held on it."""
        if self._holds(connection):
            self._lease = None

    @property
    def holder(self) -> str | None:
        """The label of the node that may sign."""
        return None if self._lease is None else self._lease.label

    def _holds(self, connection: int) -> bool:
        return self._lease is not None and self._lease.connection == connection

    def _who_waits(self, now_ms: int) -> frozenset[_Asker]:
        return frozenset(asker for asker, at in self._waiting.items() if at + WAITING_MS >= now_ms)

    def _acquire(self, connection: int, request: Acquire, now_ms: int) -> Answer:
        lease = self._lease
        asker = (request.label, request.instance)
        if lease is not None and lease.connection != connection:
            self._waiting = {one: self._waiting[one] for one in self._who_waits(now_ms)} | {asker: now_ms}
            return Held(lease.label)
        if self._passed_to is not None and asker not in self._passed_to[0] and now_ms < self._passed_to[1]:
            return Held("the standby")  # who passed it on starts anew, and asks sooner maybe
        self._number += 1
        self._waiting.pop(asker, None)
        self._passed_to = None
        self._lease = _Lease(connection, request.label, now_ms)
        return Granted(self._number, self._records())

    def _renew(self, connection: int, request: Renew, now_ms: int) -> Answer:
        lease = self._lease
        if lease is None or lease.connection != connection:
            return self._refuse_right()
        return Renewed(lease.is_wanted)

    def _sign(self, connection: int, request: Sign, now_ms: int) -> Answer:
        if not self._holds(connection):
            return self._refuse_right()
        try:
            return Signed(tuple(self._signer.sign(request.votes)))
        except RefusedVote as error:
            return Failed(error.code, error.cause, error.hint)
        except OSError as error:
            return _explain(error)

    def _prune(self, connection: int, request: Prune, now_ms: int) -> Answer:
        if not self._holds(connection):
            return self._refuse_right()
        try:
            self._signer.prune(request.below_height)
        except OSError as error:
            return _explain(error)
        return Done()

    def _release(self, connection: int, request: Release, now_ms: int) -> Answer:
        lease = self._lease
        if lease is not None and lease.connection == connection:
            self._lease = None
            waiting = self._who_waits(now_ms)
            if lease.is_wanted and waiting:
                self._passed_to = (waiting, now_ms + LEASE_MS)
        return Done()

    def _ask_takeover(self, connection: int, request: AskTakeover, now_ms: int) -> Answer:
        if not self._who_waits(now_ms):
            cause = "no other node of this validator waits for the right to sign"
            return Failed(NoStandbyWaits.code, cause, "start the standby: hansa up, or hansa node run")
        if self._lease is not None:
            self._lease.is_wanted = True
        return Done()

    def _look(self, connection: int, request: Look, now_ms: int) -> Answer:
        waiting = sorted(label for label, _ in self._who_waits(now_ms))
        return State(self.holder, self._number, tuple(waiting))

    def _refuse_right(self) -> Failed:
        who = "nobody" if self._lease is None else self._lease.label
        return Failed(RightLost.code, f"this node does not hold the right to sign; {who} does")


def _explain(error: OSError) -> Failed:
    """A full disk as an answer.

    Raises
    ------
    DiskFailed: it is none.
    """
    explained = explain_disk_error(error)
    if not isinstance(explained, DiskFull):
        raise explained
    return Failed(explained.code, explained.cause, explained.hint)


HANDLERS: dict[type[Any], Callable[[SignerService, int, Any, int], Answer]] = {
    Acquire: SignerService._acquire,
    Renew: SignerService._renew,
    Sign: SignerService._sign,
    Prune: SignerService._prune,
    Release: SignerService._release,
    AskTakeover: SignerService._ask_takeover,
    Look: SignerService._look,
}
