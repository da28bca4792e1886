"""Group commit: order, grouping, and what a failing disk does."""

import errno
import threading
from collections.abc import Sequence

import pytest

from hansa.consensus.errors import RefusedVote
from hansa.consensus.signer import Signer
from hansa.consensus.values import SignedVote, Vote, VoteRecord, VoteType
from hansa.errors import HansaError
from hansa.io import group_commit
from hansa.io.errors import DiskFailed, DiskFull
from hansa.io.group_commit import CommitEvents, GroupCommit
from hansa.io.stages import StageClock
from hansa.io.vote_log_file import VoteLogNowhere
from hansa.io.vote_signer import LoggedSigner, VoteToSign
from tests.waiting import eventually

DEADLINE_S = 10.0


def seal(height: int) -> VoteToSign:
    return VoteToSign(Vote(VoteType.SEAL, 0, 0, height, bytes(32)), b"")


def prepare(view: int, height: int) -> VoteToSign:
    return VoteToSign(Vote(VoteType.PREPARE, 0, view, height, bytes(32)), b"")


def view_change(view: int, height: int) -> VoteToSign:
    return VoteToSign(Vote(VoteType.VIEW_CHANGE, 0, view, height, bytes(32)), b"")


class Disk(VoteLogNowhere):
    """Notes what happens in which order; can be held up and can fail."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.gate = threading.Event()
        self.gate.set()
        self.error: OSError | None = None
        self.sync_error: OSError | None = None
        self.blocks_error: HansaError | None = None

    def append(self, records: Sequence[VoteRecord]) -> None:
        self.gate.wait(DEADLINE_S)
        if self.error is not None:
            raise self.error
        self.events.append("votes " + ",".join(str(entry.signed.vote.height) for entry in records))

    def sync(self) -> None:
        if self.sync_error is not None:
            raise self.sync_error
        self.events.append("sync votes")

    def sync_blocks(self) -> None:
        if self.blocks_error is not None:
            raise self.blocks_error
        self.events.append("sync blocks")


class World:
    """A commit on such a disk."""

    def __init__(self) -> None:
        self.disk = Disk()
        self.durable: list[int] = []
        self.errors: list[HansaError] = []
        self.told: list[str] = []
        self.refused: list[RefusedVote] = []
        events = CommitEvents(
            self._on_durable,
            self.refused.append,
            lambda error: self.told.append(error.code),
            lambda: self.told.append("room"),
            self.errors.append,
        )
        signer = LoggedSigner(Signer(0, lambda vote: bytes(32)), self.disk)
        self.commit = GroupCommit(signer, self.disk.sync_blocks, events, StageClock())

    def _on_durable(self, votes: Sequence[SignedVote]) -> None:
        self.durable += [signed.vote.height for signed in votes]


async def test_bodies_are_synced_before_votes_are_written() -> None:
    world = World()
    world.commit.mark_blocks_dirty()
    world.commit.add(seal(1))
    world.commit.flush()
    await eventually(lambda: world.durable == [1], DEADLINE_S, "durable")
    assert world.disk.events == ["sync blocks", "votes 1", "sync votes"]
    world.commit.close()


async def test_what_comes_during_a_round_shares_the_next_one() -> None:
    world = World()
    world.disk.gate.clear()
    for height in range(1, 6):
        world.commit.add(seal(height))
        world.commit.flush()
    assert world.durable == []
    world.disk.gate.set()
    await eventually(lambda: world.durable == [1, 2, 3, 4, 5], DEADLINE_S, "durable")
    assert world.disk.events == ["votes 1", "sync votes", "votes 2,3,4,5", "sync votes"]
    assert world.commit.rounds == 2
    world.commit.close()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk is tried again at once."""
    monkeypatch.setattr(group_commit, "RETRY_FULL_S", 0.01)


