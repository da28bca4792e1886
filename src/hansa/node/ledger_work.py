"""What a replica asks of the native chain: each effect goes to the right worker, each answer returns as an input."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from hansa import _native
from hansa._native import NativeError
from hansa.consensus import effects as fx
from hansa.consensus import inputs as ins
from hansa.consensus.messages import (
    OFFERED_HEIGHTS_MAX,
    Message,
    PayloadResponse,
    RangeResponse,
    SnapshotOffer,
    SnapshotPart,
)
from hansa.consensus.values import QuorumCertificate, SealedHead, VoteType
from hansa.crypto.suite import keccak256
from hansa.io.errors import DiskFull
from hansa.io.stages import StageClock
from hansa.io.worker import Worker
from hansa.node.epochs.facts import read_boundary
from hansa.node.errors import explain_native, native_code
from hansa.types.order import decode_order, encode_order

if TYPE_CHECKING:
    from hansa._native import Chain

log = logging.getLogger("hansa.node")

BLOCK_COUNT_MAX = 4_096  # transactions in one order block
BLOCK_BYTES_MAX = 2 * 1024 * 1024
PATIENCE_IDLE_S = 0.030  # a proposal overtakes the bundles it refers to: wait for them before asking for a copy
PATIENCE_BUSY_S = 0.300  # the same while bundles that came wait to be admitted
RANGE_BYTES_MAX = 3 * 1024 * 1024
SERVED_AT_ONCE_MAX = 64  # requests of one peer that wait or are being answered; an honest one has no more under way
CHECKPOINT_LOOK_S = 1.0  # how often it is asked what became of checkpoints, which the core writes by itself
PRUNE_EVERY_BLOCKS = 1_024


class Shell(Protocol):
    """What ledger work needs of the runtime."""

    index: int  # of this validator

    @property
    def stages(self) -> StageClock:
        """Where the node's processor time goes."""

    def push(self, event: ins.Input) -> None:
        """Queue an answer."""

    def send(self, peer: int, message: Message) -> None:
        """Send to one validator."""

    def mark_blocks_dirty(self) -> None:
        """The block log was appended to."""

    def on_sealed(self, height: int) -> None:
        """A block is final here."""

    def fail(self, error: BaseException) -> None:
        """End the node with an error."""


@dataclass(slots=True)
class _Held:
    """A body of which transactions are missing that may be on their way."""

    effect: fx.CheckBody
    since: float
    timer: asyncio.TimerHandle


