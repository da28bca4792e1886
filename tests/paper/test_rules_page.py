"""Rules 1.1-1.14 of rules.md, one test or more for each."""

import msgspec

from hansa.consensus.effects import AskProposal, CheckBody, Execute, PruneVotes, Seal, SignVote
from hansa.consensus.inputs import Abdicate, PeerDown, Synced, TimerId, VoteDurable, WorkPending
from hansa.consensus.messages import (
    BlockRequest,
    BlockResponse,
    Certificate,
    EvidenceReport,
    PayloadRequest,
    PayloadResponse,
    PrePrepare,
    Votes,
)
from hansa.consensus.pbft.rules import window_end
from hansa.consensus.pbft.status import get_status
from hansa.consensus.validators import ValidatorSet
from hansa.consensus.values import SealedHead, Vote, VoteType, decode_context
from hansa.sim.ledger import GENESIS_HASH, compute_digest, compute_order_hash, execute
from hansa.sim.mutants.plays import GENESIS, give_up, lead_first, lead_next, say, share
from hansa.sim.mutants.stage import GENESIS_QC, WALL_MS, Actor, Stage, answers, votes_only
from hansa.types.order import OrderBlock

PREPARE, COMMIT, SEAL = VoteType.PREPARE, VoteType.COMMIT, VoteType.SEAL


def seal_of(block: object) -> Vote:
    """The SEAL of a block of height 1."""
    return Vote(SEAL, 0, 0, 1, execute(GENESIS_HASH, compute_order_hash(block)))  # type: ignore[arg-type]


def come_back_after_first() -> tuple[Stage, OrderBlock, Actor]:
    """The stage, its first block, which all sealed, and one of them that began anew with nothing but that."""
    stage = Stage()
    one = lead_first(stage)
    stage.settle()
    actor = stage.actors[3]
    actor.records.clear()
    actor.votes.clear()
    actor.start()
    return stage, one, actor


def test_1_1_seal_only_after_commit() -> None:
    stage = Stage(traitors=(1,))
    one = lead_first(stage)
    share(stage, PREPARE, one, (0, 1, 2), (2,))
    assert not stage.actors[2].voted(SEAL)
    share(stage, COMMIT, one, (0, 1, 3), (2,))
    assert not stage.actors[2].voted(SEAL)  # two COMMITs of others (0 has not cast its own) are no quorum
    share(stage, PREPARE, one, (0, 1, 2), (0,))
    share(stage, COMMIT, one, (0, 1), (2,))
    assert stage.actors[2].voted(SEAL) == [seal_of(one)]


def test_1_1_a_quorum_of_seals_makes_the_certificate() -> None:
    stage = Stage()
    lead_first(stage)
    stage.settle()
    for actor in stage.actors.values():
        assert actor.state.root.height == 1
        assert len(actor.certificates[1].signatures) >= 3
        assert actor.certificates[1].view == 0  # certificates are free of views


def test_1_1_seals_of_another_result_stop_the_node() -> None:
    stage = Stage(traitors=(1, 2, 3))
    one = lead_first(stage)
    share(stage, PREPARE, one, (1, 2, 3), (0,))
    share(stage, COMMIT, one, (1, 2, 3), (0,))
    for signer in (1, 2, 3):
        say(stage, stage.sign(signer, Vote(SEAL, 0, 0, 1, b"\1" * 32)), (0,))
    assert stage.actors[0].halted == "CONSENSUS-11"


def test_1_2_the_body_is_checked_before_prepare() -> None:
    stage = Stage(traitors=(0,))
    actor = stage.actors[2]
    actor.missing = stage.refs(1)
    one = stage.block(0, GENESIS, 0, salt=1)
    stage.tell(0, (2,), stage.proposal(one, 1))
    assert not actor.voted(PREPARE)
    actor.missing = b""
    actor.hear(0, PayloadResponse(compute_order_hash(one), b"the missing transaction"))
    kinds = [type(e) for e in actor.effects if isinstance(e, CheckBody | SignVote)]
    assert kinds == [CheckBody, CheckBody, SignVote]


def test_1_2_missing_payload_is_asked_from_the_proposer_then_from_others() -> None:
    stage = Stage(traitors=(0,))
    actor = stage.actors[2]
    actor.missing = stage.refs(1)
    one = stage.block(0, GENESIS, 0, salt=1)
    stage.tell(0, (2,), stage.proposal(one, 1))
    for _ in range(3):
        actor.fire(TimerId.FETCH)
    asked = [receiver for sender, receiver, message in stage.wire if isinstance(message, PayloadRequest)]
    assert asked == [0, 3, 1, 0]


