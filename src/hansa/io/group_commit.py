"""Group commit: what one turn of the event loop must keep becomes durable with one round of syncs, off the loop.

At most one round is under way. What is added meanwhile waits for the next one: the more there is to do, the more each
sync covers. The block log is synced before a vote is written, so that no vote outlives the body it stands for. Tokens
come back when both are durable, in the order in which they were added.
"""

import asyncio
import errno
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

from hansa.consensus.values import VoteRecord
from hansa.errors import HansaError
from hansa.io.errors import DiskFailed, DiskFull
from hansa.io.vote_log_file import VoteLog

Token = TypeVar("Token")

FULL = (errno.ENOSPC, errno.EDQUOT)


class GroupCommit(Generic[Token]):
    """Makes records and bodies durable in rounds."""

    def __init__(
        self,
        votes: VoteLog,
        sync_blocks: Callable[[], None],
        on_durable: Callable[[Sequence[Token]], None],
        on_failed: Callable[[HansaError, Sequence[Token]], None],
    ) -> None:
        """Both callbacks are called on the event loop; after `on_failed` nothing more becomes durable."""
        self._votes = votes
        self._sync_blocks = sync_blocks
        self._on_durable = on_durable
        self._on_failed = on_failed
        self._records: list[VoteRecord] = []
        self._tokens: list[Token] = []
        self._blocks_dirty = False
        self._running = False
        self._failed = False
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="commit")
        self.rounds = 0

    def add(self, records: Sequence[VoteRecord], token: Token) -> None:
        """Have `records` kept; `token` comes back once they are."""
        self._records += records
        self._tokens.append(token)

    def mark_blocks_dirty(self) -> None:
        """Say that the block log was appended to: the next round syncs it as well."""
        self._blocks_dirty = True

    def flush(self) -> None:
        """Start a round unless one is under way or nothing waits; called at the end of each turn."""
        if self._running or self._failed or not (self._tokens or self._blocks_dirty):
            return
        records, self._records = self._records, []
        tokens, self._tokens = self._tokens, []
        blocks_dirty, self._blocks_dirty = self._blocks_dirty, False
        self._running = True
        self.rounds += 1
        loop = asyncio.get_running_loop()
        round_ = self._thread.submit(self._run, records, blocks_dirty)
        round_.add_done_callback(lambda done: loop.call_soon_threadsafe(self._finish, done, tokens))

    def _run(self, records: Sequence[VoteRecord], blocks_dirty: bool) -> None:
        if blocks_dirty:
            self._sync_blocks()
        if records:
            self._votes.append(records)
            self._votes.sync()

    def submit(self, work: Callable[[], None]) -> None:
        """Run `work` on the commit's thread, after the round under way (pruning, for example)."""
        loop = asyncio.get_running_loop()
        future = self._thread.submit(work)
        future.add_done_callback(lambda done: loop.call_soon_threadsafe(self._check, done, ()))

    def _finish(self, done: "Future[None]", tokens: Sequence[Token]) -> None:
        self._running = False
        if self._check(done, tokens):
            self._on_durable(tokens)
            self.flush()

    def _check(self, done: "Future[None]", tokens: Sequence[Token]) -> bool:
        error = done.exception()
        if error is None:
            return True
        self._failed = True
        if isinstance(error, HansaError):
            self._on_failed(error, tokens)
        elif isinstance(error, OSError):
            self._on_failed(explain_disk_error(error), tokens)
        else:
            raise error
        return False

    def close(self) -> None:
        """Wait for the round under way, in the calling thread."""
        self._thread.shutdown(wait=True)


def explain_disk_error(error: OSError) -> HansaError:
    """A disk error as a typed one: full disks can be mended, failed syncs must never be retried."""
    if error.errno in FULL:
        hint = "free space, then restart this node; meanwhile it does not vote and answers reads"
        return DiskFull(f"no space left for {error.filename or 'the logs'}", hint)
    hint = "check the disk; what is final is safe with the other members, see `hansa repair`"
    return DiskFailed(f"{error.filename or 'the disk'}: {error.strerror}", hint)
