"""Group commit: what one turn of the event loop must keep becomes durable with one round of syncs, off the loop.

At most one round is under way. What is added meanwhile waits for the next one: the more there is to do, the more each
sync covers. The block log is synced before a vote is signed, so that no vote outlives the body it stands for. Votes
come back signed when both are durable, in the order in which they were added.

On a full disk nothing is lost: the round is put back and tried again until there is room. Meanwhile only votes that
stand for no body are signed, into room that the vote log reserved. A sync that failed is never tried again.
"""

import asyncio
import errno
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from hansa.consensus.errors import RefusedVote
from hansa.consensus.values import SignedVote, Vote, VoteType
from hansa.errors import HansaError
from hansa.io.errors import DiskFull, disk_failed
from hansa.io.stages import StageClock
from hansa.io.vote_signer import VoteSigner, VoteToSign

FULL = (errno.ENOSPC, errno.EDQUOT)
RETRY_FULL_S = 1.0
_FULL_HINT = "free space: this node then goes on by itself; meanwhile it does not vote, and answers reads"


@dataclass(slots=True)
class _Entry:
    vote: VoteToSign
    has_body: bool  # must not be durable before the block log is


@dataclass(slots=True)
class CommitEvents:
    """What the owner is told, on the event loop."""

    on_durable: Callable[[Sequence[SignedVote]], None]
    on_refused: Callable[[RefusedVote], None]  # nothing of this round was signed
    on_full: Callable[[DiskFull], None]  # rounds are tried again from now on
    on_room: Callable[[], None]  # everything that waited is durable
    on_failed: Callable[[HansaError], None]  # nothing more becomes durable


class GroupCommit:
    """Makes votes and bodies durable in rounds."""

    def __init__(
        self, signer: VoteSigner, sync_blocks: Callable[[], None], events: CommitEvents, stages: StageClock
    ) -> None:
        self._signer = signer
        self._sync_blocks = sync_blocks
        self._events = events
        self._stages = stages
        self._entries: list[_Entry] = []
        self._blocks_dirty = False
        self._running = False
        self._failed = False
        self._full = False
        self._has_blocks_room = True
        self._timer: asyncio.TimerHandle | None = None  # set while the disk is full and no round is under way
        self._loop = asyncio.get_running_loop()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="commit")
        self.rounds = 0

    def add(self, vote: VoteToSign, has_body: bool = True) -> None:
        """Have a vote signed and kept; it comes back once it is.

        Parameters
        ----------
        has_body: whether it stands for a body of the block log, which then must be durable first.
        """
        self._entries.append(_Entry(vote, has_body))

    def mark_blocks_dirty(self) -> None:
        """Say that the block log was appended to: the next round syncs it as well."""
        self._blocks_dirty = True

    def flush(self) -> None:
        """Start a round unless one is under way or nothing waits; called at the end of each turn."""
        if self._running or self._failed:
            return
        entries: list[_Entry] = []
        blocks_dirty = False
        if self._timer is not None:
            entries = [entry for entry in self._entries if not entry.has_body]
            self._entries = [entry for entry in self._entries if entry.has_body and not _is_overtaken(entry, entries)]
        elif self._full and not self._has_blocks_room:
            blocks_dirty = True
        else:
            entries, self._entries = self._entries, []
            blocks_dirty, self._blocks_dirty = self._blocks_dirty, False
        if entries or blocks_dirty:
            self._begin_round(entries, blocks_dirty)

    def _begin_round(self, entries: list[_Entry], blocks_dirty: bool) -> None:
        self._running = True
        self.rounds += 1
        is_held_back = self._timer is not None
        votes = [entry.vote for entry in entries]
        round_ = self._thread.submit(
            self._stages.measure, "write and sync logs", lambda: self._run(votes, blocks_dirty)
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

    def _run(self, votes: Sequence[VoteToSign], blocks_dirty: bool) -> list[SignedVote]:
        if blocks_dirty:
            self._sync_blocks()
        return self._signer.sign(votes) if votes else []

    def _finish(
        self, done: "Future[list[SignedVote]]", entries: list[_Entry], blocks_dirty: bool, is_held_back: bool
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
            if done.exception() is None:
                self._events.on_durable(done.result())
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

    def _check(self, done: "Future[list[SignedVote]] | Future[None]") -> DiskFull | None:
        """Return the error if it may pass; tell the owner of any other."""
        error = done.exception()
        if error is None:
            return None
        if isinstance(error, OSError):
            error = explain_disk_error(error)
        if isinstance(error, DiskFull):
            return error
        if isinstance(error, RefusedVote):
            self._events.on_refused(error)
            return None
        self._failed = True
        if not isinstance(error, HansaError):
            raise error
        self._events.on_failed(error)
        return None


def _is_overtaken(entry: _Entry, by: Sequence[_Entry]) -> bool:
    """Whether the marks forbid a vote once those of `by` are signed; nobody was shown it, so it may be left out."""
    vote = entry.vote.vote
    return any(_gives_up(other.vote.vote, vote) for other in by)


def _gives_up(vote: Vote, other: Vote) -> bool:
    if vote.type is VoteType.VIEW_CHANGE:
        if other.epoch < vote.epoch:
            return True
        return other.type is not VoteType.SEAL and (other.epoch, other.view) < (vote.epoch, vote.view)
    return vote.type is VoteType.REJOIN


def explain_disk_error(error: OSError) -> HansaError:
    """A disk error as a typed one: a full disk may be tried again, a failed one must never be."""
    if error.errno in FULL:
        return DiskFull(f"no space left for {error.filename or 'the logs'}", _FULL_HINT)
    return disk_failed(error, "the disk")
