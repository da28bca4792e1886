"""Catching up: when it begins, from whom, in which order, and what a bad peer costs."""

from typing import TypeVar

from hansa.sync import Sync, SyncConfig
from hansa.sync.values import (
    HeadMoved,
    HeightSeen,
    Import,
    ImportDone,
    PeerLost,
    RangeReceived,
    RequestRange,
    SetSyncTimer,
    SnapshotFailed,
    SyncEffect,
    SyncInput,
    SyncStateChanged,
    SyncTimer,
    WantSnapshot,
)

Kind = TypeVar("Kind")


class Bench:
    """A sync machine with a clock."""

    def __init__(self, **settings: int) -> None:
        self.now_ms = 0

        def are_two(mask: int) -> bool:
            return mask.bit_count() > 1

        self.sync = Sync(SyncConfig(are_two, are_two, **settings))  # type: ignore[arg-type]

    def feed(self, event: SyncInput) -> list[SyncEffect]:
        return self.sync.step(event, self.now_ms)


def only(kind: type[Kind], effects: list[SyncEffect]) -> list[Kind]:
    return [effect for effect in effects if isinstance(effect, kind)]


def blocks(request: RequestRange) -> tuple[bytes, ...]:
    return tuple(b"block %d" % height for height in range(request.first, request.first + request.count))


def far_behind() -> tuple[Bench, list[RequestRange]]:
    bench = Bench()
    effects = bench.feed(HeightSeen(1, 100)) + bench.feed(HeightSeen(2, 100))
    return bench, only(RequestRange, effects)


def test_a_small_lag_is_left_to_consensus_for_a_while() -> None:
    bench = Bench()
    effects = bench.feed(HeightSeen(1, 3)) + bench.feed(HeightSeen(2, 3))
    assert not only(RequestRange, effects) and not only(SyncStateChanged, effects)
    (timer,) = only(SetSyncTimer, effects)
    bench.now_ms = timer.at_ms
    (request,) = only(RequestRange, bench.feed(SyncTimer()))
    assert (request.first, request.count) == (1, 3)


def test_one_claim_starts_fetching_but_does_not_stop_votes() -> None:
    bench = Bench()
    bench.feed(HeightSeen(1, 4_000))
    bench.now_ms = 1_000
    effects = bench.feed(SyncTimer())
    assert only(RequestRange, effects)
    assert not bench.sync.behind


def test_far_behind_asks_several_peers_at_once_and_stops_votes() -> None:
    bench, requests = far_behind()
    assert bench.sync.behind
    assert [(r.first, r.count) for r in requests] == [(1, 32), (33, 32), (65, 32), (97, 4)]
    assert {r.peer for r in requests} == {1, 2}


def test_ranges_are_imported_in_order_whatever_order_they_come_in() -> None:
    bench, requests = far_behind()
    effects: list[SyncEffect] = []
    for request in reversed(requests):
        effects += bench.feed(RangeReceived(request.peer, request.request, request.first, blocks(request)))
    imports = only(Import, effects)
    assert [effect.blocks[0] for effect in imports] == [b"block 1"]
    assert SyncStateChanged(True, True) in effects
    for head in (32, 64, 96):
        found = only(Import, bench.feed(ImportDone(imports[-1].request, head, "")))
        assert found[0].blocks[0] == b"block %d" % (head + 1)
        imports += found
    effects = bench.feed(ImportDone(imports[-1].request, 100, ""))
    assert SyncStateChanged(False, False) in effects


def test_what_consensus_sealed_meanwhile_is_not_imported_again() -> None:
    bench, requests = far_behind()
    bench.feed(HeadMoved(10))
    (effect,) = only(Import, bench.feed(RangeReceived(requests[0].peer, requests[0].request, 1, blocks(requests[0]))))
    assert effect.blocks[0] == b"block 11"


def test_a_silent_peer_is_replaced() -> None:
    bench, requests = far_behind()
    bench.now_ms = 4_000  # 0.5 s and 0.1 s for each of 32 blocks
    bench.feed(HeightSeen(3, 100))
    again = only(RequestRange, bench.feed(SyncTimer()))
    assert {r.peer for r in again} == {3}
    assert {r.first for r in again} == {r.first for r in requests}


def test_a_small_range_is_asked_for_again_soon() -> None:
    bench, requests = far_behind()
    bench.now_ms = 1_000
    bench.feed(HeightSeen(3, 100))
    again = only(RequestRange, bench.feed(SyncTimer()))
    assert [(r.first, r.count) for r in again] == [(97, 4)]


def test_an_empty_answer_is_no_answer() -> None:
    bench, requests = far_behind()
    first = requests[0]
    effects = bench.feed(RangeReceived(first.peer, first.request, first.first, ()))
    assert [r.peer for r in only(RequestRange, effects)] == [3 - first.peer]


