"""The replica at the boundary of two epochs: which engine hears what, and what is carried over."""

import msgspec

from hansa.consensus.config import EngineConfig
from hansa.consensus.early import EARLY_MESSAGES_MAX, EARLY_PROPOSALS_MAX, EarlyMessages
from hansa.consensus.effects import Broadcast, Effect, Send, SignVote
from hansa.consensus.inputs import HeldBody, Imported, MessageIn, Restored, VoteDurable
from hansa.consensus.messages import (
    BlockRequest,
    BlockResponse,
    Message,
    PrePrepare,
    RangeRequest,
    RejoinReport,
    Status,
    VoteQuery,
    VoteReport,
    Votes,
)
from hansa.consensus.validators import ValidatorSet
from hansa.consensus.values import SealedHead, SignedVote, Vote, VoteRecord, VoteType
from hansa.node.replica import Replica, ReplicaConfig
from hansa.sim.ledger import (
    GENESIS_HEAD,
    GENESIS_ORDER_HASH,
    compute_digest,
    compute_order_hash,
    execute,
    make_first_epoch,
)
from hansa.types.epoch import EpochFacts
from hansa.types.order import OrderBlock, PayloadKind

END = 3
ONE = b"\1" * 32
FIRST = make_first_epoch((1, 1, 1, 1, 0), 0).facts


def make_facts(weights: tuple[int, ...] = (1, 1, 1, 1, 0), number: int = 1, first_height: int = END + 1) -> EpochFacts:
    facts = make_first_epoch(weights, 0).facts
    return msgspec.structs.replace(facts, number=number, first_height=first_height)


def make_replica(
    me: int = 0, records: tuple[VoteRecord, ...] = (), bodies: tuple[HeldBody, ...] = (), **fields: object
) -> Replica:
    engine = EngineConfig(me, ValidatorSet([1] * 4), GENESIS_ORDER_HASH, compute_order_hash, compute_digest)
    replica = Replica(ReplicaConfig(engine))
    replica.step(Restored(GENESIS_HEAD, ((0, GENESIS_HEAD.sealed_hash),), records, bodies, **fields), 0, 10**12)  # type: ignore[arg-type]
    return replica


def make_heads(count: int, facts: EpochFacts) -> tuple[SealedHead, ...]:
    heads = [GENESIS_HEAD]
    for height in range(1, count + 1):
        before, epoch = heads[-1], int(height > END)
        block = OrderBlock(
            epoch, 0, height, before.order_hash, epoch * END, 0, GENESIS_HEAD.sealed_hash, 10**12, 0,
            PayloadKind.TRANSACTION_HASHES, compute_digest(b"t" * 32), 1, 21_000,
        )  # fmt: skip
        order_hash = compute_order_hash(block)
        end = END if height <= END else None
        following = facts if height == END else None
        heads.append(SealedHead(height, execute(before.sealed_hash, order_hash), order_hash, block, end, following))
    return tuple(heads[1:])


def bring(replica: Replica, count: int, facts: EpochFacts | None = None, own_seal: int = 0) -> list[Effect]:
    heads = make_heads(count, facts or make_facts())[replica.sealed_height :]
    return replica.step(Imported(1, heads, own_seal=own_seal), 20, 10**12)


def said(effects: list[Effect], kind: type) -> list[Message]:
    return [e.message for e in effects if isinstance(e, Send | Broadcast) and isinstance(e.message, kind)]


def vote(vote_type: VoteType, epoch: int, view: int, height: int, signer: int = 0) -> SignedVote:
    return SignedVote(Vote(vote_type, epoch, view, height, ONE), signer, b"s")


def test_a_range_may_cross_the_boundary() -> None:
    replica = make_replica()
    effects = bring(replica, END + 2)
    status = replica.status()
    assert (status.epoch, status.sealed_height, status.view) == (1, END + 2, 0)
    assert replica.engine_config.first_height == END + 1
    assert replica.engine_config.genesis_order_hash == make_heads(END, FIRST)[-1].order_hash
    assert said(effects, VoteQuery), "a new epoch asks what others saw"
    assert [m.epoch for m in said(effects, Status) if isinstance(m, Status)] == [1]


def test_a_life_begins_in_the_epoch_that_its_ledger_is_in() -> None:
    heads = make_heads(END + 1, FIRST)
    replica = make_replica()
    root = heads[END - 1].order_hash
    recent = tuple((head.height, head.sealed_hash) for head in heads)
    replica.step(Restored(heads[-1], recent, (), (), None, make_facts(), root), 0, 10**12)
    assert (replica.status().epoch, replica.status().sealed_height) == (1, END + 1)
    assert replica.engine_config.genesis_order_hash == root


