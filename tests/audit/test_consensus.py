"""FISCO BCOS's public audit of 2026 against our consensus: what was found there is tried here, on the real machines.

The findings are CertiK's of bcos-pbft, as told in FISCO-BCOS/FISCO-BCOS pull requests 5164, 5167, 5168 and 5180; each
test names the number under which its weakness was mended there.
"""

import tracemalloc
from typing import Any, cast

import msgspec
import pytest

from hansa.consensus import inputs as ins
from hansa.consensus.effects import Execute, SignVote
from hansa.consensus.errors import InvalidMessage
from hansa.consensus.inputs import PeerDown, TimerId, WorkPending
from hansa.consensus.messages import (
    VOTES_MAX,
    Certificate,
    NewView,
    PrePrepare,
    Votes,
    decode_message,
    encode_message,
    lane_of,
)
from hansa.consensus.signer import VoteDomain
from hansa.consensus.values import VALIDATORS_MAX, SignedVote, TimeoutCertificate, Vote, VoteType
from hansa.crypto.suite import Suite, generate_key_pair, keccak256, sign
from hansa.errors import HansaError
from hansa.io.stages import StageClock
from hansa.io.worker import Worker
from hansa.network.lanes import Lane
from hansa.node.inbox import Inbox, Verifier
from hansa.sim.ledger import compute_order_hash
from hansa.sim.mutants.plays import GENESIS, lead_first, lead_next, share
from hansa.sim.mutants.stage import GENESIS_QC, Stage
from tests.unit.node.fake_chain import epoch_of
from tests.waiting import eventually

PREPARE, COMMIT = VoteType.PREPARE, VoteType.COMMIT
PAIRS = [generate_key_pair() for _ in range(4)]
DOMAIN = VoteDomain(b"\x01" * 32, keccak256(b"main"), Suite.STANDARD, keccak256)


class Door:
    """The way of a message into a node: decoder, lanes, verifier. What comes through is in `inputs`."""

    def __init__(self) -> None:
        self.inputs: list[ins.Input] = []
        self.banned: list[HansaError] = []
        worker = Worker("verify", StageClock(), lambda error: pytest.fail(str(error)), lambda error: False)
        self.inbox = Inbox(Verifier(DOMAIN, epoch_of([pair.public for pair in PAIRS])), worker, self.inputs.append)
        self.inbox.start(cast(Any, self))

    def ban_peer(self, peer: int, error: HansaError) -> None:
        self.banned.append(error)

    def is_open_for(self, message: Any) -> bool:
        """Whether the message reaches the machine."""
        before = len(self.inputs)
        self.inbox.on_message(1, Lane(lane_of(message)), encode_message(message))
        return len(self.inputs) > before


def signed(signer: int, vote: Vote) -> SignedVote:
    return SignedVote(vote, signer, sign(PAIRS[signer].secret, DOMAIN.digest(vote)))


def proposed(view: int = 0, signer: int | None = None) -> PrePrepare:
    """A proposal of view 0 or 1 that is right in everything but, perhaps, who signed it."""
    stage = Stage()
    block = stage.block(view, GENESIS, 0)
    vote = Vote(VoteType.PROPOSE, 0, view, block.height, compute_order_hash(block))
    return PrePrepare(block, stage.refs(0), signed(block.proposer if signer is None else signer, vote))


async def test_a_proposal_without_its_leaders_signature_reaches_nothing_that_acts() -> None:
    """FIB-129, FIB-131: pools and sealers were told before signatures were checked, again for every bad proposal."""
    door = Door()
    true = proposed()
    assert door.is_open_for(true)
    forgeries = [
        msgspec.structs.replace(true, vote=SignedVote(true.vote.vote, 0, bytes(64))),
        msgspec.structs.replace(true, vote=SignedVote(true.vote.vote, 0, proposed(signer=2).vote.signature)),
        msgspec.structs.replace(true, vote=SignedVote(true.vote.vote, 2, true.vote.signature)),
        msgspec.structs.replace(true, vote=SignedVote(true.vote.vote, 4, true.vote.signature)),
    ]
    for forged in forgeries * 25:
        assert not door.is_open_for(forged)
    await eventually(lambda: len(door.banned) == 100, 20.0, "all are refused")  # some by a worker
    assert len(door.inputs) == 1


