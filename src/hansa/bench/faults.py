"""One validator that does not do its part while the others are measured."""

import os
import signal
import threading
from abc import ABC, abstractmethod

from hansa.bench.own_alliance import OwnNode

SLOW_STOPPED_S = 0.2  # a slow node stands still for so long,
SLOW_RUNNING_S = 0.05  # and then works for so long


class Fault(ABC):
    """What is wrong with one node from `begin` to `end`."""

    def __init__(self, node: OwnNode) -> None:
        self.node = node

    @abstractmethod
    def begin(self) -> None:
        """Break it."""

    @abstractmethod
    def end(self) -> None:
        """Let it go; the alliance is stopped after this."""


class Stopped(Fault):
    """A node that is not there."""

    def begin(self) -> None:
        """Stop its process."""
        self.node.stop()

    def end(self) -> None:
        """It stays away."""


class Slow(Fault):
    """A node that stands still four fifths of the time, so that it answers up to 200 ms late."""

    def __init__(self, node: OwnNode) -> None:
        super().__init__(node)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._hold_up, name="slow node", daemon=True)

    def begin(self) -> None:
        """Hold the process up again and again."""
        self._thread.start()

    def end(self) -> None:
        """Let the process run."""
        self._over.set()
        self._thread.join()

    def _hold_up(self) -> None:
        assert self.node.process is not None
        pid = self.node.process.pid
        while not self._over.is_set():
            os.kill(pid, signal.SIGSTOP)
            self._over.wait(SLOW_STOPPED_S)
            os.kill(pid, signal.SIGCONT)
            self._over.wait(SLOW_RUNNING_S)


FAULTS: dict[str, type[Fault]] = {"stopped": Stopped, "slow": Slow}
