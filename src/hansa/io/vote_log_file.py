"""The vote log's files: preallocated segments, one frame per group commit, fdatasync. The bytes are
`hansa.consensus.vote_log`'s.

One live segment `<number>.seg` holds everything that still matters; a new one (full segment, pruning, healing) is
written into the spare file, synced and renamed before the old one goes, so that a crash leaves one of them whole. The
old one becomes the next spare: opened with one, the log never needs more room (W6).
"""

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from hansa.alliance.files import sync_path
from hansa.consensus.errors import CorruptVoteLog, LostVoteLog
from hansa.consensus.values import VoteRecord
from hansa.consensus.vote_log import (
    SEGMENT_BYTES,
    BirthRecord,
    Recovery,
    check_birth,
    first_frame,
    next_frame,
    recover_segment,
    retained_records,
)
from hansa.io.errors import DiskFailed, disk_failed

log = logging.getLogger("hansa.votes")

SUFFIX = ".seg"
SPARE = "spare"
LOST_HINT = (
    "start the node: it enters quarantine and comes out of it by itself, unless there are fewer than four validators; "
    "then found the alliance anew, or put data/votes back as it was, never from a backup"
)

IsSigned = Callable[[BirthRecord], bool]


class VoteLog(Protocol):
    """Where votes are kept before they are sent; `append`, `sync`, `prune` are called by one thread at a time."""

    def append(self, records: Sequence[VoteRecord]) -> None:
        """Write records after the last one."""

    def sync(self) -> None:
        """Make what was written durable."""

    def prune(self, below_height: int) -> None:
        """Forget the votes below a height that nothing rests on."""

    def close(self) -> None:
        """Release what is held."""


class VoteLogNowhere:
    """The vote log of a single development node, which contradicts nobody when it forgets."""

    def append(self, records: Sequence[VoteRecord]) -> None:
        """Keep nothing."""

    def sync(self) -> None:
        """Nothing to sync."""

    def prune(self, below_height: int) -> None:
        """Nothing to forget."""

    def close(self) -> None:
        """Nothing to release."""


class VoteLogFile:
    """An open vote log. `append`, `sync` and `prune` are called by one thread at a time."""

    def __init__(self, folder: Path, number: int, recovery: Recovery) -> None:
        """Use `open_vote_log`."""
        self._folder = folder
        self._number = number
        self._birth = recovery.birth
        self._records = list(recovery.records)
        self._sequence = recovery.sequence
        self._previous = recovery.previous
        self._end = recovery.end
        self._below_height = 0
        self._descriptor = os.open(segment_path(folder, number), os.O_RDWR | os.O_CLOEXEC)
        if recovery.torn:
            self._zero_tail()

    @property
    def records(self) -> tuple[VoteRecord, ...]:
        """Everything that the log holds, oldest first."""
        return tuple(self._records)

    @property
    def birth(self) -> BirthRecord:
        """For which chain and node this log was born."""
        return self._birth

    def append(self, records: Sequence[VoteRecord]) -> None:
        """Write one frame with `records` after the last one; durable after `sync`.

        Raises
        ------
        OSError: the disk is full, then it may be tried again; or it is broken.
        DiskFailed: a segment begun for it may or may not be on the disk.
        """
        frame, crc = next_frame(records, self._sequence, self._previous)
        if self._end + len(frame) > SEGMENT_BYTES:
            self._begin_segment([*self._records, *records])
            return
        _write_all(self._descriptor, frame, self._end)
        self._records += records
        self._end += len(frame)
        self._sequence += 1
        self._previous = crc

    def sync(self) -> None:
        """Make what was appended durable.

        Raises
        ------
        OSError: it may be lost; the node must stop.
        """
        os.fdatasync(self._descriptor)

    def prune(self, below_height: int) -> None:
        """Begin a segment without the votes below a height, except for those that the marks rest on.

        Raises
        ------
        OSError, DiskFailed: as `append`.
        """
        self._below_height = max(self._below_height, below_height)
        self._begin_segment(self._records)

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)

    def _begin_segment(self, records: Sequence[VoteRecord]) -> None:
        kept = retained_records(records, self._below_height)
        number = self._number + 1
        frame, crc = first_frame(self._birth, kept)
        older, self._descriptor = self._descriptor, _write_segment(self._folder, number, frame)
        self._number, self._records = number, kept
        self._sequence, self._previous, self._end = 1, crc, len(frame)
        with _tried_once():
            os.close(older)
            _recycle_segments_below(self._folder, number)

    def _zero_tail(self) -> None:
        _write_all(self._descriptor, bytes(SEGMENT_BYTES - self._end), self._end)
        os.fdatasync(self._descriptor)


