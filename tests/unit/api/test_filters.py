"""Filters remember where they were, expire, and are bounded."""

import msgspec
import pytest

from hansa.api.errors import FilterNotFound, LimitExceeded
from hansa.api.filters import FilterKind, FilterStore, changes_criteria, encode_criteria
from hansa.api.options import CRITERIA_BYTES_MAX, FILTER_IDLE_SECONDS_MAX, FILTERS_MAX


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_filters_expire_after_five_idle_minutes() -> None:
    clock = Clock()
    store = FilterStore(clock)
    used, idle = (store.install(FilterKind.BLOCKS, 0) for _ in range(2))
    clock.now = FILTER_IDLE_SECONDS_MAX
    store.get(used)
    clock.now += 1
    assert store.get(used).cursor == 0
    with pytest.raises(FilterNotFound):
        store.get(idle)


def test_filters_are_bounded_and_expired_ones_make_room() -> None:
    clock = Clock()
    store = FilterStore(clock)
    for _ in range(FILTERS_MAX):
        store.install(FilterKind.BLOCKS, 0)
    with pytest.raises(LimitExceeded):
        store.install(FilterKind.BLOCKS, 0)
    clock.now = FILTER_IDLE_SECONDS_MAX + 1
    store.install(FilterKind.BLOCKS, 0)
    assert len(store) == 1


def test_uninstalling_twice_says_so() -> None:
    store = FilterStore(Clock())
    name = store.install(FilterKind.PENDING, 0)
    assert store.uninstall(name)
    assert not store.uninstall(name)


def criteria_of(cursor: int, head: int, **criteria: str) -> tuple[str, str] | None:
    store = FilterStore(Clock())
    one = store.get(store.install(FilterKind.LOGS, cursor, dict(criteria)))
    text = changes_criteria(one, head)
    assert one.cursor == head
    if text is None:
        return None
    found = msgspec.json.decode(text)
    return found["fromBlock"], found["toBlock"]


def test_changes_cover_the_blocks_since_the_last_look() -> None:
    assert criteria_of(5, 9) == ("0x6", "0x9")
    assert criteria_of(5, 5) is None
    assert criteria_of(5, 9, fromBlock="0x8") == ("0x8", "0x9")
    assert criteria_of(5, 9, fromBlock="latest", toBlock="latest") == ("0x6", "0x9")
    assert criteria_of(5, 9, toBlock="0x7") == ("0x6", "0x7")
    assert criteria_of(5, 9, toBlock="0x3") is None


def test_blocks_taken_back_count_as_new_when_they_come_again() -> None:
    assert criteria_of(9, 4) is None


def test_a_filter_that_is_kept_is_bounded() -> None:
    assert encode_criteria({"address": "0x00"}) == b'{"address":"0x00"}'
    with pytest.raises(LimitExceeded):
        encode_criteria({"address": "0x" + "0" * CRITERIA_BYTES_MAX})