def test_a_short_answer_is_completed() -> None:
    bench, requests = far_behind()
    first = requests[0]
    effects = bench.feed(RangeReceived(first.peer, first.request, first.first, blocks(first)[:5]))
    assert (6, 27) in [(r.first, r.count) for r in only(RequestRange, effects)]


def test_answers_nobody_asked_for_are_dropped() -> None:
    bench, requests = far_behind()
    assert not bench.feed(RangeReceived(9, requests[0].request, 1, (b"block",)))
    assert not bench.feed(RangeReceived(requests[0].peer, 999, 1, (b"block",)))
    assert not bench.feed(ImportDone(5, 50, ""))
    assert bench.sync.head == 0


def test_too_long_an_answer_is_refused() -> None:
    bench, requests = far_behind()
    last = requests[-1]
    effects = bench.feed(RangeReceived(last.peer, last.request, last.first, (b"block",) * 50))
    assert only(RequestRange, effects)[0].peer != last.peer


def test_a_block_that_does_not_hold_costs_its_peer_a_while() -> None:
    bench, requests = far_behind()
    first = requests[0]
    (effect,) = only(Import, bench.feed(RangeReceived(first.peer, first.request, 1, blocks(first))))
    again = only(RequestRange, bench.feed(ImportDone(effect.request, 7, "BLOCK-3: a root differs")))
    assert again[0].first == 8
    assert {r.peer for r in again} == {3 - first.peer}


def test_a_lost_peer_is_forgotten() -> None:
    bench, requests = far_behind()
    bench.feed(HeightSeen(3, 100))
    lost = requests[0].peer
    again = only(RequestRange, bench.feed(PeerLost(lost)))
    assert {r.first for r in again} == {r.first for r in requests if r.peer == lost}
    assert lost not in {r.peer for r in again}


def test_voting_begins_again_only_when_nearly_level() -> None:
    bench, _ = far_behind()
    bench.feed(HeadMoved(90))
    assert bench.sync.behind
    bench.feed(HeadMoved(97))
    assert not bench.sync.behind


def test_requests_under_way_are_bounded() -> None:
    bench = Bench(ranges_max=2)
    effects = bench.feed(HeightSeen(1, 4_000)) + bench.feed(HeightSeen(2, 4_000))
    assert len(only(RequestRange, effects)) == 2


def test_very_far_behind_a_state_is_taken_over_first() -> None:
    bench = Bench()
    effects = bench.feed(HeightSeen(1, 10_000)) + bench.feed(HeightSeen(2, 10_000))
    assert only(WantSnapshot, effects) == [WantSnapshot(0)] and not only(RequestRange, effects)
    assert not only(WantSnapshot, bench.feed(HeightSeen(3, 10_001)))
    assert only(RequestRange, bench.feed(SnapshotFailed()))  # nobody serves one: ranges after all
    bench.now_ms += 60_000
    assert only(WantSnapshot, bench.feed(HeightSeen(1, 10_002)))


def test_one_claim_to_be_very_far_ahead_waits_for_another_before_blocks_rule_a_state_out() -> None:
    bench = Bench(keeps_all=True)
    bench.now_ms = 1_000_000
    effects = bench.feed(HeightSeen(1, 10_000))
    assert not only(RequestRange, effects)
    assert only(WantSnapshot, bench.feed(HeightSeen(2, 10_000))) == [WantSnapshot(0)]


def test_one_claim_that_stays_alone_is_followed_block_by_block() -> None:
    bench = Bench(keeps_all=True)
    bench.now_ms = 1_000_000
    due_ms = [timer.at_ms for timer in only(SetSyncTimer, bench.feed(HeightSeen(1, 10_000)))]
    requests: list[RequestRange] = []
    while not requests:
        bench.now_ms = due_ms[-1]
        effects = bench.feed(SyncTimer())
        due_ms += [timer.at_ms for timer in only(SetSyncTimer, effects)]
        requests = only(RequestRange, effects)
    assert requests[0].first == 1 and bench.now_ms == 1_005_000


def test_what_nobody_holds_any_more_is_skipped_by_a_state() -> None:
    bench, requests = far_behind()
    effects: list[SyncEffect] = []
    for request in requests:
        effects += bench.feed(RangeReceived(request.peer, request.request, request.first, (), oldest=50))
    assert only(WantSnapshot, effects) == [WantSnapshot(0)]


def test_who_keeps_all_gives_its_blocks_up_only_where_nobody_has_the_next() -> None:
    bench = Bench(keeps_all=True)
    bench.feed(HeadMoved(10))
    effects = bench.feed(HeightSeen(1, 10_000)) + bench.feed(HeightSeen(2, 10_000))
    assert not only(WantSnapshot, effects)
    requests = only(RequestRange, effects)
    assert requests[0].first == 11
    effects = []
    for request in requests:
        effects += bench.feed(RangeReceived(request.peer, request.request, request.first, (), oldest=5_000))
    assert only(WantSnapshot, effects) == [WantSnapshot(10)]
