"""From logs to memory: a restarted validator goes on where its marks are."""

from hansa.consensus.inputs import TimerId, WorkPending
from hansa.consensus.messages import PrePrepare, Votes
from hansa.consensus.values import VoteType
from hansa.sim.ledger import compute_order_hash
from hansa.sim.mutants.plays import give_up, lead_first, lead_next, share
from hansa.sim.mutants.stage import Stage

PREPARE, COMMIT = VoteType.PREPARE, VoteType.COMMIT


def test_marks_view_and_highest_qc_come_back() -> None:
    stage = Stage(traitors=(1,))
    one = lead_first(stage)
    share(stage, PREPARE, one, (0, 1, 2), (2,))
    give_up(stage, (2,))
    actor = stage.actors[2]
    before = (actor.state.view, actor.state.view_asked, actor.state.high_qc, actor.state.marks)
    actor.start()
    assert (actor.state.view, actor.state.view_asked, actor.state.high_qc, actor.state.marks) == before
    assert actor.state.own_view_change is not None


def test_the_same_bytes_are_sent_again() -> None:
    stage = Stage(traitors=(1,))
    lead_first(stage)
    actor = stage.actors[2]
    signed = actor.records[-1].signed
    actor.start()
    stage.drop()
    for _ in range(3):
        actor.fire(TimerId.TICK)
    assert any(isinstance(m, Votes) and signed in m.votes for _, _, m in stage.wire)
    assert len(actor.records) == 1  # nothing was signed anew


def test_own_votes_count_after_a_restart() -> None:
    stage = Stage(traitors=(1,))
    one = lead_first(stage)
    actor = stage.actors[2]
    actor.start()
    share(stage, PREPARE, one, (0, 1), (2,))
    assert actor.voted(COMMIT)


def test_only_full_blocks_follow_two_that_are_in_flight() -> None:
    stage = Stage(traitors=(1,))
    lead_first(stage)
    lead_next(stage)
    leader = stage.actors[0]
    leader.feed(WorkPending(True))
    assert leader.asked is None
    leader.feed(WorkPending(True, full=True))
    assert leader.asked is not None and leader.asked.height == 3


def test_a_leader_goes_on_in_its_view_where_its_log_ends() -> None:
    stage = Stage(traitors=(1,))
    lead_first(stage)
    two = lead_next(stage)
    leader = stage.actors[0]
    leader.start()
    leader.feed(WorkPending(True, full=True))
    assert leader.asked is not None
    assert (leader.asked.height, leader.asked.parent_hash) == (3, compute_order_hash(two))
    stage.drop()
    for _ in range(9):
        leader.fire(TimerId.TICK)
    assert {m.block.height for _, _, m in stage.wire if isinstance(m, PrePrepare)} == {1, 2}


def test_a_leader_that_lost_its_last_body_leads_no_more() -> None:
    stage = Stage(traitors=(1,))
    one = lead_first(stage)
    leader = stage.actors[0]
    del leader.bodies[compute_order_hash(one)]
    leader.start()
    leader.asked = None
    leader.feed(WorkPending(True))
    assert leader.asked is None


def test_all_restart_and_finish_what_was_prepared() -> None:
    """A blackout between PREPARE and COMMIT: nobody proposes anew, the block becomes final all the same."""
    stage = Stage()
    one = lead_first(stage)
    stage.drop()
    for actor in stage.actors.values():
        actor.start()
    for _ in range(12):
        for actor in stage.actors.values():
            actor.fire(TimerId.TICK)
        stage.settle()
    assert all(actor.sealed[-1].order_hash == compute_order_hash(one) for actor in stage.actors.values())
    assert not any(actor.voted(VoteType.VIEW_CHANGE) for actor in stage.actors.values())
