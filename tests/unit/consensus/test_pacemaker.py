"""Time and help (consensus.md 2.1.5): timeouts, joining, fast path, what is repeated, who yields."""

import pytest

from hansa.consensus.config import HEARTBEAT_MS, HEIGHTS_AHEAD_MAX, LEADER_GONE_MS, LEADER_SILENT_MS
from hansa.consensus.inputs import Abdicate, PeerDown, PeerUp, StopVoting, Synced, SyncState, TimerId, WorkPending
from hansa.consensus.messages import (
    BlockRequest,
    Certificate,
    NewView,
    PrePrepare,
    Status,
    ViewChange,
    VoteQuery,
    Votes,
)
from hansa.consensus.pbft.leading import LEAD_REFUSALS_MAX
from hansa.consensus.pbft.pacemaker import compute_view_timeout_ms, get_gone
from hansa.consensus.pbft.tally import COMMIT_VIEWS_BACK
from hansa.consensus.values import SealedHead, Vote, VoteType
from hansa.sim.ledger import GENESIS_HASH, compute_digest, compute_order_hash, execute
from hansa.sim.mutants.plays import GENESIS, give_up, lead_first, share
from hansa.sim.mutants.stage import GENESIS_QC, Actor, Stage

PREPARE, COMMIT = VoteType.PREPARE, VoteType.COMMIT


def status(view: int, sealed: int = 0, stalled: bool = False) -> Status:
    return Status(0, view, 0, 0, 0, sealed, sealed, stalled)


def test_timeouts_are_bounded_on_both_sides() -> None:
    state = Stage().actors[0].state
    assert compute_view_timeout_ms(state) == 1_000  # before anything was measured
    for latency, timeout in ((1, 500), (200, 800), (5_000, 4_000)):
        state.latency_p99_ms = latency
        assert compute_view_timeout_ms(state) == timeout


def test_one_block_that_waited_out_a_fault_is_soon_forgotten() -> None:
    stage = Stage(traitors=(1,))
    one = lead_first(stage)
    state = stage.actors[2].state
    stage.now_ms += 60_000
    share(stage, PREPARE, one, (0, 1, 2), (0, 2))
    share(stage, COMMIT, one, (0, 1, 2), (2,))
    assert state.latency_p99_ms == 1_000
    assert compute_view_timeout_ms(state) == 4_000


def test_failed_views_make_the_next_one_longer_up_to_the_cap() -> None:
    state = Stage().actors[0].state
    timeouts = []
    for state.failures in range(8):
        timeouts.append(compute_view_timeout_ms(state))
    assert timeouts == [1_000, 1_500, 2_250, 3_375, 5_062, 7_593, 8_000, 8_000]
    state.failures = 10**9
    assert compute_view_timeout_ms(state) == 8_000


def test_a_commit_resets_failures_and_the_clock() -> None:
    stage = Stage(traitors=(1,))
    one = lead_first(stage)
    actor = stage.actors[2]
    actor.state.failures = 5
    share(stage, PREPARE, one, (0, 1, 2), (0, 2))
    share(stage, COMMIT, one, (0, 1, 2), (2,))
    assert actor.state.failures == 0
    assert actor.state.view_due_ms is None  # nothing is left to do


def test_a_flood_of_votes_and_views_leaves_bounded_tables() -> None:
    """Votes for any view and height, twice as many as may be kept: what one validator says takes a bounded part."""
    stage = Stage(traitors=(3,))
    actor = stage.actors[2]
    for number in range(40_000):
        kind = (PREPARE, COMMIT, VoteType.SEAL)[number % 3]
        vote = Vote(kind, 0, number % 23, 1 + number * 7 % 5_000, compute_digest(b"%d" % number))
        stage.tell(3, (2,), Votes((stage.sign(3, vote),)))
        if number % 100 == 0:
            stage.tell(3, (2,), stage.view_change(3, number + 1, GENESIS_QC))
        stage.drop()
    state = actor.state
    by_position = (*state.prepare_votes.values(), *state.commit_votes.values(), *state.seal_votes.values())
    assert sum(map(len, by_position)) <= (2 + COMMIT_VIEWS_BACK + 2 + 1) * HEIGHTS_AHEAD_MAX
    assert len(state.commit_masks) + len(state.prepare_masks) <= (2 + COMMIT_VIEWS_BACK + 2) * HEIGHTS_AHEAD_MAX
    assert len(state.view_changes) == 1 and len(state.seen) <= len(VoteType)
    assert not state.entries and not state.fetches and not state.early


