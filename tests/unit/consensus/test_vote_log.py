"""The vote log's bytes: two copies of each frame, torn tails, rot, lost and foreign logs."""

from random import Random

import pytest

from hansa.consensus.errors import CorruptVoteLog, ForeignVoteLog, LostVoteLog
from hansa.consensus.values import (
    QuorumCertificate,
    SignedVote,
    Vote,
    VoteContext,
    VoteRecord,
    VoteType,
    decode_context,
    encode_context,
)
from hansa.consensus.vote_log import (
    BLOCK_BYTES,
    BirthRecord,
    check_birth,
    first_frame,
    next_frame,
    recover_segment,
    retained_records,
)

BIRTH = BirthRecord(1, b"\7" * 32, 2, 0, b"s" * 64)
TAIL = bytes(16 * BLOCK_BYTES)


def record(vote_type: VoteType, view: int, height: int, context: bytes = b"") -> VoteRecord:
    return VoteRecord(SignedVote(Vote(vote_type, 0, view, height, b"\1" * 32), 2, b"s" * 64), context)


PREPARES = [record(VoteType.PREPARE, 0, height) for height in range(1, 7)]


def segment(commits: list[list[VoteRecord]]) -> bytes:
    """A segment with one frame for each commit."""
    data, previous = first_frame(BIRTH, ())
    for sequence, records in enumerate(commits, 1):
        frame, previous = next_frame(records, sequence, previous)
        data += frame
    return data


def test_what_was_appended_comes_back() -> None:
    data = segment([PREPARES[:1], PREPARES[1:4], PREPARES[4:]])
    found = recover_segment(data + TAIL)
    assert (found.birth, list(found.records)) == (BIRTH, PREPARES)
    assert (found.sequence, found.end, found.torn, found.damage) == (4, len(data), False, ())


def test_appending_goes_on_where_recovery_ended() -> None:
    data = segment([PREPARES[:1]])
    found = recover_segment(data + TAIL)
    frame, _ = next_frame(PREPARES[1:2], found.sequence, found.previous)
    assert list(recover_segment(data + frame + TAIL).records) == PREPARES[:2]


def test_a_frame_larger_than_a_block_comes_back() -> None:
    big = [record(VoteType.COMMIT, 0, 1, b"c" * 3 * BLOCK_BYTES)]
    data = segment([big, PREPARES])
    assert list(recover_segment(data + TAIL).records) == big + PREPARES


def test_the_two_copies_stand_in_different_blocks() -> None:
    frame, _ = next_frame(PREPARES, 1, 0)
    half = len(frame) // 2
    assert half % BLOCK_BYTES == 0 and frame[:half] == frame[half:]


def test_a_torn_last_write_is_cut() -> None:
    whole = segment([PREPARES[:1]])
    torn, _ = next_frame(PREPARES[1:2], 2, recover_segment(whole).previous)
    for length in (1, 20, 100):
        found = recover_segment(whole + torn[:length] + bytes(len(torn) - length) + TAIL)
        assert list(found.records) == PREPARES[:1]
        assert found.torn and found.end == len(whole)


def test_a_last_write_torn_in_its_second_copy_counts() -> None:
    whole = segment([PREPARES[:1], PREPARES[1:2]])
    found = recover_segment(whole[:-BLOCK_BYTES] + bytes(BLOCK_BYTES) + TAIL)
    assert list(found.records) == PREPARES[:2]
    assert len(found.damage) == 1


def test_one_rotten_block_loses_nothing_and_is_named() -> None:
    data = segment([PREPARES[:2], PREPARES[2:4], PREPARES[4:]])
    for block in range(0, len(data), BLOCK_BYTES):
        rotten = data[:block] + b"\xff" * 16 + data[block + 16 :]
        found = recover_segment(rotten + TAIL)
        assert list(found.records) == PREPARES
        assert found.damage and str(block) in found.damage[0]


def test_a_rotten_last_record_is_not_mistaken_for_a_torn_one() -> None:
    data = segment([PREPARES[:2], PREPARES[2:4]])
    last = len(data) - 2 * BLOCK_BYTES
    found = recover_segment(data[:last] + b"\xff" * 64 + data[last + 64 :] + TAIL)
    assert list(found.records) == PREPARES[:4]


def test_both_copies_gone_before_a_valid_frame_is_corruption() -> None:
    data = segment([PREPARES[:2], PREPARES[2:4]])
    start = 2 * BLOCK_BYTES
    broken = data[:start] + bytes(2 * BLOCK_BYTES) + data[start + 2 * BLOCK_BYTES :]
    with pytest.raises(CorruptVoteLog, match=f"byte {start}") as error:
        recover_segment(broken)
    assert error.value.code == "VOTES-3" and error.value.hint