def test_1_2_a_prepare_whose_body_was_lost_is_not_sent_again() -> None:
    stage = Stage(traitors=(1,))
    one = lead_first(stage)
    actor = stage.actors[2]
    actor.bodies.clear()  # the votes reached the platter, the bodies did not
    actor.start()
    stage.drop()
    stage.now_ms += 10_000
    for _ in range(3):
        actor.fire(TimerId.TICK)
    repeated = [s for _, _, m in stage.wire if isinstance(m, Votes) for s in m.votes if s.vote.type is PREPARE]
    assert not repeated
    other = stage.block(0, GENESIS, 0, salt=5)
    stage.tell(0, (2,), stage.proposal(other, 5))
    assert [vote.hash for vote in actor.voted(PREPARE)] == [compute_order_hash(one)]  # but it still binds


def test_1_3_a_replica_that_returns_mid_view_votes_again_at_once() -> None:
    stage = Stage(traitors=(1,))
    actor = stage.actors[3]
    one = lead_first(stage)
    two = lead_next(stage)
    actor.records.clear()
    actor.bodies.clear()
    actor.votes.clear()
    actor.start()
    stage.drop()
    refs = {compute_order_hash(b): stage.actors[0].state.entries[compute_order_hash(b)].refs for b in (one, two)}
    three = stage.block(0, two, 0, salt=33)
    actor.hear(0, Certificate(stage.qc(two, (0, 1, 2))))
    actor.hear(0, stage.proposal(three, 33))
    assert not actor.voted(PREPARE)  # its ancestors are fetched first
    for block in (two, one):
        actor.hear(0, BlockResponse(block, refs[compute_order_hash(block)]))
    assert [vote.height for vote in actor.voted(PREPARE)] == [3]  # allowed by QC(v, 2); 1 and 2 need no vote of ours


def test_1_3_the_qc_of_the_sealed_head_permits_its_child() -> None:
    """Whoever has only the sealed block was away; else its vote would be missing until the view ends."""
    stage, one, actor = come_back_after_first()
    two = stage.block(0, one, 0, salt=22)
    actor.hear(0, stage.proposal(two, 22))
    assert actor.state.root.height == 1 and not actor.voted(PREPARE)
    actor.hear(0, Certificate(stage.qc(one, (0, 1, 2))))
    assert [vote.height for vote in actor.voted(PREPARE)] == [2]


def test_1_3_a_qc_of_that_height_permits_no_other_child() -> None:
    stage, one, actor = come_back_after_first()
    actor.hear(0, Certificate(stage.qc(stage.block(0, GENESIS, 0, salt=9), (0, 1, 2))))  # more lie than may
    actor.hear(0, stage.proposal(stage.block(0, one, 0, salt=22), 22))
    assert not actor.voted(PREPARE) and not actor.state.fetches


def test_1_3_no_vote_on_a_parent_that_is_neither_base_nor_own_nor_certified() -> None:
    stage = Stage(traitors=(0,))
    one, other = stage.block(0, GENESIS, 0, salt=1), stage.block(0, GENESIS, 0, salt=2)
    stage.tell(0, (2,), stage.proposal(one, 1))
    actor = stage.actors[2]
    child = stage.block(0, other, 0, salt=3)
    stage.tell(0, (2,), stage.proposal(child, 3))
    actor.hear(0, BlockResponse(other, stage.refs(2)))
    assert [vote.height for vote in actor.voted(PREPARE)] == [1]


def test_1_4_the_first_prepare_carries_base_and_proof() -> None:
    stage = Stage(traitors=(1,))
    one = lead_first(stage)
    share(stage, PREPARE, one, (0, 1, 2), (2,))
    give_up(stage, (2, 3))
    changes = tuple(stage.view_change(i, 1, stage.qc_of(2)) for i in (1, 2, 3))
    tc = stage.tc(1, changes, stage.qc_of(2))
    block = stage.block(1, one, 1, salt=4)
    stage.tell(1, (3,), stage.proposal(block, 4, tc))
    record = stage.actors[3].records[-1]
    context = decode_context(record.context)
    assert record.signed.vote.type is PREPARE
    assert (context.base_height, context.base_hash, context.proof) == (1, compute_order_hash(one), tc)


