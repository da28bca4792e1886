"""A thread with a queue for native work: what is submitted to it happens in that order, results return to the loop.

What fails because the disk is full is done again until there is room, and everything behind it waits.
"""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from hansa._native import NativeError
from hansa.io.stages import StageClock

Result = TypeVar("Result")

RETRY_FULL_S = 1.0


class Worker:
    """One thread; results return to the event loop."""

    def __init__(
        self,
        name: str,
        stages: StageClock,
        on_error: Callable[[BaseException], None],
        is_passing: Callable[[NativeError], bool],
    ) -> None:
        """`on_error` is called on the event loop with whatever a piece of work raised.

        Parameters
        ----------
        is_passing: whether a native error will pass, so that the work is to be done again; called in the thread.
        """
        self._on_error = on_error
        self._stages = stages
        self._is_passing = is_passing
        self._closing = threading.Event()
        self._loop = asyncio.get_running_loop()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)
        self.waiting = 0  # pieces of work submitted and not finished

    def submit(self, stage: str, work: Callable[[], Result], then: Callable[[Result], None]) -> None:
        """Do `work` in the thread, counted under `stage`, then call `then` with its result on the event loop."""
        self.waiting += 1
        future = self._thread.submit(self._do, stage, work)
        future.add_done_callback(lambda done: self._loop.call_soon_threadsafe(self._finish, done, then))

    def _do(self, stage: str, work: Callable[[], Result]) -> Result:
        while True:
            try:
                return self._stages.measure(stage, work)
            except NativeError as error:
                if not self._is_passing(error) or self._closing.wait(RETRY_FULL_S):
                    raise

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
        self._closing.set()
        self._thread.shutdown(wait=True, cancel_futures=True)
