"""S1-S6 of consensus.md 2.1.4, one test or more for each rule, on a stage with honest machines and one traitor."""

from hansa.consensus.inputs import TimerId, WorkPending
from hansa.consensus.messages import Certificate, NewView, Votes
from hansa.consensus.pbft import Rules
from hansa.consensus.values import VoteType
from hansa.sim.build import make_plain_signer
from hansa.sim.ledger import GENESIS_HEAD, compute_order_hash
from hansa.sim.mutants.plays import GENESIS, begin_view_1, give_up, lead_first, lead_next, play_two_bases, share
from hansa.sim.mutants.stage import GENESIS_QC, Stage

PREPARE, COMMIT = VoteType.PREPARE, VoteType.COMMIT


def test_s1_one_prepare_for_each_view_and_height() -> None:
    stage = Stage(traitors=(0,))
    one, other = stage.block(0, GENESIS, 0, salt=1), stage.block(0, GENESIS, 0, salt=2)
    stage.tell(0, (2,), stage.proposal(one, 1))
    stage.tell(0, (2,), stage.proposal(other, 2))
    assert [vote.hash for vote in stage.actors[2].voted(PREPARE)] == [compute_order_hash(one)]


def test_s1_prepares_rise_in_height() -> None:
    stage = Stage(traitors=(1,))
    lead_first(stage)
    lead_next(stage)
    assert [vote.height for vote in stage.actors[3].voted(PREPARE)] == [1, 2]


def test_s1_a_commit_below_one_already_sent_is_skipped() -> None:
    stage = Stage(traitors=(1,))
    one = lead_first(stage)
    two = lead_next(stage)
    share(stage, PREPARE, two, (0, 1, 2), (3,))
    share(stage, PREPARE, one, (0, 1, 2), (3,))
    assert [vote.height for vote in stage.actors[3].voted(COMMIT)] == [2]


def test_s2_one_base_for_each_view() -> None:
    stage = play_two_bases(Rules(), make_plain_signer, True)
    voted = [vote for vote in stage.actors[2].voted(PREPARE) if vote.view == 1]
    assert len(voted) == 1 and voted[0].height == 2


def test_s2_the_base_survives_a_restart() -> None:
    stage = play_two_bases(Rules(), make_plain_signer, True)
    actor = stage.actors[2]
    fixed = actor.state.base
    actor.start()
    assert actor.state.view == 1
    assert actor.state.base == fixed


def test_s3_no_commit_after_view_change() -> None:
    stage = Stage(traitors=(1,))
    one = lead_first(stage)
    give_up(stage, (2,))
    share(stage, PREPARE, one, (0, 1, 3), (2,))
    assert stage.actors[2].state.high_qc.height == 1  # it knows
    assert not stage.actors[2].voted(COMMIT)  # and keeps still


def test_s3_no_prepare_after_view_change() -> None:
    stage = Stage(traitors=(1,))
    stage.actors[2].feed(WorkPending(True))
    give_up(stage, (2,))
    lead_first(stage)
    assert not stage.actors[2].voted(PREPARE)


def test_s3_holds_over_a_restart() -> None:
    stage = Stage(traitors=(1,))
    one = lead_first(stage)
    give_up(stage, (2,))
    stage.actors[2].start()
    share(stage, PREPARE, one, (0, 1, 3), (2,))
    assert not stage.actors[2].voted(COMMIT)


def test_s4_a_tc_that_hides_the_highest_qc_is_refused() -> None:
    stage = Stage(traitors=(1,))
    one = lead_first(stage)
    share(stage, PREPARE, one, (0, 1, 2), (2,))
    give_up(stage, (2, 3))
    begin_view_1(stage, GENESIS, GENESIS_QC)
    assert stage.actors[3].state.view == 0


def test_s4_the_new_view_extends_the_highest_qc() -> None:
    stage = Stage(traitors=(1,))
    one = lead_first(stage)
    share(stage, PREPARE, one, (0, 1, 2), (2,))
    give_up(stage, (2, 3))
    begin_view_1(stage, one, stage.qc_of(2))
    assert stage.actors[3].voted(PREPARE)[-1].view == 1
    assert stage.actors[3].state.base.hash == compute_order_hash(one)


def test_s4_order_is_by_view_then_height() -> None:
    stage = Stage()
    low = stage.block(0, GENESIS, 0)
    votes = [stage.view_change(i, 5, qc).vote for i, qc in enumerate((stage.qc(low, (0, 1, 2)), GENESIS_QC))]
    assert Rules().high_vote(votes).vote.height == 1