def test_1_4_a_tc_alone_fixes_no_base() -> None:
    stage = Stage(traitors=(0,))
    for sender in (0, 1):
        stage.actors[2].hear(sender, stage.view_change(sender, 1, GENESIS_QC))
    assert stage.actors[2].state.view == 1
    assert stage.actors[2].state.base is None


def test_1_5_commits_count_for_ancestors_of_the_same_view() -> None:
    stage = Stage(traitors=(1,))
    one = lead_first(stage)
    two = lead_next(stage)
    share(stage, PREPARE, one, (0, 1, 2), (0,))  # 0 COMMITs height 1
    share(stage, PREPARE, two, (0, 1, 2), (2,))  # 2 COMMITs height 2 only
    share(stage, COMMIT, one, (0, 1), (3,))
    share(stage, COMMIT, two, (2,), (3,))
    assert stage.actors[3].executed == {1: compute_order_hash(one)}


def test_1_5_commits_never_count_across_views() -> None:
    stage = Stage(traitors=(1,))
    one = lead_first(stage)
    share(stage, PREPARE, one, (0, 1, 2), (0, 2))
    give_up(stage, (2, 3))
    tc = stage.tc(1, tuple(stage.view_change(i, 1, stage.qc_of(2)) for i in (1, 2, 3)), stage.qc_of(2))
    child = stage.block(1, one, 1, salt=4)
    stage.tell(1, (2, 3), stage.proposal(child, 4, tc))
    share(stage, PREPARE, child, (1, 2, 3), (2,))
    share(stage, COMMIT, one, (0,), (3,))  # view 0
    share(stage, COMMIT, child, (1, 2), (3,))  # view 1: with the other one these would be three for `one`
    assert stage.actors[3].executed == {}


def test_1_6_order_hashes_commit_to_the_full_references() -> None:
    stage = Stage(traitors=(0,))
    one = stage.block(0, GENESIS, 0, salt=1)
    stage.tell(0, (2,), PrePrepare(one, stage.refs(2), stage.vote(0, VoteType.PROPOSE, one)))
    assert not stage.actors[2].state.entries


def test_1_7_t_counts_weight_whatever_q_is() -> None:
    strict = ValidatorSet([1] * 7, quorum=7)
    assert (strict.tolerated, strict.quorum) == (2, 7)
    assert strict.has_honest(0b111) and not strict.has_honest(0b11)
    heavy = ValidatorSet([5, 1, 1, 1, 1, 1])
    assert (heavy.total, heavy.tolerated, heavy.quorum) == (10, 3, 7)
    assert heavy.has_honest(0b1) and heavy.is_quorum(0b111) and not heavy.is_quorum(0b111110)


def test_1_8_no_timer_without_executable_work() -> None:
    stage = Stage()
    assert TimerId.VIEW not in stage.actors[2].timers
    stage.actors[2].feed(WorkPending(True))
    assert TimerId.VIEW in stage.actors[2].timers
    stage.actors[2].feed(WorkPending(False))
    assert TimerId.VIEW not in stage.actors[2].timers


def test_1_8_no_timer_while_the_window_is_closed() -> None:
    """Slow execution is overload, not a failed leader."""
    stage = Stage(traitors=(1,), window=1)
    one = lead_first(stage)
    actor = stage.actors[2]
    actor.feed(WorkPending(True))
    share(stage, PREPARE, one, (0, 1, 2), (0, 2))
    share(stage, COMMIT, one, (0, 1, 2), (2,))
    assert (actor.state.committed_height, actor.state.root.height) == (1, 0)  # committed; nobody SEALs
    assert TimerId.VIEW not in actor.timers


def test_1_8_a_leader_that_is_silent_for_t_has_failed() -> None:
    stage = Stage()
    stage.actors[2].feed(WorkPending(True))
    assert stage.actors[2].timers[TimerId.VIEW] == stage.now_ms + 1_000
    give_up(stage, (2,))


def test_1_9_the_leader_is_a_function_of_view_and_set() -> None:
    assert [ValidatorSet([1] * 4).leader(view) for view in range(6)] == [0, 1, 2, 3, 0, 1]
    assert [ValidatorSet([1, 0, 1, 1]).leader(view) for view in range(4)] == [0, 2, 3, 0]


