"""A vote log as the bytes it really is, on sectors that can be torn, lost, rotten, or written elsewhere.

The bytes are made and read by `hansa.consensus.vote_log`, so what is tested here is the format itself.
"""

from collections.abc import Iterable
from random import Random

from hansa.consensus.values import VoteRecord
from hansa.consensus.vote_log import (
    BLOCK_BYTES,
    LOG_VERSION,
    SEGMENT_BYTES,
    BirthRecord,
    first_frame,
    next_frame,
    recover_segment,
    retained_records,
)
from hansa.sim.ledger import GENESIS_HASH


class SectorLog:
    """One vote log, its segment, and what was written to it since the last sync."""

    def __init__(self, node: int) -> None:
        self._birth = BirthRecord(LOG_VERSION, GENESIS_HASH, node, 0, b"")
        self.is_lying = False  # syncs do nothing
        self._wrong_shift: int | None = None  # where the next write lands, relative to where it should
        self._pending: list[tuple[int, bytes]] = []  # (place, bytes) written since the last sync
        self._end = self._sequence = self._previous = 0
        self._frames: list[tuple[int, int]] = []  # (place, bytes) of every frame, both copies
        self.prune(())

    def append(self, records: Iterable[VoteRecord]) -> None:
        """Write one frame. It is safe after the next sync."""
        records = tuple(records)
        frame, crc = next_frame(records, self._sequence, self._previous)
        if self._end + len(frame) > SEGMENT_BYTES:
            self.prune(retained_records((*self.recover(), *records), 0))
            return
        at, self._wrong_shift = self._end + (self._wrong_shift or 0), None
        self._pending.append((max(at, 0), frame))
        self._frames.append((self._end, len(frame)))
        self._end += len(frame)
        self._sequence += 1
        self._previous = crc

    def sync(self) -> None:
        """Everything written so far reaches the platter, unless the disk lies."""
        if not self.is_lying:
            for at, data in self._pending:
                self._write(at, data)
            self._pending.clear()

    def prune(self, kept: Iterable[VoteRecord]) -> None:
        """Begin a new segment with these records: written beside the old one, synced, renamed."""
        frame, self._previous = first_frame(self._birth, kept)
        self._platter = bytearray(frame)
        self._pending = []
        self._frames = [(0, len(frame))]
        self._end = len(frame)
        self._sequence = 1

    def cut_power(self, rng: Random) -> None:
        """Of what was not synced each sector is written, or not, or in part."""
        for at, data in self._pending:
            for start in range(0, len(data), BLOCK_BYTES):
                fate = rng.randrange(3)
                kept = BLOCK_BYTES if fate == 0 else rng.randrange(BLOCK_BYTES) if fate == 1 else 0
                self._write(at + start, data[start : start + kept])
        self._pending.clear()

    def recover(self) -> tuple[VoteRecord, ...]:
        """Read the platter as a starting node does, and go on behind the last frame that holds.

        Raises
        ------
        LostVoteLog: it is empty. CorruptVoteLog: a frame before the last one does not hold.
        """
        for at, data in self._pending:  # a process that lives on reads what it wrote
            self._write(at, data)
        found = recover_segment(bytes(self._platter))
        self._end, self._sequence, self._previous = found.end, found.sequence, found.previous
        self._frames = [frame for frame in self._frames if frame[0] < found.end]
        del self._platter[found.end :]  # the torn end is zeroed before anything is appended
        self._pending.clear()
        if found.damage:
            self.prune(retained_records(found.records, 0))  # as the node does: both copies are whole again
        return found.records

    def rot(self, rng: Random, both_copies: bool) -> None:
        """Flip a bit in one copy of a frame, or one in each copy."""
        at, size = rng.choice(self._frames)
        half = size // 2
        for copy in (0, 1) if both_copies else (rng.randrange(2),):
            place = at + copy * half + rng.randrange(24)  # in the header: never in padding, which nobody needs
            if place < len(self._platter):
                self._platter[place] ^= 1 << rng.randrange(8)

    def misdirect_next(self, rng: Random) -> None:
        """The next write goes one to sixteen sectors to either side."""
        self._wrong_shift = rng.choice((-1, 1)) * rng.randint(1, 16) * BLOCK_BYTES

    def lose(self) -> None:
        """Nothing is left."""
        self._platter = bytearray()
        self._pending.clear()

    def image(self) -> bytes:
        """Return what is safe now."""
        return bytes(self._platter)

    def restore(self, image: bytes) -> None:
        """Put an older image back."""
        self._platter = bytearray(image)
        self._pending.clear()

    def _write(self, at: int, data: bytes) -> None:
        missing = at + len(data) - len(self._platter)
        if missing > 0:
            self._platter += bytes(missing)
        self._platter[at : at + len(data)] = data
