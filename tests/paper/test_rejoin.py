"""Rules 1.13: a validator that lost track of its votes signs nothing until all of them lie behind; also on idle
chains."""

import pytest

from hansa.consensus.config import REJOIN_HELP_MS, TICK_MS
from hansa.consensus.errors import InvalidMessage, RefusedVote
from hansa.consensus.inputs import Synced, TimerId, WorkPending
from hansa.consensus.messages import (
    REPORTED_VIEW_MAX,
    Certificate,
    Rejoin,
    RejoinReport,
    VoteReport,
    Votes,
    decode_message,
    encode_message,
)
from hansa.consensus.pbft import Rules
from hansa.consensus.signer import vote_position
from hansa.consensus.values import Vote, VoteRecord, VoteType
from hansa.sim.ledger import GENESIS_HASH, compute_order_hash, execute
from hansa.sim.mutants.broken import RejoinAtOnce
from hansa.sim.mutants.plays import GENESIS, lead_first, lead_next, share
from hansa.sim.mutants.stage import Actor, Stage, answers, votes_only
from hansa.types.order import OrderBlock
from tests.paper.test_epochs import make_following

PREPARE, COMMIT, REJOIN = VoteType.PREPARE, VoteType.COMMIT, VoteType.REJOIN


def lose_votes(actor: Actor) -> None:
    """The vote log is gone; the shell begins another one, in quarantine."""
    actor.records = [actor.stage.make_signer(actor.index).begin_quarantine()]
    actor.votes.clear()
    actor.start()


def pass_time(stage: Stage, ticks: int, absent: tuple[int, ...] = ()) -> None:
    """Everybody ticks, leaders propose what the pool holds, which is nothing; messages arrive."""
    for _ in range(ticks):
        stage.now_ms += TICK_MS
        for index, actor in stage.actors.items():
            if index not in absent:
                actor.timers[TimerId.TICK] = stage.now_ms
                actor.fire(TimerId.TICK)
        for _ in range(4):
            stage.settle(lambda sender, receiver, message: sender not in absent and receiver not in absent)
            for actor in stage.actors.values():
                if actor.asked is not None:
                    actor.propose_nothing()
        stage.drop()


def begin() -> Stage:
    stage = Stage()
    lead_first(stage)
    stage.settle()
    assert all(actor.state.root.height == 1 for actor in stage.actors.values())
    return stage


@pytest.mark.parametrize("lost", [0, 1, 2, 3])
def test_it_ends_by_itself_on_an_idle_chain(lost: int) -> None:
    stage = begin()
    actor = stage.actors[lost]
    lose_votes(actor)
    assert not actor.state.may_vote
    pass_time(stage, 6)
    assert actor.state.quarantine is None and actor.state.may_vote
    assert actor.sealed[-1].height == 2 and actor.sealed[-1].block.tx_count == 0  # one empty block, and no more
    assert actor.sealed[-1].block.view >= 2
    assert all(other.sealed[-1].height == 2 for other in stage.actors.values())
    assert not stage.has_fork() and not stage.has_equivocation()
    assert actor.records[-1].signed.vote.type in (REJOIN, COMMIT, VoteType.SEAL)


def test_nobody_waits_for_a_timeout() -> None:
    stage = begin()
    lose_votes(stage.actors[2])
    pass_time(stage, 6)
    assert not any(actor.state.failures for actor in stage.actors.values())


def test_nothing_is_signed_before_the_others_moved_on() -> None:
    stage = begin()
    actor = stage.actors[2]
    lose_votes(actor)
    one = stage.actors[0].sealed[1].block
    actor.hear(0, stage.proposal(stage.block(0, one, 0, salt=5), 5))
    stage.settle()
    assert not actor.votes
    with pytest.raises(RefusedVote):
        actor.signer.sign_vote(Vote(PREPARE, 0, 0, 2, b"\1" * 32))


def test_it_outlives_a_restart_in_between() -> None:
    stage = begin()
    actor = stage.actors[2]
    lose_votes(actor)
    actor.start()
    assert actor.state.quarantine is not None
    pass_time(stage, 6)
    assert actor.state.quarantine is None
    actor.start()
    assert actor.state.quarantine is None
    position = vote_position(next(r.signed.vote for r in actor.records if r.signed.vote.height))
    assert position >= (0, 2, 2)
    with pytest.raises(RefusedVote):
        actor.signer.sign_vote(Vote(PREPARE, 0, 1, 9, b"\1" * 32))


