"""Where a node's processor time goes: one counter per stage, and how late the event loop is.

A stage is a kind of work in one of the node's threads. What it took is the thread's own processor time, so waiting,
other threads and other processes do not count, and the stages can be compared with the time of the whole process.
"""

import asyncio
import threading
import time
from bisect import bisect_left
from collections.abc import Callable
from typing import TypeVar

from hansa.types.ports import LoopLag, Stage, StageReport

Result = TypeVar("Result")

LAG_EVERY_S = 0.050
LAG_BOUNDS_MS = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1_000.0)
LOOP_REST = "loop: links, HTTP, timers"
PROCESS_REST = "process: everything else"


class StageClock:
    """The stages of one node. Made on the event loop's thread; `measure` works in any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._calls: dict[str, int] = {}
        self._ns: dict[str, int] = {}
        self._loop_stages: set[str] = set()
        self._loop_thread = threading.get_ident()
        self._transactions = 0
        self._lag_counts = [0] * (len(LAG_BOUNDS_MS) + 1)
        self._lag_due = 0.0
        self._lag_timer: asyncio.TimerHandle | None = None

    def measure(self, stage: str, work: Callable[[], Result]) -> Result:
        """Do `work` and count its processor time under `stage`."""
        began = time.thread_time_ns()
        try:
            return work()
        finally:
            self._add(stage, time.thread_time_ns() - began)

    def _add(self, stage: str, ns: int) -> None:
        with self._lock:
            self._calls[stage] = self._calls.get(stage, 0) + 1
            self._ns[stage] = self._ns.get(stage, 0) + ns
            if threading.get_ident() == self._loop_thread:
                self._loop_stages.add(stage)

    def count_transactions(self, count: int) -> None:
        """Note that `count` transactions were executed."""
        self._transactions += count

    def start(self) -> None:
        """Begin to watch how late the event loop is."""
        loop = asyncio.get_running_loop()
        self._lag_due = loop.time() + LAG_EVERY_S
        self._lag_timer = loop.call_at(self._lag_due, self._note_lag, loop)

    def close(self) -> None:
        """Set no further timer."""
        if self._lag_timer is not None:
            self._lag_timer.cancel()

    def _note_lag(self, loop: asyncio.AbstractEventLoop) -> None:
        late_ms = (loop.time() - self._lag_due) * 1_000
        self._lag_counts[bisect_left(LAG_BOUNDS_MS, late_ms)] += 1
        self._lag_due = loop.time() + LAG_EVERY_S
        self._lag_timer = loop.call_at(self._lag_due, self._note_lag, loop)

    def report(self) -> StageReport:
        """All stages since the start, the dearest first; two rows make their sum the process's time."""
        with self._lock:
            ns = dict(self._ns)
            calls = dict(self._calls)
        in_loop = sum(ns[name] for name in self._loop_stages)
        whole_loop = time.clock_gettime_ns(time.pthread_getcpuclockid(self._loop_thread))
        ns[LOOP_REST] = max(0, whole_loop - in_loop)
        process = time.process_time_ns()
        ns[PROCESS_REST] = max(0, process - sum(ns.values()))
        rows = sorted(ns, key=lambda name: (-ns[name], name))
        return StageReport(
            transactions=self._transactions,
            process_cpu_us=process // 1_000,
            stages=tuple(Stage(name, calls.get(name, 0), ns[name] // 1_000) for name in rows),
            loop_lag=LoopLag(LAG_BOUNDS_MS, tuple(self._lag_counts)),
        )
