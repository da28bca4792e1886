"""Peer messages: one encoding, total and bounded decoding, the signatures they carry, their lanes."""

import contextlib
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hansa.consensus.errors import InvalidMessage
from hansa.consensus.messages import (
    MESSAGE_BYTES_MAX,
    REFS_BYTES_MAX,
    BlockRequest,
    BlockResponse,
    Certificate,
    EvidenceReport,
    Lane,
    Message,
    NewView,
    PayloadRequest,
    PayloadResponse,
    PrePrepare,
    RangeRequest,
    RangeResponse,
    Rejoin,
    RejoinReport,
    SnapshotOffer,
    SnapshotPart,
    SnapshotQuery,
    SnapshotRequest,
    Status,
    ViewChange,
    VoteQuery,
    VoteReport,
    Votes,
    decode_message,
    encode_message,
    lane_of,
    signed_votes,
)
from hansa.consensus.values import QuorumCertificate, SignedVote, TimeoutCertificate, Vote, VoteType
from hansa.types.epoch import NODES_MAX
from hansa.types.order import OrderBlock

HASH = b"\5" * 32
BLOCK = OrderBlock(0, 1, 9, HASH, 8, 7, HASH, 1_700_000_000_000, 1, 1, HASH, 2, 42_000)
SIGNED = SignedVote(Vote(VoteType.PREPARE, 0, 1, 9, HASH), 3, b"s" * 64)
QC = QuorumCertificate(VoteType.PREPARE, 0, 1, 9, HASH, ((0, b"a" * 64), (1, b"b" * 64), (3, b"c" * 64)))
TC = TimeoutCertificate(0, 2, (SIGNED, SIGNED), QC)
MESSAGES: list[Message] = [
    PrePrepare(BLOCK, HASH + HASH, SIGNED),
    PrePrepare(BLOCK, b"", SIGNED, QC),
    PrePrepare(BLOCK, b"", SIGNED, TC),
    Votes((SIGNED, SIGNED)),
    ViewChange(SIGNED, QC),
    NewView(TC),
    Certificate(QC),
    Status(0, 1, 2, 1, 9, 8, 7, True),
    BlockRequest(HASH),
    BlockResponse(BLOCK, HASH),
    PayloadRequest(HASH, HASH + HASH),
    PayloadResponse(HASH, b"bundle"),
    RangeRequest(4, 100, 32),
    RangeResponse(4, 100, (b"block", b"block"), 7),
    SnapshotQuery(),
    SnapshotOffer((64, 4_096), 4_200, 4_300),
    SnapshotRequest(5, 4_096, b"ask"),
    SnapshotPart(5, b"answer"),
    VoteQuery(),
    VoteReport((SIGNED,)),
    Rejoin(0, 1_700_000_000_000, 7),
    RejoinReport(1_700_000_000_000, 5),
    EvidenceReport(SIGNED, SIGNED),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_messages_come_back(message: Message) -> None:
    assert decode_message(encode_message(message)) == message


def test_every_message_has_a_lane_and_is_tested() -> None:
    kinds = set(get_args(Message))
    assert {type(message) for message in MESSAGES} == kinds
    assert all(isinstance(lane_of(message), Lane) for message in MESSAGES)


def test_votes_never_wait_behind_bulk() -> None:
    bulk = (PrePrepare, BlockResponse, PayloadResponse, RangeResponse)
    states = (SnapshotQuery, SnapshotOffer, SnapshotRequest, SnapshotPart)
    for message in MESSAGES:
        assert (lane_of(message) is not Lane.VOTES) == isinstance(
            message, (*bulk, *states, BlockRequest, PayloadRequest, RangeRequest)
        )


def test_every_signature_is_named() -> None:
    counts = {type(message).__name__: len(signed_votes(message)) for message in MESSAGES}
    assert len(signed_votes(MESSAGES[0])) == 1
    assert len(signed_votes(MESSAGES[1])) == 4
    assert len(signed_votes(MESSAGES[2])) == 6
    assert (counts["Votes"], counts["ViewChange"], counts["NewView"], counts["Certificate"]) == (2, 4, 5, 3)
    assert (counts["VoteReport"], counts["EvidenceReport"], counts["Status"]) == (1, 2, 0)
    assert signed_votes(Certificate(QC))[1] == SignedVote(QC.vote(), 1, b"b" * 64)


@pytest.mark.parametrize(
    "message",
    [
        BlockRequest(b"\5" * 31),
        RangeRequest(1, 1, 0),
        RangeRequest(1, 1, 257),
        RangeRequest(1, -1, 5),
        Votes((SIGNED,) * 1025),
        Votes((SignedVote(SIGNED.vote, NODES_MAX, b""),)),
        Votes((SignedVote(SIGNED.vote, 1, b"s" * 4097),)),
        Status(0, 2**63, 0, 0, 0, 0, 0, False),
        PayloadRequest(HASH, b"\1" * 33),
        BlockResponse(BLOCK, b"\1" * (REFS_BYTES_MAX + 1)),
        VoteReport((SIGNED,) * 17),
    ],
    ids=lambda message: type(message).__name__,
)
def test_bounds_hold(message: Message) -> None:
    with pytest.raises(InvalidMessage):
        decode_message(encode_message(message))


def test_oversized_bytes_are_not_even_looked_at() -> None:
    with pytest.raises(InvalidMessage, match="exceeds"):
        decode_message(bytes(MESSAGE_BYTES_MAX + 1))


@given(st.binary(max_size=300))
def test_any_bytes_give_a_message_or_a_typed_error(data: bytes) -> None:
    try:
        decode_message(data)
    except InvalidMessage as error:
        assert error.code == "CONSENSUS-1"


@given(st.sampled_from(MESSAGES), st.data())
def test_altered_messages_give_a_message_or_a_typed_error(message: Message, data: st.DataObject) -> None:
    encoded = bytearray(encode_message(message))
    at = data.draw(st.integers(0, len(encoded) - 1))
    encoded[at] = data.draw(st.integers(0, 255))
    with contextlib.suppress(InvalidMessage):
        decode_message(bytes(encoded))


def test_deep_nesting_is_refused() -> None:
    with pytest.raises(InvalidMessage):
        decode_message(b"\x91" * 100_000)
