"""Every view that is given up says why, once, and every one that begins names its leader."""

from hansa.consensus.config import LEADER_GONE_MS
from hansa.consensus.effects import BeginView, LeaveView, WhyLeave
from hansa.consensus.inputs import Abdicate, PauseVoting, PeerDown, TimerId, WorkPending
from hansa.consensus.messages import EvidenceReport, Status
from hansa.consensus.values import VoteType
from hansa.sim.mutants.plays import GENESIS
from hansa.sim.mutants.stage import GENESIS_QC, Actor, Stage


def left(actor: Actor) -> list[LeaveView]:
    return [effect for effect in actor.effects if isinstance(effect, LeaveView)]


def begun(actor: Actor) -> list[BeginView]:
    return [effect for effect in actor.effects if isinstance(effect, BeginView)]


def hear_from_leader(actor: Actor) -> None:
    actor.hear(0, Status(0, 0, 0, 0, 0, 0, 0, False))


def test_a_timeout() -> None:
    stage = Stage()
    actor = stage.actors[2]
    hear_from_leader(actor)
    actor.feed(WorkPending(True))
    actor.fire(TimerId.VIEW)
    assert left(actor) == [LeaveView(0, 1, WhyLeave.TIMEOUT)]


def test_the_closed_link_of_a_leader() -> None:
    stage = Stage()
    actor = stage.actors[2]
    hear_from_leader(actor)
    actor.feed(WorkPending(True))
    actor.feed(PeerDown(0))
    actor.fire(TimerId.VIEW)
    assert left(actor) == [LeaveView(0, 1, WhyLeave.LEADER_DOWN)]


def test_a_leader_of_whom_nothing_was_heard() -> None:
    stage = Stage()
    actor = stage.actors[2]
    hear_from_leader(actor)
    stage.now_ms += LEADER_GONE_MS
    actor.feed(WorkPending(True))
    actor.fire(TimerId.VIEW)
    assert left(actor) == [LeaveView(0, 1, WhyLeave.LEADER_SILENT)]


def test_a_leader_that_stops_and_those_who_follow_it() -> None:
    stage = Stage()
    stage.actors[0].feed(Abdicate())
    stage.settle()
    assert left(stage.actors[0]) == [LeaveView(0, 1, WhyLeave.PLANNED)]
    assert left(stage.actors[2]) == [LeaveView(0, 1, WhyLeave.LEADER_LEAVES)]
    for actor in stage.actors.values():
        assert begun(actor) == [BeginView(1, 1)]


def test_a_leader_on_a_full_disk() -> None:
    stage = Stage()
    stage.actors[0].feed(PauseVoting("the disk is full"))
    assert left(stage.actors[0]) == [LeaveView(0, 1, WhyLeave.CANNOT_LEAD)]


def test_a_proven_lie_of_the_leader() -> None:
    stage = Stage(traitors=(0,))
    one, other = (stage.vote(0, VoteType.PROPOSE, stage.block(0, GENESIS, 0, salt=salt)) for salt in (1, 2))
    stage.tell(3, (2,), EvidenceReport(one, other))
    assert left(stage.actors[2]) == [LeaveView(0, 1, WhyLeave.EQUIVOCATION)]
    assert [effect.proof.first.signer for effect in stage.actors[2].evidence] == [0]


def test_enough_others() -> None:
    stage = Stage(traitors=(2, 3))
    stage.tell(3, (1,), stage.view_change(3, 900, GENESIS_QC))
    stage.tell(2, (1,), stage.view_change(2, 2, GENESIS_QC))
    assert left(stage.actors[1]) == [LeaveView(0, 2, WhyLeave.OTHERS_LEAVE)]


def test_a_view_is_given_up_once_however_often_it_is_asked_for() -> None:
    stage = Stage(traitors=(0,))
    one, other = (stage.vote(0, VoteType.PROPOSE, stage.block(0, GENESIS, 0, salt=salt)) for salt in (1, 2))
    for _ in range(3):
        stage.tell(3, (2,), EvidenceReport(one, other))
        stage.actors[2].feed(WorkPending(True))
    assert len(left(stage.actors[2])) == 1