def create_vote_log(folder: Path, birth: BirthRecord) -> None:
    """Write a new log that holds nothing but its birth record (`hansa init`).

    Raises
    ------
    FileExistsError: a log is there; it is never replaced.
    OSError, DiskFailed: the disk refuses.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if _segment_numbers(folder):
        raise FileExistsError(f"{folder} holds a vote log already")
    frame, _ = first_frame(birth, ())
    os.close(_write_segment(folder, 0, frame))


def replace_vote_log(folder: Path, birth: BirthRecord, first: VoteRecord, aside: Path) -> Path | None:
    """Put away what is left of a log that is no use any more, and begin another one with `first`.

    Returns where the old segments lie now; None when there were none. A crash in between leaves no log at all.

    Raises
    ------
    OSError, DiskFailed: the disk refuses.
    """
    moved = put_votes_aside(folder, aside)
    frame, _ = first_frame(birth, (first,))
    os.close(_write_segment(folder, 0, frame))
    return moved


def put_votes_aside(folder: Path, aside: Path) -> Path | None:
    """Move a log's segments below `aside`: the validator has lost its votes. Returns where they lie now, if any.

    Raises
    ------
    OSError: the disk refuses.
    """
    folder.mkdir(parents=True, exist_ok=True)
    numbers = _segment_numbers(folder)
    if not numbers:
        return None
    moved = _free_name(aside)
    moved.mkdir(parents=True)
    for number in numbers:
        path = segment_path(folder, number)
        path.rename(moved / path.name)
    sync_path(moved)
    sync_path(folder)
    return moved


def open_vote_log(folder: Path, genesis_hash: bytes, node: int, is_signed: IsSigned) -> VoteLogFile:
    """Open a log and check that it is this node's. What a crash left half done is finished or undone.

    Raises
    ------
    LostVoteLog: there is none. ForeignVoteLog: another chain's or node's. CorruptVoteLog: a synced record is damaged.
    """
    number, recovery = _recover(folder)
    check_birth(recovery.birth, genesis_hash, node, is_signed)
    _recycle_segments_below(folder, number)
    _reserve_spare(folder)
    opened = VoteLogFile(folder, number, recovery)
    if recovery.damage:
        what = "; ".join(recovery.damage)
        log.warning("healed %s: %s", segment_path(folder, number), what, extra={"code": "VOTES-4"})
        opened.prune(0)
    return opened


def examine_vote_log(folder: Path, genesis_hash: bytes, node: int, is_signed: IsSigned) -> list[tuple[Path, str]]:
    """Read a stopped node's log and return what does not hold, as (file, what); empty = sound. Changes nothing.

    Raises
    ------
    LostVoteLog: there is no log. ForeignVoteLog: another chain's or node's.
    """
    try:
        number, recovery = _recover(folder)
    except CorruptVoteLog as error:
        return [(_newest_segment(folder), error.cause)]
    check_birth(recovery.birth, genesis_hash, node, is_signed)
    path = segment_path(folder, number)
    findings = [(path, what) for what in recovery.damage]
    if recovery.torn:
        findings.append((path, f"bytes after the last vote at {recovery.end} are not zero"))
    if path.stat().st_size != SEGMENT_BYTES:
        findings.append((path, f"{path.stat().st_size} bytes long, not {SEGMENT_BYTES}"))
    return findings


def segment_path(folder: Path, number: int) -> Path:
    """The file of a segment."""
    return folder / f"{number:016}{SUFFIX}"


def _free_name(aside: Path) -> Path:
    taken = (int(path.name[6:]) for path in aside.glob("votes-*") if path.name[6:].isdecimal())
    return aside / f"votes-{max(taken, default=0) + 1}"


def _recover(folder: Path) -> tuple[int, Recovery]:
    path = _newest_segment(folder)
    try:
        return int(path.stem), recover_segment(path.read_bytes())
    except CorruptVoteLog as error:
        raise CorruptVoteLog(f"{path}: {error.cause}", error.hint) from error
    except LostVoteLog as error:
        raise LostVoteLog(f"{path}: {error.cause}", error.hint) from error


def _newest_segment(folder: Path) -> Path:
    numbers = _segment_numbers(folder)
    if not numbers:
        raise LostVoteLog(f"{folder} holds no vote log", LOST_HINT)
    return segment_path(folder, numbers[-1])


def _segment_numbers(folder: Path) -> list[int]:
    if not folder.is_dir():
        return []
    stems = [path.stem for path in folder.iterdir() if path.suffix == SUFFIX]
    return sorted(int(stem) for stem in stems if stem.isdecimal())


def _write_segment(folder: Path, number: int, frame: bytes) -> int:
    """Write a whole segment into the spare file, sync and rename it; returns its descriptor.

    Raises
    ------
    OSError: the older segment is the newest still. DiskFailed: either of them is.
    """
    descriptor = os.open(folder / SPARE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _write_all(descriptor, frame + bytes(SEGMENT_BYTES - len(frame)), 0)
        os.ftruncate(descriptor, SEGMENT_BYTES)
        with _tried_once():
            os.fsync(descriptor)
            os.rename(folder / SPARE, segment_path(folder, number))
            sync_path(folder)
    except (OSError, DiskFailed):
        os.close(descriptor)
        raise
    return descriptor


@contextmanager
def _tried_once() -> Iterator[None]:
    """Turn every refusal into the end of the node, a full disk's too: what a failed sync kept nobody knows (W5), and
    votes written into an older segment than the newest are lost."""
    try:
        yield
    except OSError as error:
        raise disk_failed(error, "the vote log") from error


def _reserve_spare(folder: Path) -> None:
    """Have a spare of full size, if there is room."""
    spare = folder / SPARE
    if spare.exists() and spare.stat().st_size == SEGMENT_BYTES:
        return
    try:
        spare.write_bytes(bytes(SEGMENT_BYTES))
    except OSError as error:
        log.warning("no room for a spare vote segment: %s", error.strerror, extra={"code": "DISK-1"})
        spare.unlink(missing_ok=True)


def _recycle_segments_below(folder: Path, number: int) -> None:
    for older in _segment_numbers(folder):
        if older < number:
            segment_path(folder, older).rename(folder / SPARE)


def _write_all(descriptor: int, data: bytes, offset: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, offset)
        view = view[written:]
        offset += written
