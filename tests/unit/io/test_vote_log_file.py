"""The vote log's files: what was synced comes back, whatever happens to the process or to a byte."""

import errno
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hansa.consensus.errors import CorruptVoteLog, ForeignVoteLog, LostVoteLog
from hansa.consensus.values import SignedVote, Vote, VoteRecord, VoteType
from hansa.consensus.vote_log import BLOCK_BYTES, SEGMENT_BYTES, BirthRecord
from hansa.crypto.suite import generate_key_pair
from hansa.io.errors import DiskFailed
from hansa.io.key_file import is_birth_signed, sign_birth
from hansa.io.vote_log_file import (
    SPARE,
    VoteLogFile,
    create_vote_log,
    examine_vote_log,
    open_vote_log,
    segment_path,
)

GENESIS = b"\x05" * 32
PAIR = generate_key_pair()
BIRTH = sign_birth(PAIR, GENESIS, 2)


def is_signed(birth: BirthRecord) -> bool:
    return is_birth_signed(birth, PAIR.public)


def reopen(folder: Path) -> VoteLogFile:
    return open_vote_log(folder, GENESIS, 2, is_signed)


def record(height: int, context: bytes = b"") -> VoteRecord:
    vote = Vote(VoteType.COMMIT, 0, 1, height, height.to_bytes(32))
    return VoteRecord(SignedVote(vote, 2, b"s" * 64), context)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    create_vote_log(tmp_path / "votes", BIRTH)
    return tmp_path / "votes"


def test_what_was_appended_comes_back_in_order(folder: Path) -> None:
    log = reopen(folder)
    for height in range(1, 6):
        log.append([record(height), record(100 + height)])
        log.sync()
    log.close()
    again = reopen(folder)
    assert [entry.signed.vote.height for entry in again.records] == [1, 101, 2, 102, 3, 103, 4, 104, 5, 105]
    again.append([record(6)])
    again.sync()
    again.close()
    assert reopen(folder).records[-1] == record(6)


def test_a_full_segment_is_followed_by_another_and_nothing_is_lost(folder: Path) -> None:
    log = reopen(folder)
    count = SEGMENT_BYTES // (2 * BLOCK_BYTES) + 3
    for height in range(1, count + 1):
        log.append([record(height)])
    log.sync()
    log.close()
    assert [entry.signed.vote.height for entry in reopen(folder).records] == list(range(1, count + 1))
    assert sorted(path.name for path in folder.iterdir()) == [segment_path(folder, 1).name, SPARE]


def test_pruning_keeps_what_is_young_and_the_highest(folder: Path) -> None:
    log = reopen(folder)
    log.append([record(height) for height in range(1, 100)])
    log.prune(64)
    log.append([record(100)])
    log.sync()
    log.close()
    assert [entry.signed.vote.height for entry in reopen(folder).records] == list(range(64, 101))


def test_a_crash_while_a_segment_is_begun_leaves_the_older_one(folder: Path) -> None:
    log = reopen(folder)
    log.append([record(1)])
    log.sync()
    log.close()
    (folder / SPARE).write_bytes(b"half a segment")
    again = reopen(folder)
    assert again.records == (record(1),)
    again.prune(0)
    assert reopen(folder).records == (record(1),)


def test_a_crash_before_the_older_segment_goes_leaves_the_newer_one(folder: Path) -> None:
    older = segment_path(folder, 0).read_bytes()
    log = reopen(folder)
    log.append([record(1)])
    log.prune(0)
    log.close()
    segment_path(folder, 0).write_bytes(older)
    assert reopen(folder).records == (record(1),)
    assert not segment_path(folder, 0).exists()


