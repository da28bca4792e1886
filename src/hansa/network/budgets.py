"""How fast and how often: token buckets, the handshake limit per address, the reconnect delay.

Times are microseconds of any monotonic clock; drawn numbers are given by the caller.
"""

from collections import OrderedDict

MICROSECONDS = 1_000_000
ADDRESSES_MAX = 1024
RECONNECT_DELAY_MIN_US = 100_000
RECONNECT_DELAY_MAX_US = 10 * MICROSECONDS


class TokenBucket:
    """Allows `rate` units per second on average and `burst` at once."""

    __slots__ = ("_filled_us", "_tokens", "burst", "rate")

    def __init__(self, rate: float, burst: float, now_us: int) -> None:
        self.rate = rate
        self.burst = burst
        self._tokens = burst
        self._filled_us = now_us

    def take(self, now_us: int, amount: float = 1.0) -> bool:
        """Take `amount` units if they are there; returns whether they were."""
        elapsed = max(0, now_us - self._filled_us)
        self._tokens = min(self.burst, self._tokens + elapsed * self.rate / MICROSECONDS)
        self._filled_us = max(now_us, self._filled_us)
        if self._tokens < amount:
            return False
        self._tokens -= amount
        return True


class HandshakeLimit:
    """Bounds how many connections one remote address may open; remembers at most ADDRESSES_MAX addresses."""

    def __init__(self, rate: float, burst: float) -> None:
        self._rate = rate
        self._burst = burst
        self._buckets: OrderedDict[str, TokenBucket] = OrderedDict()

    def is_allowed(self, address: str, now_us: int) -> bool:
        """Count one attempt of `address`; returns whether it may proceed."""
        bucket = self._buckets.get(address)
        if bucket is None:
            bucket = self._buckets[address] = TokenBucket(self._rate, self._burst, now_us)
            if len(self._buckets) > ADDRESSES_MAX:
                self._buckets.popitem(last=False)
        self._buckets.move_to_end(address)
        return bucket.take(now_us)


def compute_reconnect_delay_us(attempt: int, drawn: float) -> int:
    """Delay before dial number `attempt` (0-based) of a row of failures: doubles from 0.1 s to 10 s, times 0.5 … 1.

    drawn: a random number in [0, 1), so that nodes which fail together do not dial together.
    """
    delay = min(RECONNECT_DELAY_MAX_US, RECONNECT_DELAY_MIN_US << min(attempt, 10))
    return int(delay * (0.5 + drawn / 2))