@pytest.mark.usefixtures("impatient")
async def test_on_a_full_vote_log_everything_waits_for_room() -> None:
    world = World()
    world.disk.error = OSError(errno.ENOSPC, "No space left on device", "votes/0.seg")
    world.commit.add(seal(1))
    world.commit.flush()
    await eventually(lambda: world.told == ["DISK-1"], DEADLINE_S, "the error")
    world.commit.add(view_change(1, 2), has_body=False)
    world.commit.flush()
    rounds = world.commit.rounds
    await eventually(lambda: world.commit.rounds > rounds + 3, DEADLINE_S, "further attempts")
    assert world.durable == [] and world.told == ["DISK-1"]
    world.disk.error = None
    await eventually(lambda: sorted(world.durable) == [1, 2], DEADLINE_S, "durable")
    await eventually(lambda: world.told == ["DISK-1", "room"], DEADLINE_S, "room")
    world.commit.close()


@pytest.mark.usefixtures("impatient")
async def test_on_a_full_block_log_only_votes_that_need_no_body_go_out() -> None:
    world = World()
    world.disk.blocks_error = DiskFull("no space", "")
    world.commit.mark_blocks_dirty()
    world.commit.add(seal(1))
    world.commit.flush()
    await eventually(lambda: bool(world.told), DEADLINE_S, "the error")
    world.commit.add(view_change(1, 2), has_body=False)
    world.commit.flush()
    await eventually(lambda: world.durable == [2], DEADLINE_S, "the vote without a body")
    world.disk.blocks_error = None
    await eventually(lambda: world.durable == [2, 1], DEADLINE_S, "the other one")
    assert world.disk.events[:3] == ["votes 2", "sync votes", "sync blocks"]
    assert world.disk.events[-2:] == ["votes 1", "sync votes"]
    world.commit.close()


@pytest.mark.usefixtures("impatient")
async def test_a_view_change_leaves_out_what_waits_in_the_view_it_gives_up() -> None:
    world = World()
    world.disk.blocks_error = DiskFull("no space", "")
    world.commit.mark_blocks_dirty()
    world.commit.add(prepare(0, 1))
    world.commit.add(seal(2))
    world.commit.flush()
    await eventually(lambda: bool(world.told), DEADLINE_S, "the error")
    world.commit.add(view_change(1, 3), has_body=False)
    world.commit.flush()
    await eventually(lambda: world.durable == [3], DEADLINE_S, "the view change")
    world.disk.blocks_error = None
    await eventually(lambda: world.durable == [3, 2], DEADLINE_S, "what is of no view")
    assert not world.refused
    world.commit.close()


async def test_a_refused_vote_takes_its_round_with_it_and_leaves_the_marks() -> None:
    world = World()
    world.commit.add(prepare(1, 5))
    world.commit.flush()
    await eventually(lambda: world.durable == [5], DEADLINE_S, "the first")
    world.commit.add(seal(7))
    world.commit.add(prepare(1, 4))
    world.commit.flush()
    await eventually(lambda: bool(world.refused), DEADLINE_S, "the refusal")
    world.commit.add(VoteToSign(Vote(VoteType.SEAL, 0, 0, 7, b"\1" * 32), b""))
    world.commit.flush()
    await eventually(lambda: world.durable == [5, 7], DEADLINE_S, "another content, as the first was never shown")
    world.commit.close()


async def test_a_failed_sync_is_never_tried_again_whatever_its_number() -> None:
    world = World()
    world.disk.sync_error = OSError(errno.ENOSPC, "No space left on device")
    world.commit.add(seal(1))
    world.commit.flush()
    await eventually(lambda: world.errors, DEADLINE_S, "the error")
    assert isinstance(world.errors[0], DiskFailed)
    world.disk.sync_error = None
    world.commit.add(seal(2))
    world.commit.flush()
    world.commit.close()
    assert world.durable == [] and not world.told


async def test_any_other_disk_error_is_a_failed_disk() -> None:
    world = World()
    world.disk.error = OSError(errno.EIO, "Input/output error")
    world.commit.add(seal(1))
    world.commit.flush()
    await eventually(lambda: world.errors, DEADLINE_S, "the error")
    assert isinstance(world.errors[0], DiskFailed)
    world.commit.close()
