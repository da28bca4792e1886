"""Outgoing queues: order, bounds, and what a full one does."""

from hypothesis import given
from hypothesis import strategies as st

from hansa.network.lanes import LANE_POLICIES, Lane, LanePolicy, LaneQueue, Overflow


def queue(limit: int, overflow: Overflow) -> LaneQueue:
    return LaneQueue(LanePolicy(limit, overflow, keep_while_down=False))


@given(st.lists(st.binary(max_size=40), max_size=40), st.integers(1, 100))
def test_what_is_taken_is_what_was_pushed_in_order(frames: list[bytes], portion: int) -> None:
    waiting = queue(10_000, Overflow.DROP_OLDEST)
    for frame in frames:
        assert waiting.push(frame)
    taken: list[bytes] = []
    while portion_taken := waiting.take(portion):
        assert len(portion_taken) == 1 or sum(map(len, portion_taken)) <= portion
        taken += portion_taken
    assert taken == frames
    assert waiting.bytes_waiting == 0


def test_a_full_queue_drops_its_oldest_frames_and_counts_them() -> None:
    waiting = queue(10, Overflow.DROP_OLDEST)
    for frame in (b"aaaa", b"bbbb", b"cccc"):
        assert waiting.push(frame)
    assert (waiting.take(100), waiting.dropped) == ([b"bbbb", b"cccc"], 1)


def test_a_full_queue_may_drop_the_newest_instead() -> None:
    waiting = queue(10, Overflow.DROP_NEWEST)
    for frame in (b"aaaa", b"bbbb", b"cccc"):
        assert waiting.push(frame)
    assert (waiting.take(100), waiting.dropped) == ([b"aaaa", b"bbbb"], 1)


def test_a_full_vote_lane_drops_nothing_and_asks_for_a_restart() -> None:
    assert LANE_POLICIES[Lane.VOTES].overflow is Overflow.RESTART
    waiting = queue(10, Overflow.RESTART)
    assert waiting.push(b"aaaa")
    assert not waiting.push(b"bbbbbbb")
    assert (waiting.take(100), waiting.dropped) == ([b"aaaa"], 0)


@given(st.lists(st.binary(max_size=30), max_size=60), st.sampled_from(list(Overflow)))
def test_a_queue_never_holds_more_than_its_limit_beyond_one_frame(frames: list[bytes], overflow: Overflow) -> None:
    waiting = queue(50, overflow)
    for frame in frames:
        waiting.push(frame)
        assert waiting.bytes_waiting <= 50
