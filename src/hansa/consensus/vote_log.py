"""The vote log's bytes: segments of frames, each frame written twice. Pure; `hansa.io.vote_log_file` owns the files.

A segment begins with a frame that holds the birth record and whatever an earlier segment handed over; each group commit
appends one frame. A frame is

    magic 4 | bytes of records u32 | sequence u64 | checksum of the previous frame u32 | own checksum u32

(CRC-32C of header and records) followed by msgpack records, padded with zeros to whole 4 KiB blocks, then
once more the same blocks (rules 1.13). So one rotten block never looks like a torn last write: a frame is read from
whichever copy holds. A tail after which nothing valid follows is a torn write and is cut; a gap before valid frames is
corruption.

Files: `data/votes/<number, 16 digits>.seg`, ascending. A new segment is written under another name, synced, renamed,
the directory synced, then older ones are deleted: a segment with its final name is complete from its first frame.
"""

import struct
from collections.abc import Callable, Iterable

import msgspec

from hansa._native import crc32c
from hansa.consensus.errors import CorruptVoteLog, ForeignVoteLog, LostVoteLog
from hansa.consensus.values import VoteRecord, VoteType, decode_context, encode_context
from hansa.types.order import HASH_BYTES

BLOCK_BYTES = 4096
SEGMENT_BYTES = 4 * 1024 * 1024  # preallocated with zeros; begin a new segment when a frame does not fit
FRAME_BYTES_MAX = 1024 * 1024
LOG_VERSION = 1
MAGIC = b"HVL\x02"
_HEADER = struct.Struct(">4sIQI")
_CRC = struct.Struct(">I")
HEADER_BYTES = _HEADER.size + _CRC.size
BIRTH_DOMAIN = b"hansa/birth/1"


class BirthRecord(msgspec.Struct, frozen=True, array_like=True):
    """Written and signed by `hansa init`: for which chain and node this log was born."""

    version: int
    genesis_hash: bytes  # 32 bytes
    node: int  # validator index
    epoch: int
    signature: bytes  # by the consensus key, over keccak256(birth_preimage(...))


class FrameBody(msgspec.Struct, frozen=True, array_like=True):
    """What one frame holds; `birth` in the first frame of a segment only."""

    birth: BirthRecord | None
    records: tuple[VoteRecord, ...]


class Recovery(msgspec.Struct, frozen=True):
    """What a segment holds."""

    birth: BirthRecord
    records: tuple[VoteRecord, ...]  # oldest first
    sequence: int  # of the next frame
    previous: int  # checksum that the next frame names
    end: int  # where the next frame begins, in bytes
    torn: bool  # something that was never acknowledged stood at the end; it must be zeroed before appending
    damage: tuple[str, ...]  # blocks of which only the other copy holds, padding that is not zero; empty = sound


_BODY = msgspec.msgpack.Decoder(FrameBody)
_ENCODER = msgspec.msgpack.Encoder()


def birth_preimage(genesis_hash: bytes, node: int, epoch: int) -> bytes:
    """Return the bytes whose keccak256 the birth record's signature covers."""
    return b"".join((BIRTH_DOMAIN, genesis_hash, node.to_bytes(4), epoch.to_bytes(8)))


def check_birth(birth: BirthRecord, genesis_hash: bytes, node: int, is_signed: Callable[[BirthRecord], bool]) -> None:
    """Check that a log belongs to this chain and node.

    Parameters
    ----------
    is_signed: whether the record's signature is by this node's consensus key.

    Raises
    ------
    ForeignVoteLog: another chain, another node, or no valid signature.
    """
    if len(birth.genesis_hash) != HASH_BYTES or birth.genesis_hash != genesis_hash:
        raise ForeignVoteLog("the vote log was born for another chain", "put this node's own data/votes back")
    if birth.node != node:
        cause = f"the vote log belongs to validator {birth.node}, this node is {node}"
        raise ForeignVoteLog(cause, "put this node's own data/votes back")
    if not is_signed(birth):
        raise ForeignVoteLog("the vote log's birth record is not signed by this node's key", "check consensus.key")


def first_frame(birth: BirthRecord, records: Iterable[VoteRecord]) -> tuple[bytes, int]:
    """Return the bytes that a segment begins with, and the checksum that the next frame names. Its sequence is 0."""
    return _frame(FrameBody(birth, tuple(records)), 0, 0)


def next_frame(records: Iterable[VoteRecord], sequence: int, previous: int) -> tuple[bytes, int]:
    """Return the bytes of one group commit, both copies, and the checksum that the frame after it names.

    Parameters
    ----------
    sequence: 1 for the first frame after a segment's beginning, then ascending. previous: checksum of the frame before.
    """
    return _frame(FrameBody(None, tuple(records)), sequence, previous)


def recover_segment(data: bytes) -> Recovery:
    """Read a segment, from whichever copy of each frame holds.

    Raises
    ------
    LostVoteLog: the segment is empty. CorruptVoteLog: the first frame, or one before a valid frame, does not hold.
    """
    if not data.strip(b"\0"):
        raise LostVoteLog("the vote log is empty", _LOST_CURE)
    records: list[VoteRecord] = []
    damage: list[str] = []
    birth: BirthRecord | None = None
    at, sequence, previous = 0, 0, 0
    while (found := _read_frame(data, at, sequence, previous, damage)) is not None:
        body, size, previous = found
        birth = birth or body.birth
        records += body.records
        at += 2 * size
        sequence += 1
    if birth is None:
        raise CorruptVoteLog("both copies of the vote log's first frame are damaged", _LOST_CURE)
    if _has_valid_frame(data, at, sequence):
        raise CorruptVoteLog(f"both copies of vote frame {sequence} at byte {at} are damaged", _LOST_CURE)
    torn = bool(data[at:].strip(b"\0"))
    return Recovery(birth, tuple(records), sequence, previous, at, torn, tuple(damage))


