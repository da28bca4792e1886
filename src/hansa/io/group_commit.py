"""Group commit: what one turn of the event loop must keep becomes durable with one round of syncs, off the loop.

At most one round is under way. What is added meanwhile waits for the next one: the more there is to do, the more each
sync covers. The block log is synced before a vote is written, so that no vote outlives the body it stands for. Tokens
come back when both are durable, in the order in which they were added.

On a full disk nothing is lost: the round is put back and tried again until there is room. Meanwhile only records that
stand for no body are written, into room that the vote log reserved. A sync that failed is never tried again.
"""

import asyncio
import errno
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

from hansa.consensus.values import VoteRecord
from hansa.errors import HansaError
from hansa.io.errors import DiskFailed, DiskFull
from hansa.io.stages import StageClock
from hansa.io.vote_log_file import VoteLog

Token = TypeVar("Token")

FULL = (errno.ENOSPC, errno.EDQUOT)
RETRY_FULL_S = 1.0
_FULL_HINT = "free space: this node then goes on by itself; meanwhile it does not vote, and answers reads"
_FAILED_HINT = "check the disk; what is final is safe with the other members, see `hansa repair`"


@dataclass(slots=True)
class _Entry(Generic[Token]):
    records: Sequence[VoteRecord]
    token: Token
    has_body: bool  # must not be durable before the block log is


@dataclass(slots=True)
class CommitEvents(Generic[Token]):
    """What the owner is told, on the event loop."""

    on_durable: Callable[[Sequence[Token]], None]
    on_full: Callable[[DiskFull], None]  # rounds are tried again from now on
    on_room: Callable[[], None]  # everything that waited is durable
    on_failed: Callable[[HansaError], None]  # nothing more becomes durable


class GroupCommit(Generic[Token]):
    """Makes records and bodies durable in rounds."""

    def __init__(
        self, votes: VoteLog, sync_blocks: Callable[[], None], events: CommitEvents[Token], stages: StageClock
    ) -> None:
        self._votes = votes
        self._sync_blocks = sync_blocks
        self._events = events
        self._stages = stages
        self._entries: list[_Entry[Token]] = []
        self._blocks_dirty = False
        self._running = False
        self._failed = False
        self._full = False
        self._has_blocks_room = True
        self._timer: asyncio.TimerHandle | None = None  # set while the disk is full and no round is under way
        self._loop = asyncio.get_running_loop()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="commit")
        self.rounds = 0

    def add(self, records: Sequence[VoteRecord], token: Token, has_body: bool = True) -> None:
        """Have `records` kept; `token` comes back once they are.

        Parameters
        ----------
        has_body: whether they stand for bodies of the block log, which then must be durable first.
        """
        self._entries.append(_Entry(records, token, has_body))

    def mark_blocks_dirty(self) -> None:
        """Say that the block log was appended to: the next round syncs it as well."""
        self._blocks_dirty = True

    def flush(self) -> None:
        """Start a round unless one is under way or nothing waits; called at the end of each turn."""
        if self._running or self._failed:
            return
        entries: list[_Entry[Token]] = []
        blocks_dirty = False
        if self._timer is not None:
            entries = [entry for entry in self._entries if not entry.has_body]
            self._entries = [entry for entry in self._entries if entry.has_body]
        elif self._full and not self._has_blocks_room:
            blocks_dirty = True
        else:
            entries, self._entries = self._entries, []
            blocks_dirty, self._blocks_dirty = self._blocks_dirty, False
        if entries or blocks_dirty:
            self._begin_round(entries, blocks_dirty)

    def _begin_round(self, entries: list[_Entry[Token]], blocks_dirty: bool) -> None:
        self._running = True
        self.rounds += 1
        is_held_back = self._timer is not None
        records = [record for entry in entries for record in entry.records]
        round_ = self._thread.submit(
            self._stages.measure, "write and sync logs", lambda: self._run(records, blocks_dirty)
        )
        round_.add_done_callback(
            lambda done: self._loop.call_soon_threadsafe(self._finish, done, entries, blocks_dirty, is_held_back)
        )

    def wait_for_room(self, error: DiskFull) -> None:
        """The block log is full, as somebody else found: hold rounds back until it can be synced."""
        self._blocks_dirty = True
        self._begin_waiting(error)

    def submit(self, work: Callable[[], None]) -> None:
        """Run `work` on the commit's thread, after the round under way (pruning, for example); nothing on a full
        disk."""
        future = self._thread.submit(self._stages.measure, "prune votes", work)
        future.add_done_callback(lambda done: self._loop.call_soon_threadsafe(self._check, done))

    def close(self) -> None:
        """Wait for the round under way, in the calling thread."""
        if self._timer is not None:
            self._timer.cancel()
        self._thread.shutdown(wait=True)

    def _run(self, records: Sequence[VoteRecord], blocks_dirty: bool) -> None:
        if blocks_dirty:
            self._sync_blocks()
        if records:
            self._votes.append(records)
            try:
                self._votes.sync()
            except OSError as error:  # whatever its number: the pages may be gone
                raise DiskFailed(f"{error.filename or 'the vote log'}: {error.strerror}", _FAILED_HINT) from error

    def _finish(
        self, done: "Future[None]", entries: list[_Entry[Token]], blocks_dirty: bool, is_held_back: bool
    ) -> None:
        self._running = False
        full = self._check(done)
        if full is not None:
            for entry in entries:
                entry.has_body = entry.has_body or is_held_back  # the vote log itself has no room: it waits as well
            self._entries = entries + self._entries
            self._blocks_dirty = self._blocks_dirty or blocks_dirty
            self._begin_waiting(full)
        elif not self._failed:
            self._events.on_durable([entry.token for entry in entries])
            if self._full and not is_held_back:
                self._on_progress()
        self.flush()

    def _on_progress(self) -> None:
        """The block log has room; once what waits is written too, the disk is not full any more."""
        self._has_blocks_room = True
        if not self._entries:
            self._full = False
            self._events.on_room()

    def _begin_waiting(self, error: DiskFull) -> None:
        self._has_blocks_room = False
        if not self._full:
            self._full = True
            self._events.on_full(error)
        if self._timer is None:
            self._timer = self._loop.call_later(RETRY_FULL_S, self._try_again)

    def _try_again(self) -> None:
        self._timer = None
        self.flush()  # a round under way flushes when it ends

    def _check(self, done: "Future[None]") -> DiskFull | None:
        """Return the error if it may pass; tell the owner of any other."""
        error = done.exception()
        if error is None:
            return None
        if isinstance(error, OSError):
            error = explain_disk_error(error)
        if isinstance(error, DiskFull):
            return error
        self._failed = True
        if not isinstance(error, HansaError):
            raise error
        self._events.on_failed(error)
        return None


def explain_disk_error(error: OSError) -> HansaError:
    """A disk error as a typed one: a full disk may be tried again, a failed one must never be."""
    if error.errno in FULL:
        return DiskFull(f"no space left for {error.filename or 'the logs'}", _FULL_HINT)
    return DiskFailed(f"{error.filename or 'the disk'}: {error.strerror}", _FAILED_HINT)
