"""Solo: one node, one block at a time, certified by its own SEAL; a restart goes on with the same block."""

from hansa.consensus.config import EngineConfig
from hansa.consensus.effects import AskProposal, AskWork, CheckBody, Effect, Execute, Halt, Seal, SetTimer, SignVote
from hansa.consensus.inputs import (
    BodyChecked,
    Executed,
    ForceBlock,
    HeldBody,
    Input,
    Proposed,
    Restored,
    TimerFired,
    TimerId,
    VoteDurable,
    WorkPending,
)
from hansa.consensus.solo import Solo
from hansa.consensus.validators import ValidatorSet
from hansa.consensus.values import SignedVote, VoteRecord, VoteType
from hansa.sim.ledger import GENESIS_HEAD, GENESIS_ORDER_HASH, compute_digest, compute_order_hash

WALL_MS = 1_700_000_000_000


class Bench:
    """A solo engine, its shell played by the test."""

    def __init__(self, block_interval_ms: int = 0) -> None:
        config = EngineConfig(
            me=0,
            validators=ValidatorSet([1]),
            genesis_order_hash=GENESIS_ORDER_HASH,
            order_hash=compute_order_hash,
            payload_hash=compute_digest,
            block_interval_ms=block_interval_ms,
        )
        self.solo = Solo(config)
        self.now_ms = 0
        self.restore()

    def restore(self, records: tuple[VoteRecord, ...] = (), bodies: tuple[HeldBody, ...] = ()) -> list[Effect]:
        return self.feed(Restored(GENESIS_HEAD, ((0, GENESIS_HEAD.sealed_hash),), records, bodies))

    def feed(self, event: Input) -> list[Effect]:
        return self.solo.step(event, self.now_ms, WALL_MS)

    def propose(self, count: int) -> list[Effect]:
        refs = b"t" * 32 * count
        root = self.solo.root
        return self.feed(Proposed(root.height + 1, root.order_hash, refs, compute_digest(refs), count, 21_000 * count))


def until_vote(bench: Bench) -> tuple[CheckBody, SignVote]:
    bench.feed(WorkPending(True))
    (check,) = bench.propose(1)
    assert isinstance(check, CheckBody)
    assert bench.feed(BodyChecked(check.order_hash, True)) == [Execute(1, check.order_hash)]
    (sign,) = bench.feed(Executed(1, check.order_hash, b"\1" * 32))
    assert isinstance(sign, SignVote)
    return check, sign


def test_work_becomes_a_sealed_block() -> None:
    bench = Bench()
    check, sign = until_vote(bench)
    assert sign.vote.type is VoteType.SEAL
    effects = bench.feed(VoteDurable(SignedVote(sign.vote, 0, b"signature")))
    assert isinstance(effects[0], Seal) and effects[0].certificate.signatures == ((0, b"signature"),)
    assert isinstance(effects[1], AskWork)
    assert bench.solo.root.order_hash == check.order_hash
    assert isinstance(effects[2], AskProposal)  # what was told about work still stands


def test_a_transaction_that_left_the_pool_costs_the_proposal_and_no_more() -> None:
    bench = Bench()
    bench.feed(WorkPending(True))
    (check,) = bench.propose(2)
    assert isinstance(check, CheckBody)
    effects = bench.feed(BodyChecked(check.order_hash, False, missing=b"t" * 32))
    assert [type(effect) for effect in effects] == [AskProposal]
    assert bench.solo.halted is None
    assert isinstance(bench.propose(1)[0], CheckBody)


def test_no_work_no_block() -> None:
    bench = Bench()
    assert not bench.feed(WorkPending(False))
    bench.feed(WorkPending(True))
    assert bench.propose(0) == [AskWork(())]


def test_a_forced_block_may_be_empty() -> None:
    bench = Bench()
    assert isinstance(bench.feed(ForceBlock())[0], AskProposal)
    assert isinstance(bench.propose(0)[0], CheckBody)


def test_blocks_keep_their_interval() -> None:
    bench = Bench(block_interval_ms=1_000)
    _, sign = until_vote(bench)
    effects = bench.feed(VoteDurable(SignedVote(sign.vote, 0, b"signature")))
    assert SetTimer(TimerId.PROPOSE, 1_000) in effects
    bench.now_ms = 1_000
    assert isinstance(bench.feed(TimerFired(TimerId.PROPOSE))[0], AskProposal)


def test_a_restart_between_vote_and_seal_goes_on_with_the_same_block() -> None:
    bench = Bench()
    check, sign = until_vote(bench)
    record = VoteRecord(SignedVote(sign.vote, 0, b"signature"), sign.context)
    again = Bench()
    effects = again.restore((record,), (HeldBody(check.order_hash, check.block, check.refs),))
    assert Execute(1, check.order_hash) in effects


def test_a_sealed_vote_without_its_body_stops_the_node() -> None:
    _, sign = until_vote(Bench())
    record = VoteRecord(SignedVote(sign.vote, 0, b"signature"), sign.context)
    again = Bench()
    assert any(isinstance(effect, Halt) for effect in again.restore((record,), ()))
