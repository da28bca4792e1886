"""What a node and its validator's signer say to each other: length (u32, big-endian) and msgpack, one by one."""

from typing import Annotated

import msgspec

from hansa.consensus.values import SignedVote, VoteRecord
from hansa.io.vote_signer import VoteToSign

ALPN_PROTOCOL = "hansa-signer/1"
LENGTH_BYTES = 4
REQUEST_BYTES_MAX = 1 << 20
ANSWER_BYTES_MAX = 8 << 20  # a grant carries the whole vote log, at most a segment of 4 MiB
VOTES_AT_ONCE_MAX = 4_096
LABEL_MAX = 260
INSTANCE_BYTES = 16

Label = Annotated[str, msgspec.Meta(max_length=LABEL_MAX)]


class Acquire(msgspec.Struct, frozen=True, array_like=True, tag="acquire"):
    """May this node sign? Repeated until it may; who repeats it is a standby."""

    label: Label  # where the node listens, for people: both may listen alike, on two machines
    instance: Annotated[bytes, msgspec.Meta(max_length=INSTANCE_BYTES)] = b""  # drawn by the process, tells them apart


class Renew(msgspec.Struct, frozen=True, array_like=True, tag="renew"):
    """The holder is alive."""


class Sign(msgspec.Struct, frozen=True, array_like=True, tag="sign"):
    """Sign and keep these votes, all or none."""

    votes: Annotated[tuple[VoteToSign, ...], msgspec.Meta(max_length=VOTES_AT_ONCE_MAX)]


class Prune(msgspec.Struct, frozen=True, array_like=True, tag="prune"):
    """Forget the votes below a height that nothing rests on."""

    below_height: int


class Release(msgspec.Struct, frozen=True, array_like=True, tag="release"):
    """The holder signs no more."""


class AskTakeover(msgspec.Struct, frozen=True, array_like=True, tag="takeover"):
    """Have the holder pass the right on to the node that waits for it."""


class Look(msgspec.Struct, frozen=True, array_like=True, tag="look"):
    """Who may sign, and who waits?"""


class Granted(msgspec.Struct, frozen=True, array_like=True, tag="granted"):
    """The node may sign, on this connection, from now on."""

    number: int  # rises with every grant of this signer process
    records: tuple[VoteRecord, ...]  # everything that was ever signed and still matters, oldest first


class Held(msgspec.Struct, frozen=True, array_like=True, tag="held"):
    """Another node may."""

    label: Label


class Renewed(msgspec.Struct, frozen=True, array_like=True, tag="renewed"):
    """The right was kept."""

    is_wanted: bool  # by a standby, on command: pass it on


class Signed(msgspec.Struct, frozen=True, array_like=True, tag="signed"):
    """The votes are signed and durable."""

    votes: tuple[SignedVote, ...]


class Done(msgspec.Struct, frozen=True, array_like=True, tag="done"):
    """It is done."""


class State(msgspec.Struct, frozen=True, array_like=True, tag="state"):
    """Who may sign, and who waits."""

    holder: Label | None
    number: int
    waiting: tuple[Label, ...]


class Failed(msgspec.Struct, frozen=True, array_like=True, tag="failed"):
    """It was not done; `code` is of docs/reference/errors.md."""

    code: str
    cause: str
    hint: str = ""


Request = Acquire | Renew | Sign | Prune | Release | AskTakeover | Look
Answer = Granted | Held | Renewed | Signed | Done | State | Failed

_ENCODER = msgspec.msgpack.Encoder()
_REQUEST: msgspec.msgpack.Decoder[Request] = msgspec.msgpack.Decoder(Request)
_ANSWER: msgspec.msgpack.Decoder[Answer] = msgspec.msgpack.Decoder(Answer)


def frame(message: Request | Answer) -> bytes:
    """The bytes of one message."""
    payload = _ENCODER.encode(message)
    return len(payload).to_bytes(LENGTH_BYTES) + payload


def decode_request(payload: bytes) -> Request:
    """Read a request.

    Raises
    ------
    msgspec.DecodeError: it is none.
    """
    return _REQUEST.decode(payload)


def decode_answer(payload: bytes) -> Answer:
    """Read an answer.

    Raises
    ------
    msgspec.DecodeError: it is none.
    """
    return _ANSWER.decode(payload)
