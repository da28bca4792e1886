"""Every decoder written in Python, as a function of bytes that must return, whatever they are.

A target raises where a decoder breaks its promise: it raises something that is no HansaError, or what it returned does
not come back from its own encoding. Those of the native core stand in native/fuzz.
"""

import struct
from collections.abc import Callable

import msgspec

from hansa._native import crc32c
from hansa.alliance.draft import encode_alliance
from hansa.alliance.model import Alliance, parse_alliance
from hansa.alliance.public_part import decode_public_part, encode_public_part
from hansa.alliance.strict_toml import decode_toml
from hansa.api.calls import decode_call, order_params, parse_bytes, parse_quantity
from hansa.api.filters import encode_criteria
from hansa.consensus.evidence import check_evidence, decode_evidence
from hansa.consensus.messages import decode_message, encode_message, lane_of, signed_votes
from hansa.consensus.values import SignedVote, Vote, VoteContext, VoteRecord, VoteType, decode_context, encode_context
from hansa.consensus.vote_log import (
    BLOCK_BYTES,
    BirthRecord,
    first_frame,
    next_frame,
    recover_segment,
    retained_records,
)
from hansa.crypto.errors import InvalidKeystore
from hansa.crypto.keystore import keystore_address
from hansa.errors import HansaError
from hansa.network.frames import Frame, FrameDecoder, FrameKind, encode_frame
from hansa.network.session import Hello, Received, Session, SessionFacts, Started, Ticked
from hansa.node.config import NodeConfig, check_node_config
from hansa.node.genesis import decode_genesis
from hansa.types.order import decode_order, encode_order

Target = Callable[[bytes], None]
GENESIS = b"\x01" * 32
FACTS = SessionFacts(GENESIS, 0, 1, None)


def message(data: bytes) -> None:
    """A peer message."""
    found = decode_message(data)
    assert decode_message(encode_message(found)) == found
    lane_of(found)
    assert len(signed_votes(found)) <= 1_100


def frames(data: bytes) -> None:
    """A stream of frames; the first byte says where it is cut."""
    cut = data[0] if data else 0
    for pieces in ([data[1:]], [data[1 : 1 + cut], data[1 + cut :]]):
        decoder = FrameDecoder(4_096)
        for piece in pieces:
            decoder.feed(piece)
            while (frame := decoder.next_frame()) is not None:
                assert len(frame.payload) <= 4_096
                assert len(encode_frame(frame)) == len(frame.payload) + 18


def session(data: bytes) -> None:
    """A link from its first byte, on the side that accepts."""
    _play(Session(FACTS), data)


def open_session(data: bytes) -> None:
    """A link behind its hello."""
    link = Session(FACTS)
    hello = Hello(1, 1, GENESIS, 1, 0, 0, 0, 1, "fuzz")
    link.step(Received(encode_frame(Frame(FrameKind.HELLO, msgspec.msgpack.encode(hello))), 1))
    _play(link, data)


def _play(link: Session, data: bytes) -> None:
    link.step(Started(1))
    for at in range(0, len(data), 97):
        assert len(link.step(Received(data[at : at + 97], at))) <= 100
    link.step(Ticked(6_000_000))


def order(data: bytes) -> None:
    """An order block."""
    assert encode_order(decode_order(data)) == data


def vote_context(data: bytes) -> None:
    """What stands beside a vote in the vote log; guarded there by a checksum."""
    try:
        found = decode_context(data)
    except msgspec.DecodeError:
        return
    assert decode_context(encode_context(found)) == found


def vote_log(data: bytes) -> None:
    """A segment of the vote log with changed bytes (offset u16, byte); its checksums are made right again."""
    segment = bytearray(SEGMENT)
    for at in range(0, len(data) - 2, 3):
        segment[int.from_bytes(data[at : at + 2]) % len(segment)] = data[at + 2]
    for at in range(0, len(segment), BLOCK_BYTES):
        size = min(int.from_bytes(segment[at + 4 : at + 8]), len(segment) - at - 24)
        crc = crc32c(bytes(segment[at : at + 20] + segment[at + 24 : at + 24 + size]))
        segment[at + 20 : at + 24] = struct.pack(">I", crc)
    found = recover_segment(bytes(segment))
    assert found.end <= len(segment)
    retained_records(found.records, 5)


def _make_segment() -> bytes:
    vote = Vote(VoteType.PREPARE, 0, 1, 2, b"\x07" * 32)
    record = VoteRecord(SignedVote(vote, 1, b"\x08" * 64), encode_context(VoteContext(1, b"\x09" * 32)))
    frame, crc = first_frame(BirthRecord(1, GENESIS, 1, 0, b"\x0a" * 64), [record])
    return frame + next_frame([record, record], 1, crc)[0] + bytes(BLOCK_BYTES)


SEGMENT = _make_segment()


def evidence(data: bytes) -> None:
    """A proof in a file."""
    check_evidence(decode_evidence(data), lambda signed: True)


def genesis(data: bytes) -> None:
    """A node's part of genesis.json."""
    found = decode_genesis(data)
    assert len(found.epoch().nodes) == len(found.public_keys()) == len(found.accounts())


def alliance(data: bytes) -> None:
    """alliance.toml; what was read is written and read again."""
    found = parse_alliance(_text(data))
    assert decode_toml(encode_alliance(found), Alliance, "written") == found


def node_config(data: bytes) -> None:
    """node.toml."""
    config = decode_toml(_text(data), NodeConfig, "node.toml")
    check_node_config(config)
    config.peer_addresses()


def public_part(data: bytes) -> None:
    """What one organisation shows the others."""
    found = decode_public_part(data, "part")
    assert decode_public_part(encode_public_part(found), "part") == found


def keystore(data: bytes) -> None:
    """A key file of a wallet, without its password."""
    try:
        assert len(keystore_address(data)) == 20
    except InvalidKeystore:
        return


def rpc_call(data: bytes) -> None:
    """A request that Python answers; the native parser has looked at it before, so it is JSON."""
    try:
        msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return
    params = order_params(decode_call(data), ("Filter", "Timeout"))
    if params and isinstance(params[0], dict):
        encode_criteria(params[0])
    for read in (lambda: parse_quantity(params, 1, "Timeout", 5), lambda: parse_bytes(params, 0, "Filter")):
        read()


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


TARGETS: dict[str, Target] = {
    target.__name__: target
    for target in (
        message,
        frames,
        session,
        open_session,
        order,
        vote_context,
        vote_log,
        evidence,
        genesis,
        alliance,
        node_config,
        public_part,
        keystore,
        rpc_call,
    )
}


def run(name: str, data: bytes) -> None:
    """Call one target; expected failures are fine, everything else passes through."""
    try:
        TARGETS[name](data)
    except HansaError as error:
        assert error.cause and len(str(error)) < 10_000