def test_an_open_log_never_needs_more_room(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = reopen(folder)
    used = sum(path.stat().st_size for path in folder.iterdir())
    for height in range(1, 3 * SEGMENT_BYTES // (2 * BLOCK_BYTES)):
        log.append([record(height)])
        if height % 100 == 0:
            log.prune(height)
        assert sum(path.stat().st_size for path in folder.iterdir()) == used == 2 * SEGMENT_BYTES
    assert reopen(folder).records[-1].signed.vote.height == height


def test_what_found_no_room_can_be_appended_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = reopen(folder)
    log.append([record(1)])

    def refuse(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as full:
        full.setattr(os, "pwrite", refuse)
        with pytest.raises(OSError, match="No space"):
            log.append([record(2)])
        with pytest.raises(OSError, match="No space"):
            log.prune(0)
    log.append([record(2)])
    log.sync()
    assert [entry.signed.vote.height for entry in reopen(folder).records] == [1, 2]


@pytest.mark.parametrize("refusing", ["fsync", "rename"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
@pytest.mark.parametrize("calls_before", [0, 1])
def test_a_segment_that_may_stand_already_ends_the_log_whatever_the_disk_says(
    folder: Path, monkeypatch: pytest.MonkeyPatch, refusing: str, number: int, calls_before: int
) -> None:
    log = reopen(folder)
    log.append([record(1)])
    log.sync()
    done, real = 0, getattr(os, refusing)

    def refuse(*arguments: Any) -> None:
        nonlocal done
        done += 1
        if done > calls_before:
            raise OSError(number, "no")
        real(*arguments)

    with monkeypatch.context() as refused:
        refused.setattr(os, refusing, refuse)  # the second sync is the folder's, the second rename the older segment's
        with pytest.raises(DiskFailed, match="the vote log: no"):
            log.prune(0)
    log.close()
    assert reopen(folder).records == (record(1),)


def test_a_torn_last_write_is_cut_and_overwritten(folder: Path) -> None:
    log = reopen(folder)
    log.append([record(1)])
    log.sync()
    log.append([record(2)])
    log.close()
    path = segment_path(folder, 0)
    data = bytearray(path.read_bytes())
    frame = 2 * BLOCK_BYTES
    data[2 * frame + 20 : 2 * frame + BLOCK_BYTES] = bytes(BLOCK_BYTES - 20)
    data[2 * frame + BLOCK_BYTES : 3 * frame] = bytes(BLOCK_BYTES)
    path.write_bytes(data)
    assert examine_vote_log(folder, GENESIS, 2, is_signed)
    again = reopen(folder)
    assert again.records == (record(1),)
    again.append([record(3)])
    again.sync()
    again.close()
    assert examine_vote_log(folder, GENESIS, 2, is_signed) == []
    assert reopen(folder).records == (record(1), record(3))


def test_no_log_is_lost_and_never_silently_made_anew(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(LostVoteLog):
        open_vote_log(tmp_path / "nowhere", GENESIS, 2, is_signed)
    with pytest.raises(FileExistsError):
        create_vote_log(folder, BIRTH)
    segment_path(folder, 0).write_bytes(bytes(SEGMENT_BYTES))
    with pytest.raises(LostVoteLog):
        reopen(folder)


@pytest.mark.parametrize(
    "birth",
    [
        pytest.param(sign_birth(PAIR, b"\x06" * 32, 2), id="another chain"),
        pytest.param(sign_birth(PAIR, GENESIS, 1), id="another node"),
        pytest.param(sign_birth(generate_key_pair(), GENESIS, 2), id="another key"),
    ],
)
def test_a_foreign_log_is_refused(tmp_path: Path, birth: BirthRecord) -> None:
    create_vote_log(tmp_path / "foreign", birth)
    with pytest.raises(ForeignVoteLog):
        open_vote_log(tmp_path / "foreign", GENESIS, 2, is_signed)


@settings(max_examples=60, deadline=None)
@given(position=st.integers(0, SEGMENT_BYTES - 1), flip=st.integers(1, 255), dense=st.booleans())
def test_any_one_changed_byte_is_found_and_healed(
    tmp_path_factory: pytest.TempPathFactory, position: int, flip: int, dense: bool
) -> None:
    folder = tmp_path_factory.mktemp("log") / "votes"
    create_vote_log(folder, BIRTH)
    log = reopen(folder)
    for height in range(1, 4):
        log.append([record(height)])
    log.sync()
    log.close()
    path = segment_path(folder, 0)
    data = bytearray(path.read_bytes())
    data[position % (8 * BLOCK_BYTES) if dense else position] ^= flip
    path.write_bytes(data)
    assert examine_vote_log(folder, GENESIS, 2, is_signed), "the change was not found"
    healed = reopen(folder)
    assert [entry.signed.vote.height for entry in healed.records] == [1, 2, 3]
    healed.close()
    assert examine_vote_log(folder, GENESIS, 2, is_signed) == []


def test_two_bad_copies_before_valid_votes_are_corruption_that_names_the_file(folder: Path) -> None:
    log = reopen(folder)
    for height in range(1, 4):
        log.append([record(height)])
    log.sync()
    log.close()
    path = segment_path(folder, 0)
    data = bytearray(path.read_bytes())
    for copy in (2, 3):
        data[copy * BLOCK_BYTES + 30] ^= 1
    path.write_bytes(data)
    with pytest.raises(CorruptVoteLog, match=path.name):
        reopen(folder)
    assert examine_vote_log(folder, GENESIS, 2, is_signed)[0][0] == path