def test_who_is_taken_out_follows_and_who_is_taken_in_votes() -> None:
    leaver, joiner = make_replica(me=3), make_replica(me=4)
    assert leaver.status().has_vote and not joiner.status().has_vote
    for replica in (leaver, joiner):
        bring(replica, END, make_facts((1, 1, 1, 0, 1)))
    assert not leaver.status().has_vote and joiner.status().has_vote
    for replica in (leaver, joiner):
        for peer in (0, 1, 2):
            replica.step(MessageIn(peer, VoteReport(())), 30, 10**12)
    assert not leaver.status().voting and joiner.status().voting


def test_who_has_no_vote_fetches_at_once_whoever_is_further() -> None:
    for me, is_fast in ((0, False), (4, True)):
        replica = make_replica(me)
        effects = replica.step(MessageIn(2, Status(9, 0, 0, 0, 0, 500, 500, False)), 10, 10**12)
        assert bool(said(effects, RangeRequest)) == is_fast


def test_an_old_epoch_is_told_what_is_sealed() -> None:
    replica = make_replica()
    bring(replica, END)
    effects = replica.step(MessageIn(2, Status(0, 0, 0, 0, 0, END - 1, END - 1, True)), 1_000, 10**12)
    (answer,) = said(effects, Status)
    assert isinstance(answer, Status) and (answer.epoch, answer.sealed_height) == (1, END)


def test_votes_of_later_epochs_in_the_log_silence_this_one_and_bind_in_theirs() -> None:
    records = tuple(VoteRecord(vote(VoteType.PREPARE, 1, 0, height), b"") for height in (END + 1, END + 2))
    replica = make_replica(records=records)
    for peer in (1, 2, 3):
        replica.step(MessageIn(peer, VoteReport(())), 10, 10**12)
    assert not replica.status().voting and replica.status().quarantine is None
    bring(replica, END)
    for peer in (1, 2, 3):
        reported = VoteReport((vote(VoteType.PREPARE, 1, 0, END + 2),))
        replica.step(MessageIn(peer, reported), 30, 10**12)
    assert replica.status().voting and replica.status().quarantine is None


def test_a_vote_of_the_new_epoch_that_the_log_lacks_is_found_there() -> None:
    replica = make_replica()
    for peer in (1, 2, 3):
        replica.step(MessageIn(peer, VoteReport(())), 10, 10**12)
    assert replica.status().voting
    bring(replica, END)
    assert not replica.status().voting
    replica.step(MessageIn(1, VoteReport((vote(VoteType.PREPARE, 1, 0, END + 1),))), 30, 10**12)
    assert replica.status().quarantine is not None


def test_votes_of_past_epochs_are_no_reason_for_doubt() -> None:
    replica = make_replica()
    bring(replica, END)
    for peer in (1, 2, 3):
        replica.step(MessageIn(peer, VoteReport((vote(VoteType.COMMIT, 0, 9, END),))), 30, 10**12)
    assert replica.status().voting and replica.status().quarantine is None


def test_a_quarantine_goes_on_in_the_next_epoch() -> None:
    replica = make_replica(records=(VoteRecord(vote(VoteType.REJOIN, 0, 7, 0), b""),))
    assert replica.status().quarantine is not None
    effects = bring(replica, END)
    assert replica.status().quarantine is not None and replica.status().epoch == 1
    assert not [effect for effect in effects if isinstance(effect, SignVote)]


def test_a_learner_that_lost_its_votes_votes_in_the_epoch_that_gives_it_one() -> None:
    replica = make_replica(me=4, records=(VoteRecord(vote(VoteType.REJOIN, 0, 0, 0, 4), b""),))
    heads = make_heads(1, make_facts())
    replica.step(Imported(1, (msgspec.structs.replace(heads[0], epoch_end=None),)), 20, 10**12)
    signs: list[Effect] = []
    for peer in (0, 1, 2):
        signs += replica.step(MessageIn(peer, RejoinReport(10**12, 0, 0)), 25, 10**12)
    (sign,) = (effect for effect in signs if isinstance(effect, SignVote))
    assert (sign.vote.type, sign.vote.height) == (VoteType.REJOIN, 1)
    replica.step(VoteDurable(SignedVote(sign.vote, 4, b"s")), 26, 10**12)
    assert replica.status().quarantine is None
    bring(replica, END, make_facts((1, 1, 1, 0, 1)))
    for peer in (0, 1, 2):
        replica.step(MessageIn(peer, VoteReport(())), 30, 10**12)
    assert replica.status().voting