def test_s5_a_term_ends_without_timeout() -> None:
    stage = Stage(traitors=(3,), term=2)
    one = lead_first(stage)
    two = lead_next(stage)
    for block in (one, two):
        share(stage, PREPARE, block, (0, 1, 2, 3), (0, 1, 2))
    assert {actor.state.view for actor in stage.actors.values()} == {1}
    assert not any(actor.voted(VoteType.VIEW_CHANGE) for actor in stage.actors.values())


def test_s5_nothing_exists_beyond_the_term() -> None:
    stage = Stage(traitors=(0,), term=1)
    one = stage.block(0, GENESIS, 0, salt=1)
    two = stage.block(0, one, 0, salt=2)
    stage.tell(0, (1, 2, 3), stage.proposal(one, 1))
    stage.tell(0, (1, 2, 3), stage.proposal(two, 2))
    assert [vote.height for vote in stage.actors[2].voted(PREPARE)] == [1]


def test_s5_the_next_leader_begins_on_the_last_block_of_the_term() -> None:
    stage = Stage(traitors=(3,), term=1)
    one = lead_first(stage)
    share(stage, PREPARE, one, (0, 1, 2), (0, 1, 2))
    stage.actors[1].feed(WorkPending(True))
    assert stage.actors[1].asked is not None
    assert stage.actors[1].asked.parent_hash == compute_order_hash(one)


def test_s6_a_commit_commits_all_ancestors() -> None:
    stage = Stage(traitors=(1,))
    one = lead_first(stage)
    two = lead_next(stage)
    share(stage, PREPARE, two, (0, 1, 2, 3), (0, 2, 3))
    share(stage, COMMIT, two, (0, 1, 2), (3,))
    assert stage.actors[3].executed == {1: compute_order_hash(one), 2: compute_order_hash(two)}


def test_s6_missing_ancestors_are_fetched_first() -> None:
    stage = Stage(traitors=(1,))
    one = lead_first(stage)
    two = lead_next(stage)
    late = stage.actors[3]
    late.start(keeps_votes=False)  # a machine that never heard of these blocks
    late.state.entries.clear()
    late.state.children.clear()
    late.bodies.clear()
    stage.drop()
    share(stage, PREPARE, two, (0, 1, 2), (0, 2))
    share(stage, COMMIT, two, (0, 1, 2), (3,))
    assert late.executed == {}
    stage.settle(lambda sender, receiver, message: not isinstance(message, Votes))
    assert late.executed == {1: compute_order_hash(one), 2: compute_order_hash(two)}


def test_a_qc_without_a_quorum_proves_nothing() -> None:
    stage = Stage(traitors=(0,))
    one = stage.block(3, GENESIS, 0)
    stage.tell(0, (1, 2, 3), Certificate(stage.qc(one, (0, 1))))
    assert all(actor.state.view == 0 for actor in stage.actors.values())


def test_a_qc_that_counts_a_signer_twice_proves_nothing() -> None:
    stage = Stage(traitors=(0,))
    qc = stage.qc(stage.block(3, GENESIS, 0), (0, 0, 1))
    stage.tell(0, (1,), Certificate(qc))
    assert stage.actors[1].state.view == 0


def test_a_tc_without_a_quorum_proves_nothing() -> None:
    stage = Stage(traitors=(0,))
    tc = stage.tc(3, tuple(stage.view_change(i, 3, GENESIS_QC) for i in (0, 1)), GENESIS_QC)
    stage.tell(0, (1, 2, 3), NewView(tc))
    assert all(actor.state.view == 0 for actor in stage.actors.values())


def test_a_view_change_for_more_counts_for_less() -> None:
    """Replicas that gave up different views still form a TC, of the lowest view among a quorum."""
    stage = Stage(traitors=(0,))
    for sender, view in ((0, 4), (1, 6)):
        stage.actors[2].hear(sender, stage.view_change(sender, view, GENESIS_QC))
    assert stage.actors[2].voted(VoteType.VIEW_CHANGE)[-1].view == 4  # joined the (t+1)-th highest
    assert stage.actors[2].state.view == 4


def test_genesis_is_where_everything_begins() -> None:
    stage = Stage()
    assert all(actor.state.root == GENESIS_HEAD for actor in stage.actors.values())
    assert TimerId.VIEW not in stage.actors[1].timers