def test_one_claim_moves_nobody() -> None:
    stage = Stage(traitors=(3,))
    stage.tell(3, (1, 2), stage.view_change(3, 900, GENESIS_QC))
    assert not stage.actors[1].voted(VoteType.VIEW_CHANGE)
    assert not stage.actors[2].voted(VoteType.VIEW_CHANGE)


def test_t_plus_one_claims_are_joined_at_the_lowest_of_them() -> None:
    stage = Stage(traitors=(2, 3))
    stage.tell(3, (1,), stage.view_change(3, 900, GENESIS_QC))
    stage.tell(2, (1,), stage.view_change(2, 2, GENESIS_QC))
    assert [vote.view for vote in stage.actors[1].voted(VoteType.VIEW_CHANGE)] == [2]


def test_a_leader_that_gives_up_is_followed_at_once() -> None:
    stage = Stage()
    stage.actors[0].feed(Abdicate())
    stage.settle()
    assert {actor.state.view for actor in stage.actors.values()} == {1}


def test_a_closed_leader_link_and_three_missed_heartbeats_are_enough() -> None:
    stage = Stage()
    actor = stage.actors[2]
    actor.feed(WorkPending(True))
    assert actor.timers[TimerId.VIEW] == stage.now_ms + 1_000
    actor.hear(0, status(0))
    actor.feed(PeerDown(0))
    assert actor.timers[TimerId.VIEW] == stage.now_ms + 600


def test_a_closed_link_to_somebody_else_changes_nothing() -> None:
    stage = Stage()
    actor = stage.actors[2]
    actor.feed(WorkPending(True))
    actor.feed(PeerDown(3))
    assert actor.timers[TimerId.VIEW] == stage.now_ms + 1_000


def test_a_stalled_replica_repeats_its_votes_and_calls() -> None:
    stage = Stage(traitors=(1,))
    lead_first(stage)
    stage.drop()
    actor = stage.actors[2]
    for _ in range(3):
        actor.fire(TimerId.TICK)
    sent = [message for sender, receiver, message in stage.wire if sender == 2 and receiver == 0]
    assert any(isinstance(m, Status) and m.stalled for m in sent)
    assert any(isinstance(m, Votes) and m.votes[0].vote.type is PREPARE for m in sent)


def test_a_stalled_leader_repeats_its_proposals() -> None:
    stage = Stage(traitors=(1,))
    one = lead_first(stage)
    stage.drop()
    for _ in range(9):
        stage.actors[0].fire(TimerId.TICK)
    assert any(isinstance(m, PrePrepare) and m.block == one for _, _, m in stage.wire)


def test_a_lost_seal_is_called_for_although_ordering_runs_on() -> None:
    stage = Stage(traitors=(1,))
    one = lead_first(stage)
    share(stage, PREPARE, one, (0, 1, 2), (0, 2))
    share(stage, COMMIT, one, (0, 1, 2), (0, 2))
    actor = stage.actors[2]
    stage.drop()
    for step in range(4):
        actor.state.entries[b"%032d" % step] = next(iter(actor.state.entries.values()))  # something else moves
        actor.fire(TimerId.TICK)
    seals = [s for _, _, m in stage.wire if isinstance(m, Votes) for s in m.votes if s.vote.type is VoteType.SEAL]
    assert seals


