"""What is seen from outside: forks, gaps, and who is up to date."""

import time

from hansa.bench.client.http_connection import Endpoint
from hansa.chaos.client import Client
from hansa.chaos.watch import Watch


def make_watch(honest: tuple[int, ...] = (0, 1, 2)) -> Watch:
    return Watch([Client(Endpoint("127.0.0.1", 1)) for _ in range(3)], honest)


def test_two_blocks_at_one_height_are_a_fork() -> None:
    watch = make_watch()
    for place, block in ((0, "0xa"), (1, "0xa"), (2, "0xb")):
        watch.note(place, 7, block)
    assert watch.violation is not None and watch.violation.checker == "agreement"


def test_a_traitor_is_not_believed() -> None:
    watch = make_watch(honest=(0, 1))
    watch.note(0, 7, "0xa")
    watch.note(2, 7, "0xb")
    watch.note(2, 99, "0xc")
    assert watch.violation is None and watch.best == 7 and watch.sealed == {7: "0xa"}


def test_the_longest_gap_reaches_to_both_ends_and_leaves_out_what_nobody_saw() -> None:
    watch = make_watch()
    watch.finals = [(0.0, 0), (1.0, 1), (2.5, 2), (9.5, 3), (10.0, 4)]
    assert watch.longest_gap_s(0.5, 3.0) == 1.5
    assert watch.longest_gap_s(0.5, 12.0) == 7.0
    watch.stills.append((4.0, 6.0))
    assert watch.longest_gap_s(0.5, 12.0) == 2.0
    assert watch.was_still(5.0, 5.5) and not watch.was_still(6.5, 7.0)


def test_who_is_behind_is_no_gateway() -> None:
    watch = make_watch()
    now_s = time.monotonic()
    watch.finals = [(now_s - 3.0, 5), (now_s - 2.0, 6), (now_s - 0.1, 9)]
    watch.heights = [9, 6, 5]
    assert watch.places_at(now_s - 1.0) == [0, 1]
