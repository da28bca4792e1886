"""Transactions on their way: into the pool in batches, and out again as receipts that are about to exist.

Bodies that arrive while one batch is admitted form the next batch. So signatures are recovered in parallel, off the
event loop, and one busy client costs one thread hop per batch.
"""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from hansa.api.errors import Busy
from hansa.api.options import SENDS_WAITING_BYTES_MAX
from hansa.types.ports import NodeView

_BODIES_PER_BATCH_MAX = 512
_BYTES_PER_BATCH_MAX = 512 * 1024  # about 2,000 transfers: room is looked for between batches

POOL_CROWDED = 16_384  # executable transactions, four of the largest blocks; from here on senders are slowed down
_ROOM_WAIT_S = 1.0  # from a body's arrival on; then it is refused

_ASKS = b"eth_getTransactionReceipt"
_NOTHING = b'"result":null'
_HOLD_S = 0.3
_BODY_BYTES_MAX = 8 * 1024
HELD_MAX = 1024  # questions held back at once; further ones are answered as things stand


async def look_at_each_block(node: NodeView, seconds: float) -> AsyncIterator[None]:
    """Yield at once, and again whenever a block was sealed, for `seconds`; then once more, and end."""
    deadline_s = time.monotonic() + seconds
    height = node.chain.head()[0]
    while True:
        yield
        left_s = deadline_s - time.monotonic()
        if left_s <= 0:
            return
        height = await node.wait_sealed(height, left_s)


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A body that is to be looked at."""

    body: bytes
    answer: asyncio.Future[bytes | None]
    arrived_s: float  # monotonic clock


Batch = list[_Waiting]


class SendGate:
    """The one way of request bodies that contain transactions."""

    def __init__(self, node: NodeView) -> None:
        self._node = node
        self._waiting: deque[_Waiting] = deque()
        self._waiting_bytes = 0
        self._drain: asyncio.Task[None] | None = None
        self.awaited = 0  # receipts that clients wait for
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="rpc-send")

    async def answer(self, body: bytes) -> bytes | None:
        """The native answer to a body with transactions; `None` when Python must answer part of it.

        Raises
        ------
        Busy: too many bodies wait, or this one found no room in its time.
        """
        if self._waiting_bytes + len(body) > SENDS_WAITING_BYTES_MAX:
            raise Busy("too many transactions wait for admission", "send again in a moment")
        future: asyncio.Future[bytes | None] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(body, future, time.monotonic()))
        self._waiting_bytes += len(body)
        if self._drain is None:
            self._drain = asyncio.create_task(self._run())
        return await future

    def close(self) -> None:
        """Let the worker thread end; what waits is not admitted."""
        if self._drain is not None:
            self._drain.cancel()
        for one in self._waiting:
            one.answer.cancel()
        self._waiting.clear()
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self._waiting:
                if not await self._has_room():
                    self._refuse_oldest()
                    continue
                batch = self._take()
                bodies = [one.body for one in batch]
                work = loop.run_in_executor(
                    self._thread,
                    self._node.stages.measure,
                    "admit own transactions",
                    partial(self._node.rpc.handle_many, bodies),
                )
                work.add_done_callback(partial(self._deliver, batch))
                await asyncio.wait((work,))
        finally:
            self._drain = None

    async def _has_room(self) -> bool:
        """Hold senders back while more waits in the pool than a few blocks take: an alliance that is asked too much
        goes on at its own speed instead of spending it on what it must refuse. False when the time of the body that
        came first is over."""
        left_s = self._waiting[0].arrived_s + _ROOM_WAIT_S - time.monotonic()
        async for _ in look_at_each_block(self._node, left_s):
            if self._node.chain.pool_status()[0] < POOL_CROWDED:
                return True
        return False

    def _refuse_oldest(self) -> None:
        """Answer those whose time is over, without a look at them: signatures are what refusing would cost."""
        before_s = max(self._waiting[0].arrived_s, time.monotonic() - _ROOM_WAIT_S)
        while self._waiting and self._waiting[0].arrived_s <= before_s:
            one = self._waiting.popleft()
            self._waiting_bytes -= len(one.body)
            if not one.answer.done():
                one.answer.set_exception(Busy("blocks make no room in the pool", "send it again in a moment"))

    def _deliver(self, batch: Batch, work: asyncio.Future[list[bytes | None]]) -> None:
        self._waiting_bytes -= sum(len(one.body) for one in batch)
        failure = asyncio.CancelledError() if work.cancelled() else work.exception()
        if failure is None:
            self._node.kick()
        for index, one in enumerate(batch):
            if one.answer.done():
                continue
            if failure is not None:
                one.answer.set_exception(failure)
            else:
                one.answer.set_result(work.result()[index])

    def _take(self) -> Batch:
        batch = [self._waiting.popleft()]
        size = len(batch[0].body)
        while self._waiting and len(batch) < _BODIES_PER_BATCH_MAX:
            size += len(self._waiting[0].body)
            if size > _BYTES_PER_BATCH_MAX:
                break
            batch.append(self._waiting.popleft())
        return batch


class ReceiptHold:
    """Asks again, as blocks are sealed, for receipts of transactions that are under way.

    Some clients (ethers 6) ask once after sending, keep "no receipt yet" for 250 ms and then wait for the *next* block.
    On an idle alliance the only block falls into those 250 ms and no next one comes: they would wait for ever. Holding
    "no receipt yet" back for a little longer than they keep it ends that, and saves everybody a poll.
    """

    def __init__(self, node: NodeView) -> None:
        self._node = node
        self._held = 0

    async def answer(self, body: bytes, ask: Callable[[bytes], Awaitable[bytes | None]]) -> bytes | None:
        """The answer to a body without side effects; `ask` gives it as things stand."""
        if _ASKS not in body or len(body) > _BODY_BYTES_MAX or self._held >= HELD_MAX:
            return await ask(body)
        answer: bytes | None = None
        self._held += 1
        try:
            async for _ in look_at_each_block(self._node, _HOLD_S):
                answer = await ask(body)
                if answer is None or _NOTHING not in answer or not self._is_under_way():
                    break
        finally:
            self._held -= 1
        return answer

    def _is_under_way(self) -> bool:
        return self._node.chain.pool_status()[0] > 0
