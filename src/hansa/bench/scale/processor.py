"""Simulated processors: cores that are shared fairly by all threads that have work, as an operating system does.

Each thread does one piece of work after the other, in the order in which it was given them. While more threads have
work than there are cores, all of them get the same share (egalitarian processor sharing).
"""

import heapq
import math
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol

ROUNDING_US = 1e-6


class Timeline(Protocol):
    """Virtual time, as `hansa.sim.world.World` keeps it."""

    now_us: int

    def at(self, at_us: int, act: Callable[[Any], None], argument: object) -> None:
        """Do something later."""


class Processor:
    """The cores of one machine.

    Parameters
    ----------
    cores: of the machine; a fraction where others keep a part of them.
    rivals: threads of others that always have work and take their fair share.
    """

    def __init__(self, timeline: Timeline, cores: float, rivals: float = 0.0) -> None:
        self._timeline = timeline
        self._cores = cores
        self._rivals = rivals
        self._served_us = 0.0  # what a thread that always had work would have been given so far
        self._since_us = 0
        self._ends: list[tuple[float, int, Thread]] = []  # by the value of `_served_us` at which work is done
        self._count = 0
        self._planned_us = -1

    def begin(self, thread: "Thread", cost_us: float) -> None:
        """A thread begins a piece of work."""
        self._advance()
        self._count += 1
        heapq.heappush(self._ends, (self._served_us + cost_us, self._count, thread))
        self._plan()

    def _rate(self) -> float:
        return min(1.0, self._cores / (len(self._ends) + self._rivals))

    def _advance(self) -> None:
        now_us = self._timeline.now_us
        if self._ends:
            self._served_us += (now_us - self._since_us) * self._rate()
        self._since_us = now_us

    def _plan(self) -> None:
        """Look again when the next piece of work is done."""
        if not self._ends:
            self._planned_us = -1
            return
        left_us = max(0.0, self._ends[0][0] - self._served_us) / self._rate()
        due_us = self._since_us + math.ceil(left_us - ROUNDING_US)
        if due_us != self._planned_us:
            self._planned_us = due_us
            self._timeline.at(due_us, self._look, due_us)

    def _look(self, due_us: int) -> None:
        if due_us != self._planned_us:
            return  # planned anew since
        self._planned_us = -1
        self._advance()
        done = []
        while self._ends and self._ends[0][0] <= self._served_us + ROUNDING_US:
            done.append(heapq.heappop(self._ends)[2])
        for thread in done:
            thread.finish()
        self._advance()
        self._plan()


class Thread:
    """One thread of one node."""

    def __init__(self, processor: Processor) -> None:
        self._processor = processor
        self._todo: deque[tuple[float, Callable[[Any], None], Any]] = deque()
        self.spent_us = 0.0  # processor time so far

    @property
    def waiting(self) -> int:
        """Pieces of work that are not done."""
        return len(self._todo)

    def do(self, cost_us: float, act: Callable[[Any], None], argument: object) -> None:
        """Work for so many microseconds of processor time once everything earlier is done, then `act`."""
        self._todo.append((cost_us, act, argument))
        if len(self._todo) == 1:
            self._processor.begin(self, cost_us)

    def finish(self) -> None:
        """The piece of work under way is done."""
        cost_us, act, argument = self._todo[0]
        self.spent_us += cost_us
        act(argument)
        self._todo.popleft()
        if self._todo:
            self._processor.begin(self, self._todo[0][0])
