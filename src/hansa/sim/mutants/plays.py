"""Plays, each one the shortest story in which a broken rule forks the chain. Under the sound rules none does.

Four validators: 0 leads view 0, 1 leads view 1. One of them is a traitor, played by the script; honest ones speak for
themselves, the script only decides who hears them. Each play takes what validators are built with, and returns the
stage.
"""

from collections.abc import Callable

from hansa.consensus.inputs import TimerId, WorkPending
from hansa.consensus.messages import BlockResponse, PrePrepare, Votes
from hansa.consensus.pbft import Rules
from hansa.consensus.signer import Signer
from hansa.consensus.values import QuorumCertificate, SignedVote, Vote, VoteType
from hansa.sim.ledger import GENESIS_HASH, GENESIS_HEAD, compute_order_hash, execute
from hansa.sim.mutants.stage import GENESIS_QC, Stage
from hansa.types.order import OrderBlock

MakeSigner = Callable[[int], Signer]
GENESIS = GENESIS_HEAD.block
PREPARE, COMMIT = VoteType.PREPARE, VoteType.COMMIT


def play_lost_log(rules: Rules, make_signer: MakeSigner, keeps_votes: bool) -> Stage:
    """A validator loses power between two proposals of a leader that says two things."""
    stage = Stage(traitors=(0,), rules=rules, make_signer=make_signer)
    one, other = stage.block(0, GENESIS, 0, salt=1), stage.block(0, GENESIS, 0, salt=2)
    stage.tell(0, (1, 2), stage.proposal(one, 1))
    share(stage, PREPARE, one, (0, 1, 2), (1, 2))
    share(stage, COMMIT, one, (0, 1, 2), (1,))  # 1 commits `one`
    stage.actors[2].start(keeps_votes)
    stage.tell(0, (2, 3), stage.proposal(other, 2))
    share(stage, PREPARE, other, (0, 2, 3), (2, 3))
    share(stage, COMMIT, other, (0, 2, 3), (3,))  # would commit `other`
    return stage


def play_late_commit(rules: Rules, make_signer: MakeSigner, keeps_votes: bool) -> Stage:
    """A validator gives view 0 up, and only then hears what a quorum prepared in it."""
    stage = Stage(traitors=(1,), rules=rules, make_signer=make_signer)
    one = lead_first(stage)
    share(stage, PREPARE, one, (0, 1, 2), (0,))
    give_up(stage, (2, 3))
    share(stage, PREPARE, one, (0, 1, 2), (2,))  # too late for 2
    share(stage, COMMIT, one, (0, 1, 2), (0,))  # would commit `one`
    begin_view_1(stage, GENESIS, GENESIS_QC)
    return stage


def play_lowest_qc(rules: Rules, make_signer: MakeSigner, keeps_votes: bool) -> Stage:
    """One of those who change the view knows what was committed; the next leader pretends not to have read it."""
    stage = Stage(traitors=(1,), rules=rules, make_signer=make_signer)
    one = lead_first(stage)
    share(stage, PREPARE, one, (0, 1, 2), (0, 2))
    share(stage, COMMIT, one, (0, 1, 2), (0,))  # 0 commits `one`
    give_up(stage, (2, 3))  # 2 names the QC of `one`
    begin_view_1(stage, GENESIS, GENESIS_QC)
    return stage


def play_two_bases(rules: Rules, make_signer: MakeSigner, keeps_votes: bool) -> Stage:
    """View 1 has two genuine bases, by timeout and by the end of a term; its leader proposes on both."""
    stage = Stage(traitors=(1,), rules=rules, make_signer=make_signer, term=2)
    one = lead_first(stage)
    share(stage, PREPARE, one, (0, 1, 2, 3), (0, 2, 3))
    two = lead_next(stage)
    high_qc = stage.qc_of(0)  # of `one`; nobody but the traitor hears the PREPAREs of `two`
    end_of_term = stage.qc(two, (0, 1, 2))
    give_up(stage, (0, 2))
    tc = stage.tc(1, tuple(stage.view_change(i, 1, high_qc) for i in (0, 1, 2)), high_qc)
    by_timeout = stage.block(1, one, 1, salt=7)
    stage.tell(1, (0, 2), stage.proposal(by_timeout, 7, tc))
    share(stage, PREPARE, by_timeout, (0, 1, 2), (0, 2))
    share(stage, COMMIT, by_timeout, (0, 1, 2), (0,))  # 0 commits `by_timeout` at height 2
    by_term = stage.block(1, two, 2, salt=8)
    stage.tell(1, (2, 3), stage.proposal(by_term, 8, end_of_term))
    share(stage, PREPARE, by_term, (1, 2, 3), (2, 3))
    share(stage, COMMIT, by_term, (1, 2, 3), (3,))  # would commit `two` at height 2
    return stage


