"""Finding the highest rate that is sustained."""

import math
from collections.abc import Awaitable, Callable

STEP = 1.15
BISECTIONS = 3
TRIALS_MAX = 64


async def find_highest(is_sustained: Callable[[float], Awaitable[bool]], start: float) -> float | None:
    """The highest rate that is sustained: by steps of `STEP` from `start`, downwards if need be, then bisected.

    Returns None when nothing down to a sixteenth of `start` is.
    """
    good, bad = 0.0, math.inf
    rate = start
    for _ in range(TRIALS_MAX):
        if await is_sustained(rate):
            good = rate
            if bad < math.inf:
                break
            rate *= STEP
        else:
            bad = rate
            if good > 0:
                break
            rate /= 2
            if rate < start / 16:
                return None
    for _ in range(BISECTIONS):
        if bad == math.inf:
            break
        middle = (good + bad) / 2
        if await is_sustained(middle):
            good = middle
        else:
            bad = middle
    return good
