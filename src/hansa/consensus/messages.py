"""What validators say to each other, its encoding, its lane, and the signatures it carries.

msgpack arrays with the message's number first. Decoding is total and bounded: the frame bounds the whole, the types
below bound every part. What is not a signed vote rests on the link's mutual authentication alone.
"""

from enum import IntEnum
from typing import Annotated, assert_never

import msgspec

from hansa.consensus.errors import InvalidMessage
from hansa.consensus.values import (
    VALIDATORS_MAX,
    QuorumCertificate,
    SignedVote,
    TimeoutCertificate,
    certificate_votes,
)
from hansa.types.order import HASH_BYTES, U64, Hash, OrderBlock

MESSAGE_BYTES_MAX = 4 * 1024 * 1024
REFS_BYTES_MAX = 2 * 1024 * 1024  # 65,536 transactions in a block
VOTES_MAX = 1024
RANGE_BLOCKS_MAX = 256
BUNDLE_BYTES_MAX = MESSAGE_BYTES_MAX - 4096
OFFERED_HEIGHTS_MAX = 8
ASK_BYTES_MAX = 4096
REPORTED_VIEW_MAX = 1 << 62  # the view that is asked for because of it must fit into a message, too

Refs = Annotated[bytes, msgspec.Meta(max_length=REFS_BYTES_MAX)]


class Lane(IntEnum):
    """The connection a message travels on; a lower number is never behind a higher one."""

    VOTES = 0
    PROPOSALS = 1
    TRANSACTIONS = 2
    SYNC = 3


class PrePrepare(msgspec.Struct, frozen=True, array_like=True, tag=1):
    """The leader's proposal. The first block of a view carries what makes its parent the base: TC or end-of-term QC."""

    block: OrderBlock
    refs: Refs
    vote: SignedVote  # PROPOSE
    proof: QuorumCertificate | TimeoutCertificate | None = None


class Votes(msgspec.Struct, frozen=True, array_like=True, tag=2):
    """PREPARE, COMMIT and SEAL votes; each counts for its signer, whoever relays it."""

    votes: Annotated[tuple[SignedVote, ...], msgspec.Meta(max_length=VOTES_MAX)]


class ViewChange(msgspec.Struct, frozen=True, array_like=True, tag=3):
    """VIEW-CHANGE with the QC that its key names."""

    vote: SignedVote
    high_qc: QuorumCertificate


class NewView(msgspec.Struct, frozen=True, array_like=True, tag=4):
    """A TC; whoever is behind enters its view."""

    certificate: TimeoutCertificate


class Certificate(msgspec.Struct, frozen=True, array_like=True, tag=5):
    """A QC that the receiver may lack."""

    certificate: QuorumCertificate


class Status(msgspec.Struct, frozen=True, array_like=True, tag=6):
    """Where the sender stands: heartbeat, and a call for help when `stalled`."""

    epoch: U64
    view: U64
    view_asked: U64  # highest VIEW-CHANGE it signed, 0 = none
    high_qc_view: U64
    high_qc_height: U64
    committed_height: U64
    sealed_height: U64
    stalled: bool  # not at its tip and no progress for a tick


class BlockRequest(msgspec.Struct, frozen=True, array_like=True, tag=7):
    """Ask for an unsealed order block and its references."""

    order_hash: Hash


class BlockResponse(msgspec.Struct, frozen=True, array_like=True, tag=8):
    """An order block with its references; proves itself by its hash."""

    block: OrderBlock
    refs: Refs


class PayloadRequest(msgspec.Struct, frozen=True, array_like=True, tag=9):
    """Ask for transactions of an order block."""

    order_hash: Hash
    hashes: Refs  # n x 32 bytes


class PayloadResponse(msgspec.Struct, frozen=True, array_like=True, tag=10):
    """A bundle of raw transactions; part of what was asked for if not all is held or fits."""

    order_hash: Hash
    bundle: Annotated[bytes, msgspec.Meta(max_length=BUNDLE_BYTES_MAX)]


class RangeRequest(msgspec.Struct, frozen=True, array_like=True, tag=11):
    """Ask for certified blocks from `first` on."""

    request: U64
    first: U64
    count: Annotated[int, msgspec.Meta(ge=1, le=RANGE_BLOCKS_MAX)]


class RangeResponse(msgspec.Struct, frozen=True, array_like=True, tag=12):
    """Certified blocks in ascending order; fewer than asked for if the bytes run out."""

    request: U64
    first: U64
    blocks: Annotated[tuple[bytes, ...], msgspec.Meta(max_length=RANGE_BLOCKS_MAX)]
    oldest: U64 = 0  # the oldest block that the sender holds


class SnapshotQuery(msgspec.Struct, frozen=True, array_like=True, tag=24):
    """Ask which states are served."""


class SnapshotOffer(msgspec.Struct, frozen=True, array_like=True, tag=25):
    """The states after the blocks `heights` are served for long, those from `first` to `last` if asked for soon."""

    heights: Annotated[tuple[U64, ...], msgspec.Meta(max_length=OFFERED_HEIGHTS_MAX)]
    first: U64
    last: U64


class SnapshotRequest(msgspec.Struct, frozen=True, array_like=True, tag=26):
    """Ask something about the state after block `height`; what is asked is the core's."""

    request: U64
    height: U64
    ask: Annotated[bytes, msgspec.Meta(max_length=ASK_BYTES_MAX)]


class SnapshotPart(msgspec.Struct, frozen=True, array_like=True, tag=27):
    """The answer; empty if there is none. It proves itself against the sealed header of that block."""

    request: U64
    answer: Annotated[bytes, msgspec.Meta(max_length=BUNDLE_BYTES_MAX)]


