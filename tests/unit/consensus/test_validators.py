"""Sets by stable index: who has no vote counts for nothing, and leaders that failed are passed over."""

import pytest

from hansa.consensus.schedule import SKIP_GAPS, choose_skipped
from hansa.consensus.validators import ValidatorSet, can_rejoin
from hansa.sim.ledger import make_first_epoch

MIXED = ValidatorSet([1, 0, 1, 1, 0, 1])


def test_nodes_without_a_vote_count_for_nothing() -> None:
    assert (MIXED.total, MIXED.tolerated, MIXED.quorum) == (4, 1, 3)
    assert MIXED.weight_of(0b011010) == 1 and not MIXED.is_quorum(0b010011) and MIXED.is_quorum(0b001101)
    assert not MIXED.has_honest(0b010011) and MIXED.has_honest(0b000101)
    assert [MIXED.has_vote(i) for i in range(8)] == [True, False, True, True, False, True, False, False]
    assert MIXED.all_vote(0b101101) and not MIXED.all_vote(0b000010) and not MIXED.all_vote(1 << 7)


def test_nodes_without_a_vote_neither_lead_nor_are_asked() -> None:
    assert [MIXED.leader(view) for view in range(5)] == [0, 2, 3, 5, 0]
    assert MIXED.others(2) == [3, 5, 0] and MIXED.others(4) == [5, 0, 2, 3]
    assert can_rejoin(MIXED, 0) and can_rejoin(MIXED, 1)


def test_weights_above_one_are_counted_as_such() -> None:
    heavy = ValidatorSet([4, 0, 1, 1, 1])
    assert (heavy.total, heavy.quorum) == (7, 5)
    assert heavy.is_quorum(0b00101) and not heavy.is_quorum(0b11100)


def test_a_set_follows_from_the_facts_of_its_epoch() -> None:
    facts = make_first_epoch((1, 1, 0, 1, 1), 0).facts
    assert ValidatorSet.of_epoch(facts).leaders == (0, 1, 3, 4)


@pytest.mark.parametrize(
    ("views", "skipped"),
    [
        ([0, 0, 0], ()),
        ([0, 2, 4, 6, 8, 10], (1,)),  # 1 misses three turns, 3 two
        ([0, 2, 3, 4, 6, 7, 8, 10, 11, 12], (1,)),
        ([0, 2, 3, 4, 6, 7, 8, 9], ()),  # 1 comes back
        ([0, 1, 14], (0, 1, 3)),
        ([13], (0, 1, 2, 3)),
    ],
)
def test_leaders_that_left_gaps_are_passed_over(views: list[int], skipped: tuple[int, ...]) -> None:
    four = ValidatorSet([1] * 4)
    found = choose_skipped(four, views, four)
    assert len(found) <= four.tolerated and set(found) <= set(skipped)
    assert bool(found) == bool(skipped)


def test_the_worst_leaders_are_passed_over_first_and_only_while_they_have_a_vote() -> None:
    seven = ValidatorSet([1] * 7)
    views = [view for view in range(7 * SKIP_GAPS + 1) if view % 7 not in (2, 5, 6) or (view, view % 7) == (6, 6)]
    assert choose_skipped(seven, views, seven) == (2, 5)
    assert choose_skipped(seven, views, ValidatorSet([1, 1, 0, 1, 1, 1, 1])) == (5,)
    assert choose_skipped(seven, views, ValidatorSet([1, 1, 0])) == ()