def test_those_who_fell_behind_are_helped_once_in_a_while() -> None:
    stage = Stage(traitors=(1,))
    one = lead_first(stage)
    share(stage, PREPARE, one, (0, 1, 2), (2,))
    give_up(stage, (2, 3))
    changes = tuple(stage.view_change(i, 1, stage.qc_of(2)) for i in (1, 2, 3))
    stage.actors[2].hear(1, NewView(stage.tc(1, changes, stage.qc_of(2))))
    stage.drop()
    stage.now_ms += 1_000
    for _ in range(5):
        stage.actors[2].hear(0, status(0, stalled=True))
    kinds = [type(message) for sender, receiver, message in stage.wire if receiver == 0]
    assert kinds.count(NewView) == 1 and kinds.count(Certificate) == 1 and kinds.count(Votes) == 1


def test_a_higher_view_is_asked_about() -> None:
    stage = Stage()
    stage.actors[2].hear(1, status(7))
    assert [(r, m.view) for _, r, m in stage.wire if isinstance(m, Status)] == [(1, 0)]


def test_an_idle_leader_beats_and_the_chain_stays_quiet() -> None:
    stage = Stage()
    for _ in range(10):
        stage.actors[0].fire(TimerId.TICK)
    assert stage.wire and all(isinstance(m, Status) and not m.stalled for _, _, m in stage.wire)


def test_a_leader_yields_to_a_lonely_view_change_after_a_while() -> None:
    stage = Stage()
    leader = stage.actors[0]
    leader.hear(3, stage.view_change(3, 1, GENESIS_QC))
    leader.fire(TimerId.TICK)
    assert not leader.voted(VoteType.VIEW_CHANGE)
    stage.now_ms += 10_000
    leader.fire(TimerId.TICK)
    assert [vote.view for vote in leader.voted(VoteType.VIEW_CHANGE)] == [1]
    stage.settle()
    assert leader.state.lonely_counts == {3: 1}  # the next one waits twice as long


def test_a_view_change_is_repeated_until_the_view_comes() -> None:
    stage = Stage()
    actor = stage.actors[2]
    actor.feed(WorkPending(True))
    give_up(stage, (2,))
    stage.drop()
    for _ in range(3):
        actor.fire(TimerId.TICK)
    assert any(isinstance(m, ViewChange) for _, _, m in stage.wire)


def test_a_syncing_replica_does_not_vote_and_runs_no_timer() -> None:
    stage = Stage(traitors=(0,))
    actor = stage.actors[2]
    actor.feed(SyncState(behind=True, importing=False))
    actor.feed(WorkPending(True))
    stage.tell(0, (2,), stage.proposal(stage.block(0, GENESIS, 0, salt=1), 1))
    assert not actor.votes and TimerId.VIEW not in actor.timers
    actor.feed(SyncState(behind=False, importing=False))
    assert [vote.type for vote in actor.votes] == [PREPARE]


def test_synced_blocks_move_the_head_and_free_the_past() -> None:
    stage = Stage(traitors=(1,))
    one = lead_first(stage)
    actor = stage.actors[2]
    head = SealedHead(1, execute(GENESIS_HASH, compute_order_hash(one)), compute_order_hash(one), one)
    actor.feed(Synced((head,)))
    assert actor.state.root == head
    assert not actor.state.entries and not actor.state.own_votes and not actor.state.candidates


def test_a_synced_block_that_contradicts_a_commit_stops_the_node() -> None:
    stage = Stage(traitors=(1,))
    one = lead_first(stage)
    share(stage, PREPARE, one, (0, 1, 2), (0, 2))
    share(stage, COMMIT, one, (0, 1, 2), (2,))
    other = stage.block(0, GENESIS, 0, salt=9)
    stage.actors[2].feed(Synced((SealedHead(1, b"\1" * 32, compute_order_hash(other), other),)))
    assert stage.actors[2].halted == "CONSENSUS-10"


def test_a_certified_result_that_differs_from_ours_stops_the_node() -> None:
    stage = Stage()
    stage.actors[2].feed(Synced((), "BLOCK-RESULT: another stateRoot"))
    assert stage.actors[2].halted == "CONSENSUS-11"


def test_after_stop_voting_nothing_is_signed() -> None:
    stage = Stage(traitors=(0,))
    actor = stage.actors[2]
    actor.feed(StopVoting("the disk is full"))
    stage.tell(0, (2,), stage.proposal(stage.block(0, GENESIS, 0, salt=1), 1))
    assert not actor.votes