def test_a_member_that_signs_a_proposal_in_its_own_name_is_no_leader() -> None:
    """FIB-129: a valid signature of somebody is not the leader's."""
    stage = Stage(traitors=(1,))
    block = stage.block(0, GENESIS, 0)
    vote = Vote(VoteType.PROPOSE, 0, 0, 1, compute_order_hash(block))
    for stolen in (block, stage.block(0, GENESIS, 0, proposer=1)):
        stage.tell(1, (2,), PrePrepare(stolen, stage.refs(0), stage.sign(1, vote)))
    assert not stage.actors[2].voted(PREPARE) and not stage.actors[2].state.candidates


@pytest.mark.parametrize("change", [{"height": 2}, {"view": 1}, {"epoch": 1}, {"hash": bytes(32)}, {"qc_view": 1}])
def test_the_signed_words_and_the_block_must_be_the_same(change: dict[str, Any]) -> None:
    """FIB-130: an envelope's index was believed, whatever the block inside said."""
    stage = Stage(traitors=(0,))
    block = stage.block(0, GENESIS, 0)
    true = stage.proposal(block)
    word = msgspec.structs.replace(true.vote.vote, **change)
    stage.tell(0, (2,), PrePrepare(block, true.refs, stage.sign(0, word)))
    assert not stage.actors[2].votes and not stage.actors[2].state.candidates and not stage.actors[2].state.entries


def test_a_new_view_is_bound_to_what_its_voters_named() -> None:
    """FIB-124: what a new view proposed again was not compared with its view changes: a prepared block could go."""
    stage = Stage(traitors=(1,))
    one = lead_first(stage)
    share(stage, PREPARE, one, (0, 1, 2), (0, 2, 3))
    qc = stage.qc_of(2)
    assert qc.height == 1
    named = tuple(stage.view_change(signer, 1, qc) for signer in (0, 1, 2))
    forgotten = stage.tc(1, named, GENESIS_QC)  # claims that none of them named a block
    stage.tell(1, (2,), NewView(forgotten))
    assert stage.actors[2].state.view == 0
    rival = stage.block(1, GENESIS, 0, salt=9)
    stage.tell(1, (2,), stage.proposal(rival, 9, forgotten))
    assert stage.actors[2].state.view == 0
    assert [vote.hash for vote in stage.actors[2].voted(PREPARE)] == [compute_order_hash(one)]
    too_few = TimeoutCertificate(0, 1, stage.tc(1, named, qc).votes[:2], qc)
    stage.tell(1, (2,), NewView(too_few))
    assert stage.actors[2].state.view == 0


def test_a_proposal_of_a_higher_view_is_never_treated_as_one_of_this_view() -> None:
    """FIB-133: a pre-prepare of a higher view went the normal way, under the local view."""
    stage = Stage(traitors=(1,))
    actor = stage.actors[2]
    for salt in range(50):
        for view in (1, 5, 9, 10**9 + 1, 2**64 - 3):
            if stage.validators.leader(view) == 1:
                stage.tell(1, (2,), stage.proposal(stage.block(view, GENESIS, 0, salt=salt), salt))
    assert actor.state.view == 0 and not actor.votes
    assert not actor.state.candidates and len(actor.state.early) <= 1 and len(actor.state.entries) <= 1