class LedgerWork:
    """Performs the ledger's effects. Lives on the event loop; `_`-methods that end in `_now` run in workers."""

    def __init__(
        self, chain: "Chain", gas_limit: int, workers: Mapping[str, Worker], shell: Shell, keep_blocks: int = 0
    ) -> None:
        """Take over the chain.

        Parameters
        ----------
        gas_limit: of one block. keep_blocks: newest blocks that are kept; 0 = all.
        """
        self._keep_blocks = keep_blocks
        self._index = shell.index
        self._chain = chain
        self._gas_limit = gas_limit
        self._order = workers["order"]
        self._execute_worker = workers["execute"]
        self._admit = workers["admit"]
        self._serve = workers["serve"]
        self._shell = shell
        self._loop = asyncio.get_running_loop()
        self._ancestors: list[bytes] | None = None
        self._unsealed: dict[int, bytes] = {}  # order hashes by height: executed or to be, not yet sealed natively
        self._counts: dict[bytes, tuple[int, int]] = {}  # (height, transactions) of unsealed bodies by order hash
        self._held: dict[bytes, _Held] = {}  # bodies whose transactions may be on their way
        self._said: tuple[bool, bool] | None = None  # the last WorkPending since AskWork
        self._serving: dict[int, int] = {}  # requests under way by peer
        self._checking = False
        self._check_again = False
        self._is_pruning = False
        self._checkpoints = 0  # written, as was last heard
        chain.set_checkpoint_turn(shell.index)
        self._look = self._loop.call_later(CHECKPOINT_LOOK_S, self._look_at_checkpoints)

    def perform(self, effect: fx.Effect) -> None:
        """Do what the effect asks."""
        PERFORM[type(effect)](self, effect)

    def sync_blocks(self) -> None:
        """Make the block log durable; called in the commit's thread.

        Raises
        ------
        DiskFull, DiskFailed: it is not.
        """
        try:
            self._chain.sync()
        except NativeError as error:
            raise explain_native(error) from error

    def close(self) -> None:
        """Stop the ledger cleanly: all durable, the log's closing marks; called after all workers ended.

        Raises
        ------
        DiskFull, DiskFailed, LedgerFailure: it cannot be written.
        """
        self._look.cancel()
        for held in self._held.values():
            held.timer.cancel()
        try:
            self._chain.close()
        except NativeError as error:
            raise explain_native(error) from error

    # --- work to propose

    def pool_changed(self) -> None:
        """Transactions came or went."""
        for held in list(self._held.values()):
            self._check_again_soon(held)
        asked = self._ancestors
        if asked is None:
            return
        ancestors = self._with_unsealed(asked)
        ordered = sum(self._counts[known][1] for known in ancestors if known in self._counts)
        beyond = self._chain.pool_status()[0] - ordered
        if beyond > 0:
            # More than what is ordered: no need to look which ones.
            self._say_work(pending=True, full=beyond >= BLOCK_COUNT_MAX)
        if self._checking:
            self._check_again = True
        elif beyond <= 0:
            self._checking = True
            self._order.submit(
                "look for work",
                lambda: self._chain.has_executable(ancestors),
                lambda found: self._on_looked(asked, found),
            )

    def _on_looked(self, asked: list[bytes], found: bool) -> None:
        self._checking = False
        # What came meanwhile may be work: only that there is some is certain.
        if asked is self._ancestors and (found or not self._check_again):
            self._say_work(pending=found, full=False)
        if self._check_again:
            self._check_again = False
            self.pool_changed()

    def _say_work(self, pending: bool, full: bool) -> None:
        if (pending, full) != self._said:
            self._said = (pending, full)
            self._shell.push(ins.WorkPending(pending, full))

    def _with_unsealed(self, ancestors: Sequence[bytes]) -> list[bytes]:
        """The replica counts a block as sealed when it asks for the seal; the pool knows only once that is done."""
        return list(dict.fromkeys([*self._unsealed.values(), *ancestors]))

    def _ask_work(self, effect: fx.AskWork) -> None:
        self._ancestors = list(effect.ancestors)
        self._said = None
        self.pool_changed()

    # --- ordering

    def _ask_proposal(self, effect: fx.AskProposal) -> None:
        ancestors = self._with_unsealed(effect.ancestors)

        def propose_now() -> ins.Input:
            refs, count, gas = self._chain.propose(ancestors, self._gas_limit, BLOCK_COUNT_MAX, BLOCK_BYTES_MAX)
            return ins.Proposed(effect.height, effect.parent_hash, refs, keccak256(refs), count, gas)

        self._order.submit("propose", propose_now, self._shell.push)

    def _check_body(self, effect: fx.CheckBody) -> None:
        self._check(effect, self._loop.time())

    def _check(self, effect: fx.CheckBody, since: float) -> None:
        def check_now() -> ins.BodyChecked:
            try:
                self._chain.add_body(encode_order(effect.block), effect.refs)
            except NativeError as error:
                code = native_code(error)
                if not code.startswith(("BODY-", "WIRE-")):
                    raise
                if code == "BODY-MISSING":
                    # None, if the last one came in this moment: then the body is asked for once more.
                    missing = self._chain.missing(effect.refs) or effect.refs
                    return ins.BodyChecked(effect.order_hash, ok=False, missing=missing)
                if self._chain.order_block(effect.order_hash) is not None:  # sync brought and sealed it meanwhile
                    return ins.BodyChecked(effect.order_hash, ok=True)
                return ins.BodyChecked(effect.order_hash, ok=False, reason=str(error.args[1]))
            return ins.BodyChecked(effect.order_hash, ok=True)

        self._order.submit("check and log bodies", check_now, lambda answer: self._on_checked(effect, since, answer))

    def _on_checked(self, effect: fx.CheckBody, since: float, answer: ins.BodyChecked) -> None:
        patience = PATIENCE_BUSY_S if self._admit.waiting else PATIENCE_IDLE_S
        if answer.missing and self._loop.time() < since + patience:
            timer = self._loop.call_later(PATIENCE_IDLE_S, self._check_held, effect.order_hash)
            self._held[effect.order_hash] = _Held(effect, since, timer)
            return
        if answer.ok:
            self._counts[effect.order_hash] = (effect.block.height, effect.block.tx_count)
            self._shell.mark_blocks_dirty()
        self._shell.push(answer)

    def _check_held(self, order_hash: bytes) -> None:
        held = self._held.get(order_hash)
        if held is not None:
            self._check_again_soon(held)

    def _check_again_soon(self, held: _Held) -> None:
        held.timer.cancel()
        del self._held[held.effect.order_hash]
        self._check(held.effect, held.since)

    def _add_payload(self, effect: fx.AddPayload) -> None:
        def add_now() -> None:
            try:
                self._chain.add_bundle(effect.peer, effect.bundle)
            except NativeError as error:  # the block stays without its payload: the replica asks another peer
                if native_code(error).startswith("LOG-"):
                    raise

        self._order.submit("add fetched payloads", add_now, lambda _: self.pool_changed())

    def _serve_payload(self, effect: fx.ServePayload) -> None:
        def payload_now() -> Message:
            return PayloadResponse(effect.order_hash, self._chain.payload(effect.hashes))

        self._serve_one(effect.peer, payload_now)

    def _serve_one(self, peer: int, answer_now: Callable[[], Message]) -> None:
        """Answer one request of a peer; beyond SERVED_AT_ONCE_MAX it is not answered, and the peer asks again."""
        if self._serving.get(peer, 0) >= SERVED_AT_ONCE_MAX:
            return
        self._serving[peer] = self._serving.get(peer, 0) + 1

        def done(message: Message) -> None:
            self._serving[peer] -= 1
            self._shell.send(peer, message)

        self._serve.submit("serve members", answer_now, done)

    # --- execution and sealing, one queue

    def _execute(self, effect: fx.Execute) -> None:
        self._unsealed[effect.height] = effect.order_hash

        def execute_now() -> tuple[ins.Executed, int]:
            height, sealed_hash, _, included = self._chain.execute(effect.order_hash)
            end, following = read_boundary(self._chain, height, effect.order_hash)
            return ins.Executed(height, effect.order_hash, sealed_hash, end, following), included

        def done(result: tuple[ins.Executed, int]) -> None:
            executed, included = result
            self._shell.stages.count_transactions(included)
            self._shell.push(executed)

        self._execute_worker.submit("execute", execute_now, done)

    def _seal(self, effect: fx.Seal) -> None:
        certificate = effect.certificate

        def seal_now() -> int:
            encoded = _native.certificate_encode(
                certificate.epoch, certificate.height, certificate.hash, list(certificate.signatures)
            )
            self._chain.seal(certificate.height, encoded)
            return certificate.height

        self._execute_worker.submit("seal", seal_now, self._on_sealed)

    def _on_sealed(self, height: int) -> None:
        self._unsealed = {known: order_hash for known, order_hash in self._unsealed.items() if known > height}
        self._counts = {order_hash: entry for order_hash, entry in self._counts.items() if entry[0] > height}
        self._shell.on_sealed(height)
        self.pool_changed()
        if self._keep_blocks and height % PRUNE_EVERY_BLOCKS == 0:
            self._prune()

    def _prune(self) -> None:
        """Drop old blocks in portions, so that whoever is served waits for one at most."""

        def prune_now() -> bool:
            oldest, has_more = self._chain.prune(self._keep_blocks)
            if not has_more:
                log.debug("blocks are kept from %d on", oldest)
            return has_more

        def done(has_more: bool) -> None:
            self._is_pruning = has_more
            if has_more:
                self._serve.submit("drop old blocks", prune_now, done)

        if not self._is_pruning:
            done(True)

    def _look_at_checkpoints(self) -> None:
        """Say what became of the last one. No room for it alone is no reason to stop voting."""
        try:
            self._chain.check_checkpoint()
        except NativeError as error:
            explained = explain_native(error)
            if not isinstance(explained, DiskFull):
                self._shell.fail(explained)
                return
            log.warning("no room for a checkpoint: %s", explained.cause, extra={"code": explained.code})
        height, size, _, written, took_ms, held_up_us = self._chain.checkpoint_status()
        if written > self._checkpoints:
            self._checkpoints = written
            log.info(
                "checkpoint of block %d: %d MiB in %.1f s, blocks held up for %.1f ms at most",
                *(height, size >> 20, took_ms / 1_000, held_up_us / 1_000),
            )
        self._look = self._loop.call_later(CHECKPOINT_LOOK_S, self._look_at_checkpoints)

    # --- sync

    def _serve_blocks(self, effect: fx.ServeBlocks) -> None:
        def export_now() -> Message:
            blocks = self._chain.export_blocks(effect.first, effect.count, RANGE_BYTES_MAX)
            return RangeResponse(effect.request, effect.first, tuple(blocks), self._chain.oldest_exported())

        self._serve_one(effect.peer, export_now)

    def _serve_offer(self, effect: fx.ServeOffer) -> None:
        def offer_now() -> Message:
            heights, first, last = self._chain.snapshot_offer()
            return SnapshotOffer(tuple(heights[-OFFERED_HEIGHTS_MAX:]), first, last)

        self._serve_one(effect.peer, offer_now)

    def _serve_snapshot(self, effect: fx.ServeSnapshot) -> None:
        def answer_now() -> Message:
            answer = self._chain.snapshot_answer(effect.peer, effect.height, effect.ask)
            return SnapshotPart(effect.request, answer or b"")

        self._serve_one(effect.peer, answer_now)

    def _import_blocks(self, effect: fx.ImportBlocks) -> None:
        def import_now() -> ins.Imported:
            heads: list[SealedHead] = []
            own_seal = 0
            for block in effect.blocks:
                try:
                    height, _, certificate = self._chain.import_block(block)
                except NativeError as error:
                    if not native_code(error).startswith(("BLOCK-", "BODY-", "WIRE-", "TX-")):
                        raise
                    is_split = native_code(error) == "BLOCK-RESULT"
                    return ins.Imported(
                        effect.request, tuple(heads), f"{native_code(error)}: {error.args[1]}", is_split, own_seal
                    )
                signers = [signer for signer, _ in _native.certificate_decode(certificate)[3]]
                own_seal = height if self._index in signers else own_seal
                heads.append(read_head(self._chain))
            return ins.Imported(effect.request, tuple(heads), own_seal=own_seal)

        def done(answer: ins.Imported) -> None:
            self._shell.mark_blocks_dirty()
            for head in answer.heads:
                self._on_sealed(head.height)
            self._shell.push(answer)

        self._execute_worker.submit("import blocks", import_now, done)


