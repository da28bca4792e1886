"""Transactions on their way into the pool: bodies that arrive while one batch is admitted form the next batch.

So signatures are recovered in parallel, off the event loop, and one busy client costs one thread hop per batch.
"""

import asyncio
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from hansa.api.errors import Busy
from hansa.api.options import SENDS_WAITING_BYTES_MAX
from hansa.types.ports import NodeView

Batch = list[tuple[bytes, asyncio.Future[bytes | None]]]

_BODIES_PER_BATCH_MAX = 512
_BYTES_PER_BATCH_MAX = 8 * 1024 * 1024


class SendGate:
    """The one way of request bodies that contain transactions."""

    def __init__(self, node: NodeView) -> None:
        self._node = node
        self._waiting: deque[tuple[bytes, asyncio.Future[bytes | None]]] = deque()
        self._waiting_bytes = 0
        self._drain: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="rpc-send")

    async def answer(self, body: bytes) -> bytes | None:
        """The native answer to a body with transactions; `None` when Python must answer part of it.

        Raises
        ------
        Busy: too many bodies wait.
        """
        if self._waiting_bytes + len(body) > SENDS_WAITING_BYTES_MAX:
            raise Busy("too many transactions wait for admission", "send again in a moment")
        future: asyncio.Future[bytes | None] = asyncio.get_running_loop().create_future()
        self._waiting.append((body, future))
        self._waiting_bytes += len(body)
        if self._drain is None:
            self._drain = asyncio.create_task(self._run())
        return await future

    def close(self) -> None:
        """Let the worker thread end; what waits is not admitted."""
        if self._drain is not None:
            self._drain.cancel()
        for _, future in self._waiting:
            future.cancel()
        self._waiting.clear()
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self._waiting:
                batch = self._take()
                bodies = [body for body, _ in batch]
                work = loop.run_in_executor(self._thread, self._node.rpc.handle_many, bodies)
                work.add_done_callback(partial(self._deliver, batch))
                await asyncio.wait((work,))
        finally:
            self._drain = None

    def _deliver(self, batch: Batch, work: asyncio.Future[list[bytes | None]]) -> None:
        self._waiting_bytes -= sum(len(body) for body, _ in batch)
        failure = asyncio.CancelledError() if work.cancelled() else work.exception()
        if failure is None:
            self._node.kick()
        for index, (_, future) in enumerate(batch):
            if future.done():
                continue
            if failure is not None:
                future.set_exception(failure)
            else:
                future.set_result(work.result()[index])

    def _take(self) -> Batch:
        batch = [self._waiting.popleft()]
        size = len(batch[0][0])
        while self._waiting and len(batch) < _BODIES_PER_BATCH_MAX:
            size += len(self._waiting[0][0])
            if size > _BYTES_PER_BATCH_MAX:
                break
            batch.append(self._waiting.popleft())
        return batch