def play_early_seal(rules: Rules, make_signer: MakeSigner, keeps_votes: bool) -> Stage:
    """A block is prepared, shown to a client as final by SEALs alone, and then replaced."""
    stage = Stage(traitors=(1,), rules=rules, make_signer=make_signer)
    one = lead_first(stage)
    share(stage, PREPARE, one, (0, 1, 2), (0,))
    give_up(stage, (2, 3))
    share(stage, PREPARE, one, (0, 1, 2), (2,))
    sealed = Vote(VoteType.SEAL, 0, 0, 1, execute(GENESIS_HASH, compute_order_hash(one)))
    for signer in (1, 2):
        say(stage, stage.sign(signer, sealed), (0,))  # would make `one` final
    begin_view_1(stage, GENESIS, GENESIS_QC)
    return stage


def play_any_parent(rules: Rules, make_signer: MakeSigner, keeps_votes: bool) -> Stage:
    """A leader builds on a block that one of its voters never prepared, and leads it away from what it did prepare."""
    stage = Stage(traitors=(0,), rules=rules, make_signer=make_signer)
    one, other = stage.block(0, GENESIS, 0, salt=1), stage.block(0, GENESIS, 0, salt=2)
    stage.tell(0, (1, 2), stage.proposal(one, 1))
    stage.tell(0, (3,), stage.proposal(other, 2))
    share(stage, PREPARE, one, (0, 1, 2), (1, 2))
    share(stage, COMMIT, one, (0, 1, 2), (1,))  # 1 commits `one`
    child = stage.block(0, other, 0, salt=3)
    stage.tell(0, (2, 3), stage.proposal(child, 3))
    stage.tell(0, (2,), BlockResponse(other, stage.refs(2)))
    share(stage, PREPARE, child, (0, 2, 3), (2, 3))
    share(stage, COMMIT, child, (0, 2, 3), (3,))  # would commit `other` with its child
    return stage


PLAYS: dict[str, Callable[[Rules, MakeSigner, bool], Stage]] = {
    "no vote log": play_lost_log,
    "COMMIT after VIEW-CHANGE": play_late_commit,
    "lowest instead of highest QC": play_lowest_qc,
    "two bases in one view": play_two_bases,
    "SEAL before commit": play_early_seal,
    "any parent": play_any_parent,
}


def lead_first(stage: Stage) -> OrderBlock:
    """Validator 0 proposes the first block of view 0 to all; nobody hears a vote."""
    stage.actors[0].feed(WorkPending(True))
    return _spread(stage, 1)


def lead_next(stage: Stage) -> OrderBlock:
    """The second block of view 0 goes to all; nobody hears a vote."""
    return _spread(stage, 2)


def _spread(stage: Stage, height: int) -> OrderBlock:
    stage.actors[0].propose()
    stage.settle(lambda sender, receiver, message: isinstance(message, PrePrepare) and message.block.height == height)
    block: OrderBlock = stage.actors[0].state.own_proposals[height].block
    return block


def say(stage: Stage, signed: SignedVote, to: tuple[int, ...]) -> None:
    """Let `to` hear a vote; an honest one only if it was really cast."""
    actor = stage.actors.get(signed.signer)
    if actor is None or signed.vote in actor.votes:
        stage.tell(signed.signer, tuple(i for i in to if i != signed.signer), Votes((signed,)))


def share(stage: Stage, vote_type: VoteType, block: OrderBlock, signers: tuple[int, ...], to: tuple[int, ...]) -> None:
    """Let `to` hear these validators' votes for a block."""
    for signer in signers:
        say(stage, stage.vote(signer, vote_type, block), to)


def give_up(stage: Stage, nodes: tuple[int, ...]) -> None:
    """These validators time out and sign VIEW-CHANGE for view 1."""
    for node in nodes:
        stage.actors[node].fire(TimerId.VIEW)
        assert stage.actors[node].voted(VoteType.VIEW_CHANGE)[-1].view == 1


def begin_view_1(stage: Stage, parent: OrderBlock, claimed: QuorumCertificate) -> None:
    """The traitor leads 2 and 3 into view 1 with a TC of their VIEW-CHANGEs and its own, and proposes on `claimed`."""
    honest = tuple(stage.actors[i].state.own_view_change for i in (2, 3))
    tc = stage.tc(1, (stage.view_change(1, 1, GENESIS_QC), *honest), claimed)
    other = stage.block(1, parent, parent.height, salt=9)
    stage.tell(1, (2, 3), stage.proposal(other, 9, tc))
    share(stage, PREPARE, other, (1, 2, 3), (2, 3))
    share(stage, COMMIT, other, (1, 2, 3), (3,))