def retained_records(records: Iterable[VoteRecord], below_height: int) -> list[VoteRecord]:
    """Return what a fresh segment must keep: everything at `below_height` or above, and whatever the marks rest on.

    The highest vote of each type, and the first PREPARE of the last view with its proof, stay whatever their height.
    What proved earlier views goes: a restart begins in the last one, and what many view changes leave must still fit
    into one frame.
    """
    kept: list[VoteRecord] = []
    marks: dict[VoteType, VoteRecord] = {}
    first_prepare: VoteRecord | None = None
    records = list(records)
    for record in records:
        vote = record.signed.vote
        marks[vote.type] = record  # votes of a type are logged in ascending order
        if vote.type is VoteType.PREPARE and (first_prepare is None or _view_of(first_prepare) < _view_of(record)):
            first_prepare = record
    last_view = max((_view_of(mark) for mark in map(marks.get, _VIEW_VOTES) if mark is not None), default=(0, 0))
    anchors = {id(record) for record in (*marks.values(), first_prepare) if record is not None}
    for record in records:
        vote = record.signed.vote
        is_old = vote.height < below_height or vote.type is VoteType.VIEW_CHANGE
        if not is_old or id(record) in anchors:
            is_past = vote.type in _VIEW_VOTES and _view_of(record) < last_view
            kept.append(_without_proof(record) if is_past else record)
    return kept


_VIEW_VOTES = (VoteType.PREPARE, VoteType.PROPOSE)


def _view_of(record: VoteRecord) -> tuple[int, int]:
    """(epoch, view)."""
    return (record.signed.vote.epoch, record.signed.vote.view)


def _without_proof(record: VoteRecord) -> VoteRecord:
    context = decode_context(record.context)
    if context.proof is None:
        return record
    return VoteRecord(record.signed, encode_context(msgspec.structs.replace(context, proof=None)))


_LOST_CURE = (
    "start the node: it enters quarantine and comes out of it by itself, unless there are fewer than four validators; "
    "then found the alliance anew, or put data/votes back as it was, never from a backup"
)


def _frame(body: FrameBody, sequence: int, previous: int) -> tuple[bytes, int]:
    payload = _ENCODER.encode(body)
    assert HEADER_BYTES + len(payload) <= FRAME_BYTES_MAX, "a group commit exceeds the vote frame's bound"
    header = _HEADER.pack(MAGIC, len(payload), sequence, previous)
    crc = crc32c(header + payload)
    frame = b"".join((header, _CRC.pack(crc), payload))
    frame += bytes(-len(frame) % BLOCK_BYTES)
    return frame + frame, crc


def _parse(data: bytes, at: int) -> tuple[bytes, int, int, int] | None:
    """Return (payload, sequence, previous, crc) of a frame copy that begins at `at`, or None."""
    if at + HEADER_BYTES > len(data):
        return None
    magic, size, sequence, previous = _HEADER.unpack_from(data, at)
    if magic != MAGIC or HEADER_BYTES + size > FRAME_BYTES_MAX or at + HEADER_BYTES + size > len(data):
        return None
    (crc,) = _CRC.unpack_from(data, at + _HEADER.size)
    payload = data[at + HEADER_BYTES : at + HEADER_BYTES + size]
    if crc32c(data[at : at + _HEADER.size] + payload) != crc:
        return None
    return payload, sequence, previous, crc


def _blocks_bytes(payload_bytes: int) -> int:
    return -(-(HEADER_BYTES + payload_bytes) // BLOCK_BYTES) * BLOCK_BYTES


def _read_frame(
    data: bytes, at: int, sequence: int, previous: int, damage: list[str]
) -> tuple[FrameBody, int, int] | None:
    """Return (body, bytes of one copy, crc) of the frame at `at`; note in `damage` which copy does not hold."""
    first = _parse(data, at)
    if first is not None and first[1:3] == (sequence, previous):
        size = _blocks_bytes(len(first[0]))
        whole, copy = data[at : at + size], data[at + size : at + 2 * size]
        if whole[HEADER_BYTES + len(first[0]) :].strip(b"\0"):
            damage.append(f"padding of vote frame {sequence} at byte {at} is not zero")
        if copy != whole:
            damage.append(f"second copy of vote frame {sequence} at byte {at + size} does not hold")
        return _decode_body(first[0]), size, first[3]
    for size in range(BLOCK_BYTES, FRAME_BYTES_MAX + 1, BLOCK_BYTES):
        second = _parse(data, at + size)
        if second is not None and second[1:3] == (sequence, previous) and _blocks_bytes(len(second[0])) == size:
            damage.append(f"first copy of vote frame {sequence} at byte {at} does not hold")
            return _decode_body(second[0]), size, second[3]
    return None


def _decode_body(payload: bytes) -> FrameBody:
    try:
        return _BODY.decode(payload)
    except msgspec.DecodeError as error:
        raise CorruptVoteLog(f"a vote frame's checksum holds but its records do not: {error}", _LOST_CURE) from error


def _has_valid_frame(data: bytes, at: int, sequence: int) -> bool:
    """Whether a frame of a later sequence stands anywhere after `at`."""
    return any(
        (found := _parse(data, block)) is not None and found[1] >= sequence
        for block in range(at, len(data), BLOCK_BYTES)
    )