def test_a_learner_is_told_of_an_epoch_that_it_has_not_reached() -> None:
    """It is given a vote while it catches up: what the others said before that is good until it is there."""
    replica = make_replica(me=4, records=(VoteRecord(vote(VoteType.REJOIN, 0, 0, 0, 4), b""),))
    for peer in (0, 1, 2):
        replica.step(MessageIn(peer, RejoinReport(10**12, 0, 1)), 15, 10**12)
    assert not [e for e in bring(replica, END - 1) if isinstance(e, SignVote)], "nobody spoke of epoch 0"
    later = 10**12 + 5_000  # its life goes on
    heads = make_heads(END, make_facts())[END - 1 :]
    signs = [e for e in replica.step(Imported(1, heads), 20, later) if isinstance(e, SignVote)]
    assert [(sign.vote.type, sign.vote.epoch, sign.vote.height) for sign in signs] == [(VoteType.REJOIN, 1, END)]


def test_what_was_told_to_another_life_or_of_another_epoch_is_no_good() -> None:
    replica = make_replica(me=4, records=(VoteRecord(vote(VoteType.REJOIN, 0, 0, 0, 4), b""),))
    for peer, life, epoch in ((0, 10**12, 1), (1, 10**12 - 1, 1), (2, 10**12, 2), (3, 10**12, 1)):
        replica.step(MessageIn(peer, RejoinReport(life, 0, epoch)), 15, 10**12)
    assert not [e for e in bring(replica, END) if isinstance(e, SignVote)]
    assert replica.status().quarantine is not None


def test_bodies_of_the_next_epoch_that_the_log_holds_are_known_there() -> None:
    facts = make_facts()
    heads = make_heads(END + 1, facts)
    after = heads[-1]
    prepare = SignedVote(Vote(VoteType.PREPARE, 1, 0, END + 1, after.order_hash), 0, b"s")
    body = HeldBody(after.order_hash, after.block, b"t" * 32)
    replica = make_replica(records=(VoteRecord(prepare, b""),), bodies=(body,))
    bring(replica, END, facts)
    effects = replica.step(MessageIn(2, BlockRequest(after.order_hash)), 40, 10**12)
    (answer,) = said(effects, BlockResponse)
    assert isinstance(answer, BlockResponse) and answer.block == after.block


def test_an_own_seal_of_the_new_epoch_that_the_log_lacks_is_a_reason_for_doubt() -> None:
    replica = make_replica()
    bring(replica, END + 2, own_seal=END + 1)
    assert replica.status().epoch == 1 and replica.status().quarantine is not None


def test_what_comes_early_is_heard_when_its_epoch_begins() -> None:
    replica = make_replica()
    bring(replica, 1)
    seals = tuple(vote(VoteType.SEAL, 1, 0, END + 1, signer) for signer in (1, 2))
    assert replica.step(MessageIn(1, Votes(seals)), 15, 10**12) == []
    bring(replica, END)
    known = replica._pbft.state.seal_votes[END + 1]
    assert sorted(known) == [1, 2]


def test_early_messages_are_bounded() -> None:
    early = EarlyMessages()
    block = make_heads(END + 1, FIRST)[-1].block
    proposals = [msgspec.structs.replace(block, proposer=peer) for peer in range(20)]
    for number in range(200):
        assert early.keep(1, number % 3, Votes((vote(VoteType.SEAL, 1, 0, number + 4),)))
        assert early.keep(1, number % 20, BlockResponse(block, b""))
        theirs, peer = proposals[number % 20], number // 20  # what another one proposed
        if theirs.proposer != peer:
            assert early.keep(1, peer, PrePrepare(theirs, b"", vote(VoteType.PROPOSE, 1, 0, 4, peer), None))
    for own in proposals:
        assert early.keep(1, own.proposer, PrePrepare(own, b"", vote(VoteType.PROPOSE, 1, 0, 4, own.proposer), None))
    assert not early.keep(1, 0, Votes((vote(VoteType.SEAL, 2, 0, 9),)))
    assert not early.keep(1, 0, VoteQuery())
    taken = [message for _, message in early.take()]
    assert sum(isinstance(message, Votes) for message in taken) == 3 * EARLY_MESSAGES_MAX
    assert not any(isinstance(message, BlockResponse) for message in taken)
    proposers = [message.block.proposer for message in taken if isinstance(message, PrePrepare)]
    assert proposers == list(range(EARLY_PROPOSALS_MAX))
    assert early.take() == []
