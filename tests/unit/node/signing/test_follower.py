"""A standby asks for what its active node sealed, again and again, and signs nothing."""

import pytest

from hansa.consensus.effects import Halt, ImportBlocks, Send, SetTimer
from hansa.consensus.errors import RefusedVote
from hansa.consensus.inputs import Imported, MessageIn, Restored, TimerFired, TimerId, WorkPending
from hansa.consensus.messages import RangeRequest, RangeResponse, VoteQuery
from hansa.consensus.values import SealedHead
from hansa.node.signing.follower import ANSWER_MS, ASK_MS, BLOCKS_AT_ONCE, PENALTY_MS, Follower, SignsNothing
from hansa.types.order import genesis_order

ME = 2
ONE = bytes(32)


def head(height: int) -> SealedHead:
    return SealedHead(height, ONE, ONE, genesis_order(ONE, 0))


@pytest.fixture
def follower() -> Follower:
    """One that begins at height 7 and has asked for 8."""
    follower = Follower(ME)
    effects = follower.step(Restored(head(7), (), (), ()), 0, 0)
    assert effects == [Send(ME, RangeRequest(1, 8, BLOCKS_AT_ONCE)), SetTimer(TimerId.SYNC, ANSWER_MS)]
    return follower


def test_what_comes_is_imported_and_more_is_asked_for_at_once(follower: Follower) -> None:
    assert follower.step(MessageIn(ME, RangeResponse(1, 8, (b"8", b"9"))), 5, 0) == [ImportBlocks(1, (b"8", b"9"))]
    effects = follower.step(Imported(1, (head(8), head(9))), 9, 0)
    assert effects[0] == Send(ME, RangeRequest(2, 10, BLOCKS_AT_ONCE))
    assert follower.sealed_height == 9


def test_without_news_it_waits_a_little(follower: Follower) -> None:
    assert follower.step(MessageIn(ME, RangeResponse(1, 8, ())), 5, 0) == [SetTimer(TimerId.SYNC, 5 + ASK_MS)]
    assert follower.step(TimerFired(TimerId.SYNC), 205, 0)[0] == Send(ME, RangeRequest(2, 8, BLOCKS_AT_ONCE))


def test_an_answer_that_does_not_come_is_asked_for_again_and_a_late_one_serves_as_well(follower: Follower) -> None:
    again = follower.step(TimerFired(TimerId.SYNC), ANSWER_MS, 0)
    assert again[0] == Send(ME, RangeRequest(2, 8, BLOCKS_AT_ONCE))
    assert follower.step(MessageIn(ME, RangeResponse(1, 8, (b"8",))), ANSWER_MS, 0) == [ImportBlocks(1, (b"8",))]
    assert follower.step(MessageIn(ME, RangeResponse(2, 8, (b"8",))), ANSWER_MS, 0) == []
    follower.step(Imported(1, (head(8),)), ANSWER_MS, 0)
    assert follower.step(MessageIn(ME, RangeResponse(2, 8, (b"8",))), ANSWER_MS, 0) == []


def test_it_hears_its_active_node_alone_and_nothing_but_blocks(follower: Follower) -> None:
    assert follower.step(MessageIn(1, RangeResponse(1, 8, (b"8",))), 5, 0) == []
    assert follower.step(MessageIn(ME, VoteQuery()), 5, 0) == []
    assert follower.step(WorkPending(True), 5, 0) == []


def test_blocks_that_do_not_hold_cost_a_pause(follower: Follower) -> None:
    follower.step(MessageIn(ME, RangeResponse(1, 8, (b"8", b"9"))), 5, 0)
    effects = follower.step(Imported(1, (head(8),), "BLOCK-CERTIFICATE: no quorum"), 9, 0)
    assert effects == [SetTimer(TimerId.SYNC, 9 + PENALTY_MS)]
    assert follower.sealed_height == 8


def test_another_result_than_the_members_ends_it(follower: Follower) -> None:
    follower.step(MessageIn(ME, RangeResponse(1, 8, (b"8",))), 5, 0)
    effects = follower.step(Imported(1, (), "BLOCK-RESULT: roots differ", is_split=True), 9, 0)
    assert isinstance(effects[0], Halt)
    assert follower.status().halted is not None
    assert follower.step(TimerFired(TimerId.SYNC), 99, 0) == []


def test_it_never_votes(follower: Follower) -> None:
    assert not follower.status().voting
    with pytest.raises(RefusedVote):
        SignsNothing().sign(())
