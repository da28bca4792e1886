"""A thread with a queue for native work: what is submitted to it happens in that order, results return to the loop."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Result = TypeVar("Result")


class Worker:
    """One thread; results return to the event loop."""

    def __init__(self, name: str, on_error: Callable[[BaseException], None]) -> None:
        """`on_error` is called on the event loop with whatever a piece of work raised."""
        self._on_error = on_error
        self._loop = asyncio.get_running_loop()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)
        self.waiting = 0  # pieces of work submitted and not finished

    def submit(self, work: Callable[[], Result], then: Callable[[Result], None]) -> None:
        """Do `work` in the thread, then call `then` with its result on the event loop."""
        self.waiting += 1
        future = self._thread.submit(work)
        future.add_done_callback(lambda done: self._loop.call_soon_threadsafe(self._finish, done, then))

    def _finish(self, done: "Future[Result]", then: Callable[[Result], None]) -> None:
        self.waiting -= 1
        if done.cancelled():
            return
        error = done.exception()
        if error is not None:
            self._on_error(error)
        else:
            then(done.result())

    def close(self) -> None:
        """Drop what waits and wait for the piece under way, in the calling thread."""
        self._thread.shutdown(wait=True, cancel_futures=True)
