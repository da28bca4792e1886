"""The solo engine: one block at a time, from proposal to seal."""

from collections.abc import Callable
from typing import Any

from hansa.consensus.config import EngineConfig
from hansa.consensus.effects import (
    AskProposal,
    AskWork,
    CheckBody,
    Effect,
    Execute,
    Halt,
    PruneVotes,
    Seal,
    SetTimer,
    SignVote,
)
from hansa.consensus.inputs import (
    BodyChecked,
    Executed,
    ForceBlock,
    Input,
    Proposed,
    Restored,
    TimerFired,
    TimerId,
    VoteDurable,
    WorkPending,
)
from hansa.consensus.values import (
    QuorumCertificate,
    SealedHead,
    Vote,
    VoteContext,
    VoteType,
    decode_context,
    encode_context,
)
from hansa.types.order import NO_HASH, OrderBlock, PayloadKind, genesis_order


class Solo:
    """The engine of a one-node chain."""

    def __init__(self, config: EngineConfig) -> None:
        self.config = config
        self.root = SealedHead(0, NO_HASH, config.genesis_order_hash, genesis_order(NO_HASH, 0))
        self.halted: str | None = None
        self._block: tuple[bytes, OrderBlock] | None = None  # (order hash, block) under way
        self._asked = False
        self._work = False
        self._full = False
        self._forced = False
        self._started = False
        self._due_ms = 0
        self._out: list[Effect] = []
        self._now_ms = 0
        self._wall_ms = 0

    def step(self, event: Input, now_ms: int, wall_ms: int) -> list[Effect]:
        """Take one input and return what to do, in order."""
        out: list[Effect] = []
        self._out, self._now_ms, self._wall_ms = out, now_ms, wall_ms
        handler = HANDLERS.get(type(event))
        if handler is not None and self.halted is None:
            handler(self, event)
            self._ask()
        return out

    def _on_restored(self, restored: Restored) -> None:
        self.root = restored.head
        self._started = True
        self._out.append(AskWork(()))
        seals = [record for record in restored.records if record.signed.vote.type is VoteType.SEAL]
        if not seals or seals[-1].signed.vote.height <= self.root.height:
            return
        order_hash = decode_context(seals[-1].context).base_hash
        body = next((body for body in restored.bodies if body.order_hash == order_hash), None)
        if body is None:
            self._halt(
                "CONSENSUS-14", "the vote log seals a block whose body is not in the block log", "hansa verify DIR"
            )
            return
        self._block = (order_hash, body.block)
        self._out.append(Execute(body.block.height, order_hash))

    def _on_work_pending(self, event: WorkPending) -> None:
        self._work, self._full = event.pending, event.full

    def _on_force_block(self, event: ForceBlock) -> None:
        self._forced = True

    def _on_timer(self, event: TimerFired) -> None:
        """The interval may be over; `_ask` looks."""

    def _ask(self) -> None:
        if not self._started or self._asked or self._block is not None or not (self._work or self._forced):
            return
        if not (self._forced or self._full) and self._due_ms > self._now_ms:
            self._out.append(SetTimer(TimerId.PROPOSE, self._due_ms))
            return
        self._asked = True
        self._out.append(AskProposal(self.root.height + 1, self.root.order_hash, ()))

    def _on_proposed(self, answer: Proposed) -> None:
        if not self._asked or answer.parent_hash != self.root.order_hash:
            return
        self._asked = False
        if answer.tx_count == 0 and not self._forced:
            self._work = False
            self._out.append(AskWork(()))
            return
        self._forced = False
        self._due_ms = self._now_ms + self.config.block_interval_ms
        root = self.root
        block = OrderBlock(
            epoch=0,
            view=0,
            height=answer.height,
            parent_hash=root.order_hash,
            base_height=0,
            sealed_height=root.height,
            sealed_hash=root.sealed_hash,
            time_ms=max(self._wall_ms, root.block.time_ms),
            proposer=self.config.me,
            payload_kind=PayloadKind.TRANSACTION_HASHES,
            payload_hash=answer.payload_hash,
            tx_count=answer.tx_count,
            gas=answer.gas,
        )
        order_hash = self.config.order_hash(block)
        self._block = (order_hash, block)
        self._out.append(CheckBody(order_hash, block, answer.refs))

    def _on_body_checked(self, answer: BodyChecked) -> None:
        if self._block is None or answer.order_hash != self._block[0]:
            return
        if answer.missing:  # the pool moved under the proposal: `_ask` asks again
            self._block = None
            return
        if not answer.ok:
            self._halt("CONSENSUS-13", f"an own proposal is invalid: {answer.reason}", "report this as a bug")
            return
        self._out.append(Execute(self._block[1].height, answer.order_hash))

    def _on_executed(self, answer: Executed) -> None:
        if self._block is None or answer.order_hash != self._block[0]:
            return
        vote = Vote(VoteType.SEAL, 0, 0, answer.height, answer.sealed_hash)
        self._out.append(SignVote(vote, encode_context(VoteContext(base_hash=answer.order_hash))))

    def _on_vote_durable(self, event: VoteDurable) -> None:
        vote = event.signed.vote
        if self._block is None or vote.type is not VoteType.SEAL or vote.height != self.root.height + 1:
            return
        order_hash, block = self._block
        self._block = None
        signatures = ((self.config.me, event.signed.signature),)
        self._out.append(Seal(QuorumCertificate(VoteType.SEAL, 0, 0, vote.height, vote.hash, signatures)))
        self.root = SealedHead(vote.height, vote.hash, order_hash, block)
        self._out.append(AskWork(()))
        period = self.config.prune_every_heights
        if vote.height % period == 0 and vote.height > period:
            self._out.append(PruneVotes(vote.height - period))

    def _halt(self, code: str, reason: str, hint: str) -> None:
        self.halted = f"{code}: {reason}"
        self._out.append(Halt(code, reason, hint))


HANDLERS: dict[type, Callable[[Solo, Any], None]] = {
    Restored: Solo._on_restored,
    WorkPending: Solo._on_work_pending,
    ForceBlock: Solo._on_force_block,
    TimerFired: Solo._on_timer,
    Proposed: Solo._on_proposed,
    BodyChecked: Solo._on_body_checked,
    Executed: Solo._on_executed,
    VoteDurable: Solo._on_vote_durable,
}