def test_a_new_peer_is_told_where_we_stand_and_asked_what_it_saw() -> None:
    stage = Stage(verify_own_votes=True)
    stage.drop()
    stage.actors[2].feed(PeerUp(1))
    assert [type(message) for _, receiver, message in stage.wire if receiver == 1] == [Status, VoteQuery]


def test_pacing_holds_a_leader_back_unless_a_block_is_full() -> None:
    stage = Stage(block_interval_ms=400)
    leader = stage.actors[0]
    leader.feed(WorkPending(True))
    leader.propose()
    assert leader.asked is None and leader.timers[TimerId.PROPOSE] == stage.now_ms + 400
    leader.feed(WorkPending(True, full=True))
    assert leader.asked is not None
    leader.propose()
    stage.settle()
    assert leader.asked is None, "that there was work for a full block was said before this one"


def test_a_leader_waits_longer_the_more_comes() -> None:
    """In milliseconds after the first block and after the second, which holds what came meanwhile."""
    for tx_count, pauses_ms in ((255, (400, 400)), (256, (800, 800)), (4_000, (800, 800)), (8_000, (800, 1_600))):
        stage = Stage(block_interval_ms=400)
        leader = stage.actors[0]
        leader.feed(WorkPending(True))
        for pause_ms in pauses_ms:
            leader.propose(tx_count)
            stage.settle()
            leader.feed(WorkPending(True))
            due_ms = stage.now_ms + pause_ms
            assert leader.timers[TimerId.PROPOSE] == due_ms, tx_count
            leader.fire(TimerId.PROPOSE)
            assert stage.now_ms == due_ms and leader.asked is not None


def test_a_leader_of_whom_nothing_was_heard_gets_less_time() -> None:
    """No link closed, as when a machine lost power: the others notice by what it does not say."""
    stage = Stage()
    actor = stage.actors[2]
    stage.now_ms += LEADER_GONE_MS
    actor.feed(WorkPending(True))
    assert actor.timers[TimerId.VIEW] == stage.now_ms + 600


def test_a_leader_that_was_heard_lately_has_its_full_time() -> None:
    stage = Stage()
    actor = stage.actors[2]
    stage.now_ms += LEADER_GONE_MS
    actor.hear(0, status(0))
    actor.feed(WorkPending(True))
    assert actor.timers[TimerId.VIEW] == stage.now_ms + 1_000


def enter(stage: Stage, actor: Actor, view: int) -> None:
    """A quorum, but for the actor, gave up what lies below a view."""
    others = [i for i in range(stage.size) if i != actor.index][: stage.validators.quorum]
    messages = tuple(stage.view_change(i, view, GENESIS_QC) for i in others)
    actor.hear(others[0], NewView(stage.tc(view, messages, GENESIS_QC)))
    assert actor.state.view == view


@pytest.mark.parametrize(("is_closed", "after_ms"), [(True, LEADER_SILENT_MS), (False, LEADER_GONE_MS)])
def test_the_view_of_a_leader_that_is_gone_is_left_as_it_begins(is_closed: bool, after_ms: int) -> None:
    stage = Stage()
    actor = stage.actors[3]
    if is_closed:
        actor.feed(PeerDown(1))
    stage.now_ms += after_ms
    actor.hear(0, status(0))
    actor.feed(WorkPending(True))
    enter(stage, actor, 1)
    assert get_gone(actor.state) == ((1,) if is_closed else (1, 2))
    assert actor.timers[TimerId.VIEW] == stage.now_ms
    actor.fire(TimerId.VIEW)
    assert [vote.view for vote in actor.voted(VoteType.VIEW_CHANGE)] == [2]
    assert actor.state.failures == 0


def test_a_leader_that_is_back_has_its_full_time() -> None:
    stage = Stage()
    actor = stage.actors[3]
    actor.feed(PeerDown(1))
    stage.now_ms += LEADER_GONE_MS
    actor.hear(0, status(0))
    assert 1 in get_gone(actor.state)
    actor.feed(PeerUp(1))
    assert 1 not in get_gone(actor.state)
    actor.feed(WorkPending(True))
    enter(stage, actor, 1)
    assert actor.timers[TimerId.VIEW] == stage.now_ms + 1_000