def test_what_others_saw_before_does_not_lead_into_it_again() -> None:
    stage = Stage(verify_own_votes=True)
    for actor in stage.actors.values():
        actor.start()
    stage.settle()
    lead_first(stage)
    stage.settle()
    actor = stage.actors[2]
    lose_votes(actor)
    pass_time(stage, 6)
    assert actor.state.quarantine is None
    leader = stage.actors[actor.state.leader]
    leader.feed(WorkPending(True))
    leader.propose()
    stage.settle()
    actor.records = [record for record in actor.records if record.signed.vote.type is REJOIN]  # nothing since
    actor.start()
    stage.settle(answers)
    assert actor.state.quarantine is not None  # it voted since, and the log does not say so
    lose_votes(actor)
    pass_time(stage, 6)
    before = len(actor.records)
    actor.start()
    stage.settle(answers)
    assert actor.state.quarantine is None and len(actor.records) == before


def test_an_own_seal_in_a_certificate_tells_that_the_log_is_old() -> None:
    stage = begin()
    actor = stage.actors[2]
    image = list(actor.records)
    lead_next(stage)
    stage.settle()
    head = stage.actors[0].sealed[2]
    actor.records, actor.sealed, actor.bodies = image, actor.sealed[:2], {}
    actor.start()
    actor.feed(Synced((head,), own_seal=2))
    assert actor.state.quarantine is not None and "certificate of block 2" in actor.state.quarantine.reason
    pass_time(stage, 6)
    assert actor.state.quarantine is None and not stage.has_fork()


def test_the_certificate_of_the_head_is_remembered_over_a_restart() -> None:
    stage = begin()
    for index in (0, 1, 3):
        actor = stage.actors[index]
        actor.records = []  # not even certificates beside own votes
        actor.head_certificate = stage.actors[0].certificates[1]
        actor.start()
    old = stage.actors[2]
    old.records = []
    stage.verify_own_votes = True
    old.start()
    stage.settle(answers)
    assert old.state.quarantine is not None


def test_a_quorum_without_it_must_have_answered() -> None:
    stage = begin()
    actor = stage.actors[3]
    lose_votes(actor)
    pass_time(stage, 8, absent=(1,))  # 0 and 2 are no quorum without 3
    assert actor.state.quarantine is not None
    pass_time(stage, 12)
    assert actor.state.quarantine is None


def test_answers_to_an_earlier_life_do_not_count() -> None:
    stage = begin()
    actor = stage.actors[3]
    lose_votes(actor)
    life = actor.state.quarantine.life
    for peer in (0, 1, 2):
        actor.hear(peer, RejoinReport(life - 1, 0))
    assert not actor.state.quarantine.reports


def test_another_quarantine_is_another_life_also_after_one_that_came_from_an_earlier_epoch() -> None:
    stage = begin()
    actor = stage.actors[3]
    lose_votes(actor)
    life = actor.state.quarantine_life = actor.state.quarantine.life
    pass_time(stage, 6)
    assert actor.state.quarantine is None and not actor.state.told_epochs
    stage.wall_ms += 1
    lead = stage.actors[actor.state.leader]
    unknown = Vote(PREPARE, 0, actor.state.view, 99, b"\1" * 32)
    actor.hear(lead.index, VoteReport((stage.sign(3, unknown),)))
    assert actor.state.quarantine.life != life


def test_who_is_in_quarantine_answers_nobody() -> None:
    stage = begin()
    lose_votes(stage.actors[3])
    stage.drop()
    stage.actors[3].hear(2, Rejoin(0, 7, 0))
    assert not [m for _, _, m in stage.wire if isinstance(m, RejoinReport)]


def test_single_liars_do_not_lift_the_view_that_is_waited_for() -> None:
    stage = Stage(size=7)
    actor = stage.actors[6]
    lose_votes(actor)
    life = actor.state.quarantine.life
    for peer, view in ((0, 10**9), (1, 3), (2, 4), (3, 4), (4, 5), (5, 4)):
        actor.hear(peer, RejoinReport(life, view))
    stage.drop()
    pass_time(stage, 1, absent=(0, 1, 2, 3, 4, 5))
    actor.timers[TimerId.TICK] = stage.now_ms = stage.now_ms + TICK_MS
    actor.fire(TimerId.TICK)
    assert {m.view for _, _, m in stage.wire if isinstance(m, Rejoin)} == {7}  # five of the six say 5 or less


def test_no_reported_view_makes_the_asker_say_what_cannot_be_decoded() -> None:
    """Else the sound ones would close its links, and it could not even follow."""
    with pytest.raises(InvalidMessage):
        decode_message(encode_message(RejoinReport(1, REPORTED_VIEW_MAX + 1)))
    stage = begin()
    actor = stage.actors[3]
    lose_votes(actor)
    for peer, view in ((0, 0), (1, 0), (2, REPORTED_VIEW_MAX)):
        actor.hear(peer, RejoinReport(actor.state.quarantine.life, view))
    stage.drop()
    stage.now_ms += TICK_MS
    actor.fire(TimerId.TICK)
    asked = [m for _, _, m in stage.wire if isinstance(m, Rejoin)]
    assert asked and all(decode_message(encode_message(m)) == m for m in asked)