def test_1_9_a_view_whose_leader_was_gone_before_is_left_at_once() -> None:
    stage = Stage()
    three = [stage.actors[i] for i in (0, 2, 3)]
    for actor in three:
        actor.feed(PeerDown(1))
        actor.feed(WorkPending(True))
    stage.drop()
    stage.now_ms += 5_000
    for actor in three:
        for other in three:
            if other is not actor:
                actor.hear(other.index, get_status(other.state))
    began_ms = stage.now_ms
    stage.actors[0].feed(Abdicate())
    stage.settle(lambda sender, receiver, message: 1 not in (sender, receiver))
    assert {actor.state.view for actor in three} == {1}
    for actor in three[1:]:
        actor.fire(TimerId.VIEW)
    stage.settle(lambda sender, receiver, message: 1 not in (sender, receiver))
    assert {actor.state.view for actor in three} == {2} and stage.now_ms == began_ms
    assert all(actor.state.failures == 0 for actor in three)


def test_1_10_a_leader_whose_base_is_not_sealed_proposes_at_once_empty_if_need_be() -> None:
    stage = Stage(traitors=(3,))
    one = lead_first(stage)
    share(stage, PREPARE, one, (0, 1, 2), (1, 2))
    stage.actors[2].fire(TimerId.VIEW)
    stage.actors[1].fire(TimerId.VIEW)
    stage.drop()
    for sender in (2, 3):
        stage.actors[1].hear(sender, stage.view_change(sender, 1, stage.qc_of(2)))
    asked = stage.actors[1].asked
    assert isinstance(asked, AskProposal) and asked.parent_hash == compute_order_hash(one)
    stage.actors[1].propose_nothing()
    assert stage.actors[1].state.own_proposals[2].block.tx_count == 0


def test_1_10_no_other_empty_block() -> None:
    stage = Stage()
    leader = stage.actors[0]
    assert leader.asked is None
    leader.feed(WorkPending(True))
    leader.propose_nothing()
    assert not leader.state.own_proposals


def test_1_10_an_empty_block_where_none_is_due_is_not_voted_for() -> None:
    stage = Stage(traitors=(0,))
    empty = stage.block(0, GENESIS, 0, payload_hash=compute_digest(b""), tx_count=0, gas=0)
    stage.tell(0, (2,), PrePrepare(empty, b"", stage.vote(0, VoteType.PROPOSE, empty)))
    assert not stage.actors[2].voted(PREPARE)


def test_1_11_the_sealed_block_a_proposal_names_must_be_ours() -> None:
    stage = Stage(traitors=(0,))
    wrong = stage.block(0, GENESIS, 0, salt=1, sealed_hash=b"\7" * 32)
    stage.tell(0, (2,), stage.proposal(wrong, 1))
    assert not stage.actors[2].voted(PREPARE)


def test_1_11_a_proposal_may_not_open_the_window_itself() -> None:
    stage = Stage(traitors=(0,), window=1)
    one = stage.block(0, GENESIS, 0, salt=1)
    two = stage.block(0, one, 0, salt=2, sealed_height=1, sealed_hash=b"\7" * 32)
    stage.tell(0, (2,), stage.proposal(one, 1))
    stage.tell(0, (2,), stage.proposal(two, 2))
    assert [vote.height for vote in stage.actors[2].voted(PREPARE)] == [1]  # waits until block 1 is sealed here


def test_1_12_time_never_goes_back() -> None:
    stage = Stage(traitors=(0,))
    one = stage.block(0, GENESIS, 0, salt=1)
    two = stage.block(0, one, 0, salt=2, time_ms=WALL_MS - 1)
    stage.tell(0, (2,), stage.proposal(one, 1))
    stage.tell(0, (2,), stage.proposal(two, 2))
    assert [vote.height for vote in stage.actors[2].voted(PREPARE)] == [1]


def test_1_12_a_block_of_the_future_waits() -> None:
    stage = Stage(traitors=(0,))
    actor = stage.actors[2]
    stage.tell(0, (2,), stage.proposal(stage.block(0, GENESIS, 0, salt=1, time_ms=WALL_MS + 1_400), 1))
    assert not actor.voted(PREPARE)
    stage.wall_ms += 400
    actor.fire(TimerId.RECHECK)
    assert actor.voted(PREPARE)


