"""Token buckets, the handshake limit, bans, the reconnect delay."""

from hypothesis import given
from hypothesis import strategies as st

from hansa.network.budgets import (
    ADDRESSES_MAX,
    BAN_MAX_US,
    BAN_MIN_US,
    MICROSECONDS,
    Bans,
    HandshakeLimit,
    TokenBucket,
    compute_reconnect_delay_us,
)


@given(st.lists(st.integers(0, 3 * MICROSECONDS), max_size=60))
def test_a_bucket_never_gives_more_than_burst_and_rate_allow(gaps: list[int]) -> None:
    bucket, now, given_out = TokenBucket(rate=5, burst=3, now_us=0), 0, 0
    for gap in gaps:
        now += gap
        given_out += bucket.take(now)
    assert given_out <= 3 + 5 * now / MICROSECONDS + 1e-6


def test_an_address_that_knocks_too_often_is_told_to_wait_and_others_are_not() -> None:
    limit = HandshakeLimit(rate=1, burst=2)
    assert [limit.is_allowed("a", 0) for _ in range(3)] == [True, True, False]
    assert limit.is_allowed("b", 0)
    assert limit.is_allowed("a", MICROSECONDS)


def test_each_ban_is_longer_than_the_one_before_to_a_limit() -> None:
    bans, now_us = Bans(), 7
    assert bans.left_us(1, now_us) == 0
    lengths = [bans.add(1, now_us) for _ in range(8)]
    assert lengths[:3] == [BAN_MIN_US, 2 * BAN_MIN_US, 4 * BAN_MIN_US] and lengths[-1] == BAN_MAX_US
    assert bans.left_us(1, now_us + BAN_MAX_US - 1) == 1 and bans.left_us(1, now_us + BAN_MAX_US) == 0
    assert bans.left_us(2, now_us) == 0


def test_only_so_many_addresses_are_remembered() -> None:
    limit = HandshakeLimit(rate=0, burst=1)
    for number in range(ADDRESSES_MAX + 1):
        assert limit.is_allowed(str(number), 0)
    assert limit.is_allowed("0", 0)  # forgotten, so it counts as new
    assert not limit.is_allowed(str(ADDRESSES_MAX), 0)


@given(st.integers(0, 1000), st.floats(0, 1, exclude_max=True))
def test_reconnect_delays_grow_from_a_tenth_of_a_second_to_ten(attempt: int, drawn: float) -> None:
    delay = compute_reconnect_delay_us(attempt, drawn)
    assert 50_000 <= delay <= 10 * MICROSECONDS
    if attempt >= 7:
        assert delay >= 5 * MICROSECONDS
