"""Frames: round trips in any cut, and every way of being wrong."""

import contextlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hansa.network.errors import InvalidFrame
from hansa.network.frames import (
    FRAME_OVERHEAD,
    HEADER,
    MAGIC,
    PAYLOAD_BYTES_MAX,
    Frame,
    FrameDecoder,
    encode_frame,
)

frames = st.builds(
    Frame,
    kind=st.integers(0, 255),
    payload=st.binary(max_size=300),
    flags=st.integers(0, 255),
    channel=st.integers(0, 255),
    request_id=st.integers(0, 2**32 - 1),
)


def decode_all(decoder: FrameDecoder) -> list[Frame]:
    found = []
    while (frame := decoder.next_frame()) is not None:
        found.append(frame)
    return found


@given(st.lists(frames, max_size=8), st.lists(st.integers(0, 4000), max_size=12))
def test_frames_come_out_whole_however_the_stream_is_cut(sent: list[Frame], cuts: list[int]) -> None:
    stream = b"".join(encode_frame(frame) for frame in sent)
    bounds = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    decoder = FrameDecoder()
    received: list[Frame] = []
    for begin, end in zip(bounds, bounds[1:], strict=False):
        decoder.feed(stream[begin:end])
        received += decode_all(decoder)
    assert received == sent


@given(frames, st.data())
def test_one_changed_byte_never_yields_another_frame(frame: Frame, data: st.DataObject) -> None:
    stream = bytearray(encode_frame(frame))
    position = data.draw(st.integers(0, len(stream) - 1))
    stream[position] ^= data.draw(st.integers(1, 255))
    decoder = FrameDecoder()
    decoder.feed(bytes(stream))
    with contextlib.suppress(InvalidFrame):
        assert decoder.next_frame() is None  # a longer length: it waits for bytes that do not come


@given(st.binary(max_size=200))
def test_any_bytes_yield_frames_nothing_or_a_typed_error(data: bytes) -> None:
    decoder = FrameDecoder()
    decoder.feed(data)
    try:
        decode_all(decoder)
    except InvalidFrame:
        with pytest.raises(InvalidFrame):
            decoder.next_frame()


def test_a_length_beyond_the_limit_is_refused_from_the_header_alone() -> None:
    decoder = FrameDecoder(payload_bytes_max=100)
    decoder.feed(HEADER.pack(MAGIC, 1, 3, 0, 0, 101, 0))
    with pytest.raises(InvalidFrame, match="announces 101 bytes"):
        decoder.next_frame()


def test_the_largest_payload_passes_and_one_byte_more_is_refused_when_encoding() -> None:
    decoder = FrameDecoder()
    decoder.feed(encode_frame(Frame(3, bytes(PAYLOAD_BYTES_MAX))))
    frame = decoder.next_frame()
    assert frame is not None
    assert len(frame.payload) == PAYLOAD_BYTES_MAX
    with pytest.raises(InvalidFrame):
        encode_frame(Frame(3, bytes(PAYLOAD_BYTES_MAX + 1)))


def test_the_header_on_the_wire_is_fixed() -> None:
    encoded = encode_frame(Frame(3, b"ab", 1, 2, 0x01020304))
    assert encoded[:16] == b"Hn" + bytes([1, 3, 1, 2]) + struct.pack(">II", 2, 0x01020304) + b"ab"
    assert len(encoded) == 2 + FRAME_OVERHEAD


def test_another_frame_version_is_named() -> None:
    decoder = FrameDecoder()
    decoder.feed(HEADER.pack(MAGIC, 2, 3, 0, 0, 0, 0))
    with pytest.raises(InvalidFrame, match="version 2"):
        decoder.next_frame()