class VoteQuery(msgspec.Struct, frozen=True, array_like=True, tag=13):
    """A starting node asks for the highest votes that its peers ever saw from it."""


class VoteReport(msgspec.Struct, frozen=True, array_like=True, tag=14):
    """The answer: votes signed by the asker, the highest of each type; empty = none seen."""

    votes: Annotated[tuple[SignedVote, ...], msgspec.Meta(max_length=16)]


class Rejoin(msgspec.Struct, frozen=True, array_like=True, tag=16):
    """A node in quarantine asks where the others stand; with a vote also for a committed block of `view` or above."""

    epoch: U64
    life: U64  # tells answers to this life of the asker from those to earlier ones
    view: U64  # 0 = not known yet


class RejoinReport(msgspec.Struct, frozen=True, array_like=True, tag=17):
    """The answer of a validator that knows all its own votes. One without a vote in `epoch` is also told by it that no
    end of that epoch is known."""

    life: U64
    view: Annotated[int, msgspec.Meta(ge=0, le=REPORTED_VIEW_MAX)]  # the higher one of its view and last VIEW-CHANGE
    epoch: U64 = 0


class EvidenceReport(msgspec.Struct, frozen=True, array_like=True, tag=15):
    """Two contradicting votes of one validator."""

    first: SignedVote
    second: SignedVote


Message = (
    PrePrepare
    | Votes
    | ViewChange
    | NewView
    | Certificate
    | Status
    | BlockRequest
    | BlockResponse
    | PayloadRequest
    | PayloadResponse
    | RangeRequest
    | RangeResponse
    | SnapshotQuery
    | SnapshotOffer
    | SnapshotRequest
    | SnapshotPart
    | VoteQuery
    | VoteReport
    | Rejoin
    | RejoinReport
    | EvidenceReport
)

_LANES: dict[type, Lane] = {
    Votes: Lane.VOTES,
    ViewChange: Lane.VOTES,
    NewView: Lane.VOTES,
    Certificate: Lane.VOTES,
    Status: Lane.VOTES,
    VoteQuery: Lane.VOTES,
    VoteReport: Lane.VOTES,
    Rejoin: Lane.VOTES,
    RejoinReport: Lane.VOTES,
    EvidenceReport: Lane.VOTES,
    PrePrepare: Lane.PROPOSALS,
    BlockRequest: Lane.PROPOSALS,
    BlockResponse: Lane.PROPOSALS,
    PayloadRequest: Lane.PROPOSALS,
    PayloadResponse: Lane.TRANSACTIONS,
    RangeRequest: Lane.SYNC,
    RangeResponse: Lane.SYNC,
    SnapshotQuery: Lane.SYNC,
    SnapshotOffer: Lane.SYNC,
    SnapshotRequest: Lane.SYNC,
    SnapshotPart: Lane.SYNC,
}

_DECODER: msgspec.msgpack.Decoder[Message] = msgspec.msgpack.Decoder(Message)
_ENCODER = msgspec.msgpack.Encoder()


def encode_message(message: Message) -> bytes:
    """Return the message's one encoding, the same for all peers."""
    return _ENCODER.encode(message)


def decode_message(data: bytes) -> Message:
    """Return the message in a frame's payload.

    Raises
    ------
    InvalidMessage: longer than MESSAGE_BYTES_MAX, malformed, unknown, or a part breaks its bound.
    """
    if len(data) > MESSAGE_BYTES_MAX:
        raise InvalidMessage(f"a message of {len(data)} bytes exceeds {MESSAGE_BYTES_MAX}")
    try:
        message = _DECODER.decode(data)
    except (msgspec.DecodeError, RecursionError) as error:
        raise InvalidMessage(f"a message cannot be decoded: {error}") from error
    if isinstance(message, PayloadRequest) and len(message.hashes) % HASH_BYTES:
        raise InvalidMessage("a payload request does not hold whole hashes")
    return message


def lane_of(message: Message) -> Lane:
    """Return the lane a message travels on."""
    return _LANES[type(message)]


def epoch_of(message: Message) -> int | None:
    """Return the epoch that a message speaks of; None where it makes no difference."""
    match message:
        case PrePrepare() | BlockResponse():
            return message.block.epoch
        case Votes():
            return message.votes[0].vote.epoch if message.votes else None
        case ViewChange():
            return message.vote.vote.epoch
        case NewView() | Certificate():
            return message.certificate.epoch
        case _:
            return None


def signed_votes(message: Message) -> list[SignedVote]:
    """Return every signed vote in a message; the shell verifies each before the message becomes an input."""
    match message:
        case Votes() | VoteReport():
            return list(message.votes)
        case PrePrepare():
            return [message.vote, *_proof_votes(message.proof)]
        case ViewChange():
            return [message.vote, *certificate_votes(message.high_qc)]
        case NewView() | Certificate():
            return _proof_votes(message.certificate)
        case EvidenceReport():
            return [message.first, message.second]
        case Status() | VoteQuery() | Rejoin() | RejoinReport():
            return []
        case BlockRequest() | BlockResponse() | PayloadRequest() | PayloadResponse():
            return []
        case RangeRequest() | RangeResponse():  # the certificates in blocks are verified when they are imported
            return []
        case SnapshotQuery() | SnapshotOffer() | SnapshotRequest() | SnapshotPart():  # checked when they are taken over
            return []
    assert_never(message)  # a new message must say here which votes it carries


def _proof_votes(proof: QuorumCertificate | TimeoutCertificate | None) -> list[SignedVote]:
    if proof is None:
        return []
    if isinstance(proof, TimeoutCertificate):
        return [*proof.votes, *certificate_votes(proof.high_qc)]
    return certificate_votes(proof)


assert VALIDATORS_MAX <= VOTES_MAX
