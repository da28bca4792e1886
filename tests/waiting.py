"""Waiting for a condition with a deadline, for tests that run real sockets or processes."""

import asyncio
import time
from collections.abc import Callable

POLL_S = 0.01


def wait_until(condition: Callable[[], object], deadline_s: float, what: str) -> None:
    """Poll `condition` until it holds. Raises AssertionError naming `what` when it does not within the deadline."""
    end = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < end, f"not within {deadline_s} s: {what}"
        time.sleep(POLL_S)


async def eventually(condition: Callable[[], object], deadline_s: float, what: str) -> None:
    """Poll `condition` on the event loop until it holds. Raises AssertionError when it does not within the deadline."""
    end = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < end, f"not within {deadline_s} s: {what}"
        await asyncio.sleep(POLL_S)