def test_asking_for_ever_moves_views_for_a_while_only() -> None:
    stage = Stage(traitors=(3,))
    for step in range(200):
        stage.now_ms += TICK_MS
        view = max(actor.state.view for actor in stage.actors.values())
        stage.tell(3, (0, 1, 2), Rejoin(0, step, view + 3))
        pass_time(stage, 1)
    views = [actor.state.view for actor in stage.actors.values()]
    assert max(views) <= 4 * (200 * 2 * TICK_MS // REJOIN_HELP_MS)
    assert not stage.has_fork()


def test_an_outdated_log_leads_into_quarantine_and_out_again() -> None:
    stage = Stage(verify_own_votes=True)
    stage.settle()
    for actor in stage.actors.values():
        actor.start()
    stage.settle()
    old = stage.actors[2]
    image = list(old.records)
    lead_first(stage)
    stage.settle()
    old.records = list(image)
    old.start()
    stage.settle()
    assert old.state.quarantine is not None and "PREPARE" in old.state.quarantine.reason
    old.records = [r for r in old.records if r not in image]  # what it wrote since: the quarantine's beginning
    assert [r.signed.vote.type for r in old.records] == [REJOIN]
    pass_time(stage, 6)
    assert old.state.quarantine is None and old.halted is None
    assert not stage.has_fork()


@pytest.mark.parametrize("weights", [(1, 0), (1, 1, 0), (1, 1, 1, 1, 0)])
def test_who_has_no_vote_comes_out_before_it_is_given_one(weights: tuple[int, ...]) -> None:
    """As the second or third validator it could not be led out: then nothing goes on without its vote."""
    stage = Stage(size=len(weights), weights=weights)
    stage.actors[0].feed(WorkPending(True))
    stage.actors[0].propose()
    stage.settle()
    learner = stage.actors[len(weights) - 1]
    lose_votes(learner)
    assert learner.state.quarantine is not None
    pass_time(stage, 2)
    assert learner.state.quarantine is None
    assert [actor.state.view for actor in stage.actors.values()] == [0] * len(weights), "nobody hands a view over"
    assert all(len(actor.sealed) == 2 for actor in stage.actors.values()), "nor is a block made for it"
    (end,) = [record.signed.vote for record in learner.records if record.signed.vote.height]
    assert (end.type, end.epoch, end.height) == (REJOIN, 0, 1)
    learner.start()
    assert learner.state.quarantine is None


def test_a_quorum_must_have_said_since_that_it_knows_of_no_end() -> None:
    stage = Stage(size=5, weights=(1, 1, 1, 1, 0))
    lead_first(stage)
    stage.settle()
    learner = stage.actors[4]
    lose_votes(learner)
    life = learner.state.quarantine.life
    for peer, told in ((0, life), (1, life), (2, life - 1), (4, life)):
        learner.hear(peer, RejoinReport(told, 0))
    assert not learner.state.quarantine.is_over


def test_near_the_end_nobody_lets_out_who_has_no_vote() -> None:
    """It may be that it was further in an earlier life: beyond this end, with a vote."""
    stage = Stage(size=5, weights=(1, 1, 1, 1, 0), window=2, following=make_following(3, (1, 1, 1, 1, 1)))
    lead_first(stage)
    stage.settle()
    learner = stage.actors[4]
    assert all(actor.state.epoch_end == 3 for actor in stage.actors.values())
    lose_votes(learner)
    stage.now_ms += TICK_MS
    learner.timers[TimerId.TICK] = stage.now_ms
    learner.fire(TimerId.TICK)
    stage.settle(lambda sender, receiver, message: isinstance(message, Rejoin | RejoinReport))
    assert learner.state.quarantine is not None and not learner.state.quarantine.reports


def test_who_sealed_more_than_it_knows_lets_nobody_out() -> None:
    stage = Stage(size=5, weights=(1, 1, 1, 1, 0))
    lead_first(stage)
    stage.settle()
    stage.drop()
    one = stage.actors[0]
    one.sealed, one.certificates = one.sealed[:1], {}  # its ledger lost a block that it SEALed
    one.bodies.clear()
    one.start()
    stage.drop()
    one.hear(4, Rejoin(0, 7, 0))
    assert not [m for _, _, m in stage.wire if isinstance(m, RejoinReport)]
    stage.actors[1].hear(4, Rejoin(0, 7, 0))
    assert [m for _, _, m in stage.wire if isinstance(m, RejoinReport)]


def test_who_voted_in_a_later_epoch_lets_nobody_out() -> None:
    stage = Stage(size=5, weights=(1, 1, 1, 1, 0))
    one = stage.actors[0]
    one.records = [VoteRecord(stage.sign(0, Vote(PREPARE, 1, 0, 9, b"\1" * 32)), b"")]
    one.start()
    stage.drop()
    one.hear(4, Rejoin(0, 7, 0))
    assert not stage.wire


def test_who_asks_from_an_earlier_epoch_is_told_if_it_has_no_vote_in_this_one() -> None:
    stage = Stage(size=5, weights=(1, 1, 1, 1, 0))
    state = stage.actors[1].state
    state.config = state.config.for_epoch(make_following(0, (1, 1, 1, 1, 0)), b"\7" * 32)
    stage.drop()
    stage.actors[1].hear(4, Rejoin(0, 7, 0))
    assert [(to, m.epoch) for _, to, m in stage.wire if isinstance(m, RejoinReport)] == [(4, 1)]
    stage.drop()
    for peer, epoch in ((2, 0), (3, 2)):
        stage.actors[1].hear(peer, Rejoin(epoch, 7, 0))
    assert not stage.wire


def test_too_few_to_lead_out_of_it_is_the_end() -> None:
    stage = Stage(size=3, verify_own_votes=True)
    stage.settle()
    actor = stage.actors[2]
    signed = stage.sign(2, Vote(PREPARE, 0, 0, 1, b"\1" * 32))
    actor.hear(0, VoteReport((signed,)))
    assert actor.halted == "CONSENSUS-12"


def hear_of_view_2() -> tuple[Stage, Actor, OrderBlock]:
    """3 is in quarantine and waits for view 2, in which a block is proposed; the others say what a play wants."""
    stage = Stage(traitors=(0, 1, 2))
    actor = stage.actors[3]
    lose_votes(actor)
    for peer in (0, 1, 2):
        actor.hear(peer, RejoinReport(actor.state.quarantine.life, 0))
    one = stage.block(2, GENESIS, 0, salt=1)
    tc = stage.tc(2, tuple(stage.view_change(i, 2, stage.qc_of(3)) for i in (0, 1, 2)), stage.qc_of(3))
    actor.hear(2, stage.proposal(one, 1, tc))
    return stage, actor, one


def test_a_block_that_is_never_sealed_does_not_end_it() -> None:
    """Closing blocks are committed too: after the last block of an epoch, in which votes of ours may stand already."""
    stage, actor, one = hear_of_view_2()
    share(stage, PREPARE, one, (0, 1, 2), (3,))
    share(stage, COMMIT, one, (0, 1, 2), (3,))
    assert actor.state.committed_height == 1 and actor.state.quarantine is not None
    sealed = Vote(VoteType.SEAL, 0, 0, 1, execute(GENESIS_HASH, compute_order_hash(one)))
    for peer in (0, 1, 2):
        actor.hear(peer, Votes((stage.sign(peer, sealed),)))
    assert actor.state.root.height == 1 and actor.state.quarantine is None


def test_a_second_process_with_the_key_is_noticed() -> None:
    stage, actor, one = hear_of_view_2()
    actor.hear(0, Votes((stage.vote(3, PREPARE, one),)))  # somebody else prepared with the key of 3
    share(stage, PREPARE, one, (0, 1, 2), (3,))
    share(stage, COMMIT, one, (0, 1, 2), (3,))
    assert actor.halted == "CONSENSUS-12"


@pytest.mark.parametrize("rules", [Rules(), RejoinAtOnce()], ids=["sound", "mutant"])
def test_without_the_wait_a_lost_log_forks_the_chain(rules: Rules) -> None:
    """A leader says two things; the one who lost its log between them must not vote for the second."""
    stage = Stage(traitors=(0,), rules=rules)
    first = stage.block(0, GENESIS, 0, salt=3)
    stage.tell(0, (1, 2, 3), stage.proposal(first, 3))
    stage.settle(votes_only(PREPARE, COMMIT))
    one, other = stage.block(0, first, 0, salt=1), stage.block(0, first, 0, salt=2)
    stage.tell(0, (1, 2), stage.proposal(one, 1))
    share(stage, PREPARE, one, (0, 1, 2), (1, 2))
    share(stage, COMMIT, one, (0, 1, 2), (1,))  # 1 commits `one`
    actor = stage.actors[2]
    lose_votes(actor)
    actor.hear(1, Certificate(stage.qc(first, (0, 1, 2))))
    for peer in (0, 1, 3):
        actor.hear(peer, RejoinReport(0 if actor.state.quarantine is None else actor.state.quarantine.life, 0))
    stage.tell(0, (2, 3), stage.proposal(other, 2))
    share(stage, PREPARE, other, (0, 2, 3), (2, 3))
    share(stage, COMMIT, other, (0, 2, 3), (3,))
    assert stage.has_fork() == isinstance(rules, RejoinAtOnce)