def test_a_leader_whose_link_closed_as_its_view_began_may_come_back() -> None:
    stage = Stage()
    actor = stage.actors[3]
    actor.feed(WorkPending(True))
    actor.hear(1, status(0))
    actor.feed(PeerDown(1))
    enter(stage, actor, 1)
    assert actor.timers[TimerId.VIEW] == stage.now_ms + LEADER_SILENT_MS


def test_no_more_leaders_in_a_row_are_passed_over_than_may_be_faulty() -> None:
    """Everybody may miss somebody: views must not pass as fast as messages do. A commit begins the count anew."""
    stage = Stage(size=7)
    actor = stage.actors[6]
    for peer in (1, 2, 3):
        actor.feed(PeerDown(peer))
    stage.now_ms += LEADER_GONE_MS
    for peer in (0, 4, 5):
        actor.hear(peer, status(0))
    actor.feed(WorkPending(True))
    waits = []
    for view in (1, 2, 3):
        enter(stage, actor, view)
        waits.append(actor.timers[TimerId.VIEW] - stage.now_ms)
        actor.fire(TimerId.VIEW)
    assert waits == [0, 0, HEARTBEAT_MS]
    assert (actor.state.passed_over, actor.state.failures) == (2, 1)


def test_a_leader_whose_own_bodies_are_refused_hands_over_without_a_timeout() -> None:
    stage = Stage()
    leader = stage.actors[0]
    leader.body_reason = "the store is broken"
    leader.feed(WorkPending(True))
    for _ in range(LEAD_REFUSALS_MAX):
        assert not leader.voted(VoteType.VIEW_CHANGE)
        stage.wall_ms += 1
        leader.propose()
        if TimerId.PROPOSE in leader.timers:
            leader.fire(TimerId.PROPOSE)
    assert leader.voted(VoteType.VIEW_CHANGE)[-1].view == 1
    stage.settle()
    assert {actor.state.view for actor in stage.actors.values()} == {1}
    assert not any(actor.state.failures for actor in stage.actors.values())


def test_a_leader_that_lost_the_body_of_its_own_proposal_hands_over_without_a_timeout() -> None:
    stage = Stage()
    lead_first(stage)
    stage.drop()
    leader = stage.actors[0]
    leader.bodies.clear()  # the vote reached the platter, the body did not
    leader.start()
    assert not leader.voted(VoteType.VIEW_CHANGE)  # nothing is to be done
    leader.feed(WorkPending(True))
    assert [vote.view for vote in leader.voted(VoteType.VIEW_CHANGE)] == [1]


def test_who_asks_for_a_sealed_block_learns_that_it_is_sealed() -> None:
    stage = Stage()
    one = lead_first(stage)
    stage.settle()
    stage.actors[2].hear(3, BlockRequest(compute_order_hash(one)))
    answers = [message for sender, receiver, message in stage.wire if (sender, receiver) == (2, 3)]
    assert [answer.sealed_height for answer in answers if isinstance(answer, Status)] == [1]


def test_a_lone_view_change_is_yielded_to_ever_more_rarely_whoever_leads() -> None:
    """A liar that always asks for the next view: seven short view changes in ten minutes, however leaders change."""
    stage = Stage(traitors=(3,))
    end_ms = stage.now_ms + 600_000
    while stage.now_ms < end_ms:
        stage.now_ms += 500
        view = max(actor.state.view for actor in stage.actors.values())
        stage.tell(3, (0, 1, 2), stage.view_change(3, view + 1, GENESIS_QC))
        for actor in stage.actors.values():
            actor.timers[TimerId.TICK] = stage.now_ms
            actor.fire(TimerId.TICK)
        stage.settle(lambda sender, receiver, message: receiver != 3)
        stage.drop()
    forced = max(actor.state.view for actor in stage.actors.values())
    assert forced <= 2 * 7  # its own views are left as soon as it asks for the next one