def read_certificate(chain: "Chain", height: int) -> QuorumCertificate | None:
    """The certificate of a sealed block; None for height 0."""
    encoded = chain.certificate(height) if height else None
    if encoded is None:
        return None
    epoch, height, sealed_hash, signatures = _native.certificate_decode(encoded)
    return QuorumCertificate(VoteType.SEAL, epoch, 0, height, sealed_hash, tuple(signatures))


def read_head(chain: "Chain") -> SealedHead:
    """The sealed head as ordering sees it; not for height 0.

    Raises
    ------
    InvalidOrder: the stored order block is damaged.
    """
    height, sealed_hash, order_hash = chain.head()
    found = chain.order_block(order_hash)
    assert found is not None, "the head's own order block is in the log"
    return SealedHead(
        height, sealed_hash, order_hash, decode_order(found[0]), *read_boundary(chain, height, order_hash)
    )


PERFORM: dict[type[Any], Callable[[LedgerWork, Any], None]] = {
    fx.AskProposal: LedgerWork._ask_proposal,
    fx.AskWork: LedgerWork._ask_work,
    fx.CheckBody: LedgerWork._check_body,
    fx.AddPayload: LedgerWork._add_payload,
    fx.ServePayload: LedgerWork._serve_payload,
    fx.Execute: LedgerWork._execute,
    fx.Seal: LedgerWork._seal,
    fx.ServeBlocks: LedgerWork._serve_blocks,
    fx.ServeOffer: LedgerWork._serve_offer,
    fx.ServeSnapshot: LedgerWork._serve_snapshot,
    fx.ImportBlocks: LedgerWork._import_blocks,
}
