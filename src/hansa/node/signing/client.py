"""A node's connection to its validator's signer. Blocking: it is used by the threads that may wait.

Whatever goes wrong with the connection ends the right to sign: a node gets it back by asking anew, together with
everything that was signed meanwhile. So no request is ever repeated on another connection.
"""

import contextlib
import socket
import ssl
import threading
from collections.abc import Sequence
from typing import TypeVar

import msgspec

from hansa.consensus.errors import RefusedVote
from hansa.consensus.values import SignedVote
from hansa.errors import HansaError
from hansa.io.errors import DiskFull
from hansa.io.link import Address
from hansa.io.vote_signer import VoteToSign
from hansa.node.signing.errors import NoStandbyWaits, RightLost, SignerUnreachable
from hansa.node.signing.wire import (
    ANSWER_BYTES_MAX,
    LENGTH_BYTES,
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
    decode_answer,
    frame,
)

ANSWER_S = 3.0
_HINT = "does the signer run? `hansa node signer`; and is its address in node.toml right?"
_CLASSES: dict[str, type[HansaError]] = {
    error.code: error for error in (RefusedVote, RightLost, DiskFull, NoStandbyWaits)
}

Wanted = TypeVar("Wanted", bound=Answer)


class SignerClient:
    """One connection. Implements `hansa.io.vote_signer.VoteSigner` for the node that holds the right."""

    def __init__(self, address: Address, tls: ssl.SSLContext, certificate: bytes) -> None:
        """Connect.

        Parameters
        ----------
        certificate: DER; the signer of a validator shows the same certificate as its nodes.

        Raises
        ------
        SignerUnreachable: nobody answers there, or somebody else does.
        """
        self._lock = threading.Lock()
        try:
            plain = socket.create_connection((address.host, address.port), ANSWER_S)
        except OSError as error:
            raise SignerUnreachable(f"no signer at {address}: {error}", _HINT) from error
        try:
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._socket = tls.wrap_socket(plain)
        except OSError as error:
            plain.close()
            raise SignerUnreachable(f"the signer at {address} refuses: {error}", _HINT) from error
        if self._socket.getpeercert(binary_form=True) != certificate:
            self._socket.close()
            raise SignerUnreachable(f"who answers at {address} is not this validator's signer", _HINT)

    # --- the right to sign

    def acquire(self, label: str, instance: bytes = b"") -> Granted | Held:
        """Ask for the right.

        Parameters
        ----------
        label: of this node, for people. instance: drawn by this process; who has the same is the same to the signer.

        Raises
        ------
        RightLost: the connection broke.
        """
        answer = self._ask(Acquire(label, instance))
        if not isinstance(answer, Granted | Held):
            raise RightLost(f"the signer answered {type(answer).__name__}")
        return answer

    def renew(self) -> bool:
        """Keep the right; whether a standby is to have it.

        Raises
        ------
        RightLost: another node has it, or the connection broke.
        """
        return self._expect(Renew(), Renewed).is_wanted

    def look(self) -> State:
        """Who may sign, and who waits.

        Raises
        ------
        RightLost: the connection broke.
        """
        return self._expect(Look(), State)

    def ask_takeover(self) -> None:
        """Have the holder pass the right on.

        Raises
        ------
        NoStandbyWaits: to nobody. RightLost: the connection broke.
        """
        self._expect(AskTakeover(), Done)

    # --- VoteSigner

    def sign(self, votes: Sequence[VoteToSign]) -> list[SignedVote]:
        """Have votes signed and kept.

        Raises
        ------
        RefusedVote: the marks forbid one. DiskFull: the signer's disk has no room.
        RightLost: another node signs now, or the connection broke.
        """
        return list(self._expect(Sign(tuple(votes)), Signed).votes)

    def prune(self, below_height: int) -> None:
        """Forget old votes.

        Raises
        ------
        DiskFull: the signer's disk has no room. RightLost: another node signs now, or the connection broke.
        """
        self._expect(Prune(below_height), Done)

    def close(self) -> None:
        """Give the right back, if it is held, and close."""
        with contextlib.suppress(RightLost):
            self._expect(Release(), Done)
        self._socket.close()

    # --- requests

    def _expect(self, request: Request, wanted: type[Wanted]) -> Wanted:
        answer = self._ask(request)
        if isinstance(answer, Failed):
            raise _CLASSES.get(answer.code, RightLost)(answer.cause, answer.hint)
        if not isinstance(answer, wanted):
            raise RightLost(f"the signer answered {type(answer).__name__}")
        return answer

    def _ask(self, request: Request) -> Answer:
        with self._lock:
            try:
                self._socket.sendall(frame(request))
                size = int.from_bytes(self._read(LENGTH_BYTES))
                if size > ANSWER_BYTES_MAX:
                    raise OSError(f"it announces {size} bytes")
                return decode_answer(self._read(size))
            except (OSError, msgspec.DecodeError) as error:
                self._socket.close()
                raise RightLost(f"the connection to the signer broke: {error}", _HINT) from error

    def _read(self, size: int) -> bytes:
        parts: list[bytes] = []
        while size:
            part = self._socket.recv(min(size, 1 << 16))
            if not part:
                raise OSError("it closed the connection")
            parts.append(part)
            size -= len(part)
        return b"".join(parts)
