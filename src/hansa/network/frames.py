"""Frames: magic | version | kind | flags | channel | length | request id | payload | crc32.

14 bytes of header, big-endian; the CRC covers header and payload. The length is checked before a byte of the payload is
kept, and kinds that this version does not know are skipped by the session, not refused.
"""

import struct
import zlib
from enum import IntEnum

import msgspec

from hansa.network.errors import InvalidFrame

MAGIC = b"Hn"
FRAME_VERSION = 1
HEADER = struct.Struct(">2sBBBBII")
TRAILER = struct.Struct(">I")
FRAME_OVERHEAD = HEADER.size + TRAILER.size
PAYLOAD_BYTES_MAX = 4 * 1024 * 1024
HELLO_BYTES_MAX = 1024


class FrameKind(IntEnum):
    """What a frame's payload is."""

    HELLO = 0
    PING = 1  # payload: 8 bytes the pong repeats
    PONG = 2  # payload: the ping's 8 bytes, and Unix time in milliseconds (8 bytes)
    MESSAGE = 3  # one encoded consensus or sync message
    BUNDLE = 4  # one bundle of raw transactions


class Frame(msgspec.Struct, frozen=True):
    """One decoded frame."""

    kind: int  # a FrameKind, or a number of a later version
    payload: bytes  # at most PAYLOAD_BYTES_MAX
    flags: int = 0
    channel: int = 0  # group number; 0 = `main`
    request_id: int = 0  # u32, 0 = none


def encode_frame(frame: Frame) -> bytes:
    """Return the bytes of one frame.

    Raises
    ------
    InvalidFrame: the payload is longer than PAYLOAD_BYTES_MAX.
    """
    size = len(frame.payload)
    if size > PAYLOAD_BYTES_MAX:
        raise InvalidFrame(f"a frame of {size} bytes exceeds {PAYLOAD_BYTES_MAX}")
    header = HEADER.pack(MAGIC, FRAME_VERSION, frame.kind, frame.flags, frame.channel, size, frame.request_id)
    crc = zlib.crc32(frame.payload, zlib.crc32(header))
    return b"".join((header, frame.payload, TRAILER.pack(crc)))


class FrameDecoder:
    """Turns a byte stream into frames. After an error it stays closed.

    Holds at most one frame (`payload_bytes_max` + overhead) and the last chunk.
    """

    __slots__ = ("_buffer", "_closed", "payload_bytes_max")

    def __init__(self, payload_bytes_max: int = PAYLOAD_BYTES_MAX) -> None:
        self.payload_bytes_max = payload_bytes_max
        self._buffer = bytearray()
        self._closed = False

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the stream; `next_frame` then yields what is complete."""
        if not self._closed:
            self._buffer += data

    def next_frame(self) -> Frame | None:
        """Return the next whole frame, or None until more bytes came.

        Raises
        ------
        InvalidFrame: bad magic, version, length or checksum.
        """
        if self._closed:
            raise InvalidFrame("the stream is closed after an earlier error")
        buffer = self._buffer
        if len(buffer) < HEADER.size:
            return None
        magic, version, kind, flags, channel, size, request_id = HEADER.unpack_from(buffer)
        self._check_header(magic, version, size)
        end = HEADER.size + size + TRAILER.size
        if len(buffer) < end:
            return None
        with memoryview(buffer) as view:
            payload = bytes(view[HEADER.size : HEADER.size + size])
            actual = zlib.crc32(view[: HEADER.size + size])
        (expected,) = TRAILER.unpack_from(buffer, end - TRAILER.size)
        if actual != expected:
            self._refuse("a frame's checksum does not hold")
        del buffer[:end]
        return Frame(kind, payload, flags, channel, request_id)

    def _check_header(self, magic: bytes, version: int, size: int) -> None:
        if magic != MAGIC:
            self._refuse("bytes that are no frame")
        if version != FRAME_VERSION:
            self._refuse(f"frame version {version}, this node speaks {FRAME_VERSION}")
        if size > self.payload_bytes_max:
            self._refuse(f"a frame announces {size} bytes, {self.payload_bytes_max} are allowed here")

    def _refuse(self, cause: str) -> None:
        self._closed = True
        self._buffer.clear()
        raise InvalidFrame(cause)
