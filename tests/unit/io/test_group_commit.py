"""Group commit: order, grouping, and what a failing disk does."""

import errno
import threading
from collections.abc import Sequence

from hansa.consensus.values import SignedVote, Vote, VoteRecord, VoteType
from hansa.errors import HansaError
from hansa.io.errors import DiskFailed, DiskFull
from hansa.io.group_commit import GroupCommit
from hansa.io.vote_log_file import VoteLogNowhere
from tests.waiting import eventually

DEADLINE_S = 10.0


def record(height: int) -> VoteRecord:
    return VoteRecord(SignedVote(Vote(VoteType.SEAL, 0, 0, height, bytes(32)), 0, b""), b"")


class Disk(VoteLogNowhere):
    """Notes what happens in which order; can be held up and can fail."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.gate = threading.Event()
        self.gate.set()
        self.error: OSError | None = None

    def append(self, records: Sequence[VoteRecord]) -> None:
        self.gate.wait(DEADLINE_S)
        if self.error is not None:
            raise self.error
        self.events.append("votes " + ",".join(str(entry.signed.vote.height) for entry in records))

    def sync(self) -> None:
        self.events.append("sync votes")

    def sync_blocks(self) -> None:
        self.events.append("sync blocks")


class World:
    """A commit on such a disk."""

    def __init__(self) -> None:
        self.disk = Disk()
        self.durable: list[int] = []
        self.errors: list[HansaError] = []
        self.commit: GroupCommit[int] = GroupCommit(
            self.disk, self.disk.sync_blocks, self.durable.extend, lambda error, _: self.errors.append(error)
        )


async def test_bodies_are_synced_before_votes_are_written() -> None:
    world = World()
    world.commit.mark_blocks_dirty()
    world.commit.add([record(1)], 1)
    world.commit.flush()
    await eventually(lambda: world.durable == [1], DEADLINE_S, "durable")
    assert world.disk.events == ["sync blocks", "votes 1", "sync votes"]
    world.commit.close()


async def test_what_comes_during_a_round_shares_the_next_one() -> None:
    world = World()
    world.disk.gate.clear()
    for height in range(1, 6):
        world.commit.add([record(height)], height)
        world.commit.flush()
    assert world.durable == []
    world.disk.gate.set()
    await eventually(lambda: world.durable == [1, 2, 3, 4, 5], DEADLINE_S, "durable")
    assert world.disk.events == ["votes 1", "sync votes", "votes 2,3,4,5", "sync votes"]
    assert world.commit.rounds == 2
    world.commit.close()


async def test_a_full_disk_is_named_and_nothing_becomes_durable_afterwards() -> None:
    world = World()
    world.disk.error = OSError(errno.ENOSPC, "No space left on device", "votes/0.seg")
    world.commit.add([record(1)], 1)
    world.commit.flush()
    await eventually(lambda: world.errors, DEADLINE_S, "the error")
    assert isinstance(world.errors[0], DiskFull)
    world.disk.error = None
    world.commit.add([record(2)], 2)
    world.commit.flush()
    world.commit.close()
    assert world.durable == []


async def test_any_other_disk_error_is_a_failed_disk() -> None:
    world = World()
    world.disk.error = OSError(errno.EIO, "Input/output error")
    world.commit.add([record(1)], 1)
    world.commit.flush()
    await eventually(lambda: world.errors, DEADLINE_S, "the error")
    assert isinstance(world.errors[0], DiskFailed)
    world.commit.close()
