"""2.1.8 and rules 1.10, 1.11: how an epoch ends, who votes in it, and what must not be carried into the next one."""

import msgspec

from hansa.consensus.effects import SetTimer
from hansa.consensus.inputs import PeerDown, TimerId, WorkPending
from hansa.consensus.messages import Message, Votes
from hansa.consensus.pbft.epochs import LaterLogs, begin_next_epoch
from hansa.consensus.pbft.rules import get_genuine_base, is_valid_qc
from hansa.consensus.pbft.state import Candidate, PbftState
from hansa.consensus.values import SignedVote, Vote, VoteType, genesis_qc
from hansa.sim.ledger import compute_order_hash, make_first_epoch
from hansa.sim.mutants.plays import lead_first
from hansa.sim.mutants.stage import Stage, votes_only
from hansa.types.epoch import EpochFacts
from hansa.types.order import OrderBlock

END = 3
WINDOW = 2


def make_following(end: int = END, weights: tuple[int, ...] = (1, 1, 1, 1)) -> EpochFacts:
    return msgspec.structs.replace(make_first_epoch(weights, 0).facts, number=1, first_height=end + 1)


def close_up_to(stage: Stage, height: int) -> None:
    """The first block schedules the end; empty ones follow."""
    lead_first(stage)
    stage.settle()
    for actor in stage.actors.values():
        actor.feed(WorkPending(False))
    while len(stage.actors[0].sealed) <= height:
        stage.actors[0].propose_nothing()
        stage.settle()


def is_commit(sender: int, receiver: int, message: Message) -> bool:
    return isinstance(message, Votes) and votes_only(VoteType.COMMIT)(sender, receiver, message)


def test_empty_blocks_close_an_idle_epoch_and_none_stands_above_its_end() -> None:
    stage = Stage(window=WINDOW, following=make_following())
    close_up_to(stage, END)
    for actor in stage.actors.values():
        assert [head.height for head in actor.sealed] == [0, 1, 2, END]
        assert actor.state.next_epoch == stage.following
        assert actor.state.epoch_end == END and not actor.halted
    assert stage.actors[0].asked is None
    assert [head.block.tx_count for head in stage.actors[2].sealed[1:]] == [1, 0, 0]


def test_what_a_view_inherits_at_the_end_is_committed_by_a_closing_block_that_nobody_executes() -> None:
    stage = Stage(window=WINDOW, following=make_following())
    close_up_to(stage, END - 1)
    stage.actors[0].propose_nothing()
    stage.settle(lambda sender, receiver, message: not is_commit(sender, receiver, message))
    stage.drop()
    for actor in stage.actors.values():
        assert actor.state.high_qc.height == END > actor.state.committed_height
        actor.fire(TimerId.VIEW)
    stage.settle()
    leader = stage.actors[1]
    assert leader.asked is not None and leader.asked.height == END + 1
    leader.propose()  # there is work, but what stands above the end carries none
    closing = next(entry.block for entry in leader.state.entries.values() if entry.block.height == END + 1)
    assert closing.tx_count == 0
    stage.settle()
    for actor in stage.actors.values():
        assert sorted(actor.executed) == [1, 2, END]
        assert actor.state.next_epoch is not None
        assert max(vote.height for vote in actor.voted(VoteType.SEAL)) == END


def test_who_has_no_vote_follows_in_silence() -> None:
    stage = Stage(size=5, weights=(1, 1, 1, 1, 0))
    lead_first(stage)
    stage.settle()
    learner = stage.actors[4]
    assert [head.height for head in learner.sealed] == [0, 1]
    assert learner.votes == [] and TimerId.VIEW not in learner.timers
    assert learner.state.queried and not learner.state.may_vote


def test_votes_of_nodes_without_a_vote_are_not_counted() -> None:
    stage = Stage(size=5, weights=(1, 1, 1, 1, 0))
    one = lead_first(stage)
    stage.drop()
    for signer in (1, 4):
        stage.tell(signer, (0,), Votes((stage.vote(signer, VoteType.PREPARE, one),)))
    assert stage.actors[0].state.high_qc.height == 0
    assert 4 not in stage.actors[0].state.prepare_votes[(0, 1)]


def test_votes_of_another_epoch_are_not_counted() -> None:
    stage = Stage()
    one = lead_first(stage)
    stage.drop()
    for signer in (1, 2, 3):
        foreign = Vote(VoteType.PREPARE, 1, 0, 1, compute_order_hash(one))
        stage.tell(signer, (0,), Votes((SignedVote(foreign, signer, b"s"),)))
    assert stage.actors[0].state.high_qc.height == 0


def test_the_end_of_an_old_term_hands_nothing_over_in_a_new_epoch() -> None:
    """The QC of an epoch's root needs no signatures: it must never pass for the QC of a term's last block."""
    stage = Stage(term=END)
    state: PbftState = stage.actors[0].state
    root = stage.block(0, _at(stage, END - 1), 0)
    root_hash = compute_order_hash(root)
    state.config = state.config.for_epoch(make_following(), root_hash)
    proof = genesis_qc(root_hash, 1, END)
    assert is_valid_qc(proof, state.config)
    first = stage.block(1, root, END, epoch=1)
    candidate = Candidate(compute_order_hash(first), stage.vote(1, VoteType.PROPOSE, first), proof)
    assert root.height == root.base_height + stage.term
    assert get_genuine_base(candidate, first, root, state) is None
    in_view_0 = stage.block(0, root, END, epoch=1)
    assert get_genuine_base(candidate, in_view_0, root, state) is not None


def test_a_root_of_another_epoch_is_no_root() -> None:
    stage = Stage()
    config = stage.config(0).for_epoch(make_following(), b"\7" * 32)
    assert not is_valid_qc(genesis_qc(b"\7" * 32, 0, END), config)
    assert not is_valid_qc(genesis_qc(b"\7" * 32, 1, END - 1), config)
    assert not is_valid_qc(genesis_qc(b"\6" * 32, 1, END), config)


def test_who_is_gone_is_passed_over_in_the_next_epoch_too() -> None:
    facts = make_following()
    stage = Stage(window=WINDOW, following=facts)
    close_up_to(stage, END)
    actor = stage.actors[2]
    actor.feed(PeerDown(0))
    later_ms = stage.now_ms + 5_000
    following, _ = begin_next_epoch(actor.machine, facts, LaterLogs(), later_ms, stage.wall_ms)
    effects = following.step(WorkPending(True), later_ms, stage.wall_ms)
    assert SetTimer(TimerId.VIEW, later_ms) in effects


def _at(stage: Stage, height: int) -> OrderBlock:
    block = stage.actors[0].sealed[0].block
    for _ in range(height):
        block = stage.block(0, block, 0)
    return block
