"""Writes that were lost or went astray leave just such files as a disk would."""

from pathlib import Path
from random import Random

import pytest

from hansa.alliance.layout import NodeFolder
from hansa.chaos.disks.harm import COPY_BYTES, take_image
from hansa.chaos.disks.unsafe import find_frames, lose_unsynced, misdirect_votes, mix_blocks, move_write
from hansa.consensus.errors import CorruptVoteLog
from hansa.consensus.values import SignedVote, Vote, VoteRecord, VoteType
from hansa.consensus.vote_log import BirthRecord, first_frame, next_frame, recover_segment

FRAMES = 12


def make_segment() -> bytes:
    """A vote log with a birth record and a vote in each of its other frames, and room at the end."""
    data, previous = first_frame(BirthRecord(1, b"g" * 32, 0, 0, b""), ())
    for height in range(1, FRAMES):
        vote = Vote(VoteType.PREPARE, 0, 0, height, b"h" * 32)
        frame, previous = next_frame([VoteRecord(SignedVote(vote, 0, b"s" * 64), b"")], height, previous)
        data += frame
    return data + bytes(40 * COPY_BYTES)


def test_all_frames_are_found() -> None:
    frames = find_frames(make_segment())
    assert frames == [(2 * COPY_BYTES * number, 2 * COPY_BYTES) for number in range(FRAMES)]


def test_a_write_that_went_too_far_is_missed_unless_it_was_the_last_one() -> None:
    data, frames = make_segment(), find_frames(make_segment())
    end = sum(frames[-1])
    with pytest.raises(CorruptVoteLog):
        recover_segment(move_write(data, frames[5], frames[5][0] + 20 * COPY_BYTES, end))
    last = move_write(data, frames[-1], frames[-1][0] + 100 * COPY_BYTES, end)
    assert len(recover_segment(last).records) == FRAMES - 2


def test_what_was_written_later_overwrites_a_write_that_went_astray() -> None:
    data, frames = make_segment(), find_frames(make_segment())
    moved = move_write(data, frames[5], frames[6][0], sum(frames[-1]))
    assert moved[frames[6][0] :] == data[frames[6][0] :]
    assert not moved[frames[5][0] : frames[6][0]].strip(b"\0")


def test_each_block_is_the_old_one_or_the_new_one() -> None:
    older, later = b"o" * 20 * COPY_BYTES, b"n" * 40 * COPY_BYTES
    mixed = mix_blocks(older, later, Random(1))
    blocks = [set(mixed[at : at + COPY_BYTES]) for at in range(0, len(mixed), COPY_BYTES)]
    assert len(mixed) == len(later) and all(len(block) == 1 for block in blocks)
    assert {min(block) for block in blocks[:20]} == set(b"on") and {min(block) for block in blocks[20:]} == set(b"\0n")


def test_a_lying_disk_keeps_what_the_image_holds(tmp_path: Path) -> None:
    folder = NodeFolder(tmp_path)
    for name in ("votes", "blocks"):
        (folder.data / name).mkdir(parents=True)
        (folder.data / name / "0000000000000000.seg").write_bytes(b"o" * COPY_BYTES)
    (folder.data / "state").write_bytes(b"old")
    take_image(folder, tmp_path / "image")
    (folder.data / "state").write_bytes(b"new")
    (folder.votes / "0000000000000000.seg").write_bytes(b"o" * COPY_BYTES + b"n" * 20 * COPY_BYTES)
    lose_unsynced(folder, tmp_path / "image", Random(1))
    assert (folder.data / "state").read_bytes() == b"old"
    votes = (folder.votes / "0000000000000000.seg").read_bytes()
    assert votes[:COPY_BYTES] == b"o" * COPY_BYTES and set(votes[COPY_BYTES:]) == set(b"\0n")


def test_votes_are_misdirected_in_the_live_segment(tmp_path: Path) -> None:
    folder = NodeFolder(tmp_path)
    folder.votes.mkdir(parents=True)
    path = folder.votes / "0000000000000000.seg"
    path.write_bytes(make_segment())
    misdirect_votes(folder, Random(1))
    assert path.read_bytes() != make_segment() and len(path.read_bytes()) == len(make_segment())