@pytest.mark.parametrize("one", list(VoteType)[:5])
@pytest.mark.parametrize("other", list(VoteType)[:5])
async def test_a_signature_is_good_for_one_type_of_message(one: VoteType, other: VoteType) -> None:
    """FIB-134: the packet type was outside the signed digest, so that a PREPARE could be sent on as a COMMIT."""
    vote = Vote(one, 0, 1, 2, b"\x05" * 32)
    true = signed(3, vote)
    relabelled = SignedVote(msgspec.structs.replace(vote, type=other), 3, true.signature)
    assert Door().is_open_for(Votes((relabelled,))) == (one is other)


@pytest.mark.parametrize(
    "elsewhere",
    [
        VoteDomain(b"\x02" * 32, keccak256(b"main"), Suite.STANDARD, keccak256),
        VoteDomain(b"\x01" * 32, keccak256(b"other"), Suite.STANDARD, keccak256),
        VoteDomain(b"\x01" * 32, keccak256(b"main"), 1, keccak256),
    ],
)
async def test_a_signature_is_good_in_one_chain_group_and_suite(elsewhere: VoteDomain) -> None:
    """FIB-134, one step further."""
    vote = Vote(PREPARE, 0, 1, 2, b"\x05" * 32)
    foreign = SignedVote(vote, 3, sign(PAIRS[3].secret, elsewhere.digest(vote)))
    assert not Door().is_open_for(Votes((foreign,)))


def test_what_may_repeat_in_a_message_is_counted_before_it_is_kept() -> None:
    """FIB-120, FIB-121, FIB-123: repeated fields without a bound, allocated before they were counted."""
    stage = Stage()
    qc = stage.qc(stage.block(0, GENESIS, 0), (0, 1, 2))
    vote = stage.sign(1, qc.vote())
    long_qc = msgspec.structs.replace(qc, signatures=tuple((i % 100, b"") for i in range(VALIDATORS_MAX + 1)))
    tc = TimeoutCertificate(0, 1, (vote,) * (VALIDATORS_MAX + 1), qc)
    for message in (Votes((vote,) * (VOTES_MAX + 1)), Certificate(long_qc), NewView(tc)):
        with pytest.raises(InvalidMessage):
            decode_message(encode_message(message))
    claims = [b"\x92\x02\xdd\xff\xff\xff\xff", b"\x92\x0a\xc6\xff\xff\xff\xff", b"\xdd\xff\xff\xff\xff\x02"]
    tracemalloc.start()
    try:
        for claim in claims:  # arrays and strings of four billion, in a few bytes
            with pytest.raises(InvalidMessage):
                decode_message(claim)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_a_view_change_never_calls_itself_however_many_leaders_are_gone() -> None:
    """FIB-115: with every leader marked faulty, fast view changes recursed until the stack was full."""
    stage = Stage(traitors=(0, 1, 3))
    actor = stage.actors[2]
    actor.feed(WorkPending(True))
    for peer in (0, 1, 3):
        actor.feed(PeerDown(peer))
    for _ in range(20):
        if TimerId.VIEW in actor.timers:
            actor.fire(TimerId.VIEW)
    views = [vote.view for vote in actor.voted(VoteType.VIEW_CHANGE)]
    assert views == sorted(set(views)) and len(views) <= 20


def test_blocks_are_executed_in_order_whichever_is_committed_first() -> None:
    """FIB-128: a commit was applied without a look at its parent's index."""
    stage = Stage(traitors=(1,))
    one = lead_first(stage)
    two = lead_next(stage)
    actor = stage.actors[3]
    before = len(actor.effects)
    share(stage, PREPARE, two, (0, 1, 2), (3,))
    share(stage, COMMIT, two, (0, 1, 2), (3,))
    executed = [effect.height for effect in actor.effects[before:] if isinstance(effect, Execute)]
    assert executed == sorted(executed) and executed[:1] in ([], [1])
    assert actor.executed.get(1, compute_order_hash(one)) == compute_order_hash(one)
    assert not any(isinstance(effect, SignVote) and effect.vote.height > 2 for effect in actor.effects)
