"""Sets by stable index: who has no vote counts for nothing."""

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
    assert ValidatorSet.of_epoch(facts).voters == (0, 1, 3, 4)