def test_1_12_a_child_may_repeat_the_time_of_a_parent_from_the_future() -> None:
    """A quorum judged the parent; clocks that were ahead then must not stop the chain until now."""
    stage = Stage(traitors=(0,))
    actor = stage.actors[2]
    one = stage.block(0, GENESIS, 0, salt=1)
    stage.tell(0, (2,), stage.proposal(one, 1))
    stage.wall_ms -= 600_000
    two = stage.block(0, one, 0, salt=2, time_ms=one.time_ms)
    three = stage.block(0, two, 0, salt=3, time_ms=one.time_ms + 1)
    stage.tell(0, (2,), stage.proposal(two, 2))
    stage.tell(0, (2,), stage.proposal(three, 3))
    assert [vote.height for vote in actor.voted(PREPARE)] == [1, 2]


def test_1_13_votes_leave_only_when_they_are_durable() -> None:
    stage = Stage(traitors=(0,))
    actor = stage.actors[2]
    actor.durable = False
    stage.tell(0, (2,), stage.proposal(stage.block(0, GENESIS, 0, salt=1), 1))
    assert actor.voted(PREPARE)
    assert not [m for _, _, m in stage.wire if isinstance(m, Votes)]
    assert not actor.state.prepare_votes  # nor does it count here
    actor.feed(VoteDurable(actor.records[-1].signed))
    assert [m for _, _, m in stage.wire if isinstance(m, Votes)]


def test_1_13_a_vote_beyond_our_log_is_quarantine() -> None:
    stage = Stage(traitors=(1,), verify_own_votes=True)
    stage.wire.clear()
    for actor in stage.actors.values():
        actor.start()
    stage.settle()
    lead_first(stage)
    stage.settle(votes_only(PREPARE))
    lost = stage.actors[2]
    lost.start(keeps_votes=False)
    stage.settle(answers)
    assert lost.state.quarantine is not None


def test_1_13_nobody_votes_before_a_quorum_answered() -> None:
    stage = Stage(traitors=(0,), verify_own_votes=True)
    stage.drop()
    one = stage.block(0, GENESIS, 0, salt=1)
    stage.tell(0, (2,), stage.proposal(one, 1))
    assert not stage.actors[2].voted(PREPARE)
    stage.actors[2].start()
    stage.settle()  # 1 and 3 answer: with its own that is a quorum
    stage.tell(0, (2,), stage.proposal(one, 1))
    assert stage.actors[2].voted(PREPARE)


def test_2_1_6_the_window_never_closes_on_an_inherited_base() -> None:
    config = Stage(window=8).config(0)
    assert window_end(100, 100, config) == 108
    assert window_end(100, 108, config) == 109  # a full window of prepared blocks was inherited


def test_a_leader_that_says_two_things_is_accused_and_left() -> None:
    stage = Stage(traitors=(0,))
    actor = stage.actors[2]
    for salt in (1, 2):
        stage.tell(0, (2,), stage.proposal(stage.block(0, GENESIS, 0, salt=salt), salt))
    assert [effect.proof.first.signer for effect in actor.evidence] == [0]
    assert actor.voted(VoteType.VIEW_CHANGE)
    assert any(isinstance(message, EvidenceReport) for _, _, message in stage.wire)


def test_blocks_are_served_to_those_who_lack_them() -> None:
    stage = Stage(traitors=(1,))
    one = lead_first(stage)
    stage.drop()
    stage.actors[2].hear(3, BlockRequest(compute_order_hash(one)))
    assert stage.wire == [(2, 3, BlockResponse(one, stage.actors[2].state.entries[compute_order_hash(one)].refs))]


def test_1_14_votes_that_would_bring_back_results_of_a_window_stay() -> None:
    actor = Stage(window=8).actors[2]
    actor.state.config = msgspec.structs.replace(actor.state.config, prune_every_heights=4)
    before = actor.sealed[0]
    for height in range(1, 17):
        block = actor.stage.block(0, before.block, 0)
        order_hash = compute_order_hash(block)
        before = SealedHead(height, execute(before.sealed_hash, order_hash), order_hash, block)
        actor.feed(Synced((before,)))
    pruned = [effect.below_height for effect in actor.effects if isinstance(effect, PruneVotes)]
    assert pruned == [4, 8]


def test_effects_keep_their_order_from_commit_to_seal() -> None:
    stage = Stage()
    lead_first(stage)
    stage.settle()
    actor = stage.actors[2]
    order = [e for e in actor.effects if isinstance(e, CheckBody | SignVote | Execute | Seal)]
    names = [e.vote.type.name if isinstance(e, SignVote) else type(e).__name__ for e in order]
    assert names == ["CheckBody", "PREPARE", "COMMIT", "Execute", "SEAL", "Seal"]