def test_a_frame_of_another_place_is_no_continuation() -> None:
    data = segment([PREPARES[:1]])
    stray, _ = next_frame(PREPARES[1:2], 2, 12345)  # names another predecessor
    with pytest.raises(CorruptVoteLog):
        recover_segment(data + stray + TAIL)


def test_every_single_changed_byte_is_found() -> None:
    data = segment([PREPARES[:3], PREPARES[3:]])
    rng = Random(1)
    for _ in range(300):
        at = rng.randrange(len(data))
        changed = data[:at] + bytes((data[at] ^ (1 << rng.randrange(8)),)) + data[at + 1 :]
        found = recover_segment(changed + TAIL)
        assert found.damage, f"byte {at}"
        assert list(found.records) == PREPARES


def test_a_changed_byte_in_the_padding_behind_the_end_is_found() -> None:
    data = segment([PREPARES])
    found = recover_segment(data + TAIL[:500] + b"\1" + TAIL)
    assert found.torn


def test_an_empty_log_is_lost() -> None:
    for data in (b"", TAIL):
        with pytest.raises(LostVoteLog) as error:
            recover_segment(data)
        assert error.value.code == "VOTES-1" and "backup" in error.value.hint


@pytest.mark.parametrize(
    ("birth", "is_signed"),
    [
        (BirthRecord(1, b"\6" * 32, 2, 0, b""), True),
        (BirthRecord(1, b"\7" * 32, 3, 0, b""), True),
        (BirthRecord(1, b"\7" * 32, 2, 0, b""), False),
    ],
)
def test_a_foreign_log_is_refused(birth: BirthRecord, is_signed: bool) -> None:
    with pytest.raises(ForeignVoteLog) as error:
        check_birth(birth, b"\7" * 32, 2, lambda _: is_signed)
    assert error.value.code == "VOTES-2" and error.value.hint


def test_the_own_log_is_accepted() -> None:
    check_birth(BIRTH, b"\7" * 32, 2, lambda _: True)


def test_pruning_keeps_recent_heights_and_every_mark() -> None:
    context = encode_context(VoteContext(5, b"\2" * 32))
    records = [
        record(VoteType.PREPARE, 3, 6, context),
        record(VoteType.VIEW_CHANGE, 2, 4),
        *[record(VoteType.PREPARE, 3, height) for height in range(7, 200)],
        *[record(VoteType.COMMIT, 3, height) for height in range(6, 190)],
        record(VoteType.VIEW_CHANGE, 3, 5),
        record(VoteType.SEAL, 0, 12),
    ]
    kept = retained_records(records, 128)
    positions = {(r.signed.vote.type, r.signed.vote.view, r.signed.vote.height) for r in kept}
    assert (VoteType.PREPARE, 3, 6) in positions  # holds the base of the view
    assert (VoteType.VIEW_CHANGE, 3, 5) in positions and (VoteType.VIEW_CHANGE, 2, 4) not in positions
    assert (VoteType.SEAL, 0, 12) in positions
    assert {h for t, _, h in positions if t is VoteType.PREPARE} == {6, *range(128, 200)}
    assert {h for t, _, h in positions if t is VoteType.COMMIT} == set(range(128, 190))
    assert kept == [r for r in records if r in kept]  # in their old order


def test_the_first_prepare_of_a_new_epoch_is_kept_though_its_view_is_lower() -> None:
    context = encode_context(VoteContext(5, b"\2" * 32))
    old = [record(VoteType.PREPARE, 7, height, context) for height in range(6, 20)]
    new = [
        VoteRecord(SignedVote(Vote(VoteType.PREPARE, 1, 0, height, b"\1" * 32), 2, b"s"), context)
        for height in range(20, 40)
    ]
    kept = retained_records([*old, *new], 30)
    assert kept == [new[0], *new[10:]]


def test_a_fresh_segment_hands_the_kept_records_over() -> None:
    data, _ = first_frame(BIRTH, PREPARES)
    assert list(recover_segment(data + TAIL).records) == PREPARES


def test_what_proved_earlier_views_is_not_handed_over() -> None:
    proof = QuorumCertificate(VoteType.PREPARE, 0, 1, 9, b"\1" * 32, tuple((i, b"s" * 64) for i in range(67)))
    context = encode_context(VoteContext(9, b"\2" * 32, proof))
    records = [record(VoteType.PREPARE, view, 10, context) for view in range(1, 400)]
    kept = retained_records(records, 5)
    assert [r.signed for r in kept] == [r.signed for r in records]
    assert {decode_context(r.context) for r in kept[:-1]} == {VoteContext(9, b"\2" * 32)}
    assert kept[-1] == records[-1]
    first_frame(BIRTH, kept)
