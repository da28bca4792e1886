"""Token buckets, the handshake limit, bans, the reconnect delay."""

from hypothesis import given
from hypothesis import strategies as st

from hansa.network.budgets import (
    ADDRESSES_MAX,
    BAN_MAX_US,
    BAN_MIN_US,
    HANDSHAKES_AT_ONCE_MAX,
    MICROSECONDS,
    STRANGER_AT_ONCE_MAX,
    STRANGERS_AT_ONCE_MAX,
    Bans,
    Crowd,
    HandshakeLimit,
    KnownHosts,
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


def test_no_stranger_takes_the_room_of_others_and_all_of_them_not_that_of_members() -> None:
    crowd, member = Crowd(), {"member"}
    one = ["stranger"] * STRANGER_AT_ONCE_MAX
    assert crowd.is_full(one, "stranger", member) and not crowd.is_full(one[1:], "stranger", member)
    assert not crowd.is_full(one, "another", member)
    many = [f"stranger {number}" for number in range(STRANGERS_AT_ONCE_MAX)]
    assert crowd.is_full(many, "another", member) and not crowd.is_full(many, "member", member)
    assert crowd.is_full(["member"] * HANDSHAKES_AT_ONCE_MAX, "member", member)


def test_a_peer_is_known_where_it_is_configured_where_its_name_leads_and_where_it_came_from_last() -> None:
    known = KnownHosts()
    known.change_peers({1: "bank.example", 2: "10.0.0.2"})
    known.on_resolved(1, {"10.0.0.1", "fd00::1"})
    known.on_came(2, "10.9.9.9")
    known.on_came(2, "10.8.8.8")
    known.on_came(3, "10.3.3.3")
    assert known.hosts == {"bank.example", "10.0.0.1", "fd00::1", "10.0.0.2", "10.8.8.8"}
    known.change_peers({2: "10.0.0.2"})
    assert known.hosts == {"10.0.0.2", "10.8.8.8"}


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
