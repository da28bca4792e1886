"""How fast and how often: token buckets, the handshake limit per address, bans, the reconnect delay.

Times are microseconds of any monotonic clock; drawn numbers are given by the caller.
"""

from collections import OrderedDict
from collections.abc import Collection

from hansa.network.errors import RefusedPeer

MICROSECONDS = 1_000_000
ADDRESSES_MAX = 1024
HANDSHAKES_AT_ONCE_MAX = 64
STRANGERS_AT_ONCE_MAX = 32  # handshakes of addresses that no peer has; the rest stays free for those that one has
BAN_MIN_US = 10 * MICROSECONDS
BAN_MAX_US = 600 * MICROSECONDS
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


class Bans:
    """Which peers are kept out, and until when. Each ban of a peer is twice as long as the one before, to a limit, so
    that a machine whose memory failed once is back soon and a liar costs next to nothing."""

    def __init__(self) -> None:
        self._until_us: dict[int, int] = {}
        self._length_us: dict[int, int] = {}

    def add(self, peer: int, now_us: int) -> int:
        """Ban a peer from now on; returns for how many microseconds."""
        length_us = min(2 * self._length_us.get(peer, BAN_MIN_US // 2), BAN_MAX_US)
        self._length_us[peer] = length_us
        self._until_us[peer] = now_us + length_us
        return length_us

    def check(self, peer: int, now_us: int) -> None:
        """Let a peer pass that is not banned.

        Raises
        ------
        RefusedPeer: it is.
        """
        left_us = self.left_us(peer, now_us)
        if left_us:
            raise RefusedPeer(f"validator {peer} is banned for {left_us // MICROSECONDS + 1} seconds more")

    def left_us(self, peer: int, now_us: int) -> int:
        """For how many microseconds more the peer is kept out; 0 = it is not."""
        return max(0, self._until_us.get(peer, 0) - now_us)


def is_crowded(under_way: Collection[str], host: str, known: Collection[str]) -> bool:
    """Whether there is no room for a handshake more.

    Parameters
    ----------
    under_way: the hosts of those that go on. known: hosts of peers, for which room is left.
    """
    if len(under_way) >= HANDSHAKES_AT_ONCE_MAX:
        return True
    return host not in known and sum(other not in known for other in under_way) >= STRANGERS_AT_ONCE_MAX


def compute_reconnect_delay_us(attempt: int, drawn: float) -> int:
    """Delay before dial number `attempt` (0-based) of a row of failures: doubles from 0.1 s to 10 s, times 0.5 … 1.

    drawn: a random number in [0, 1), so that nodes which fail together do not dial together.
    """
    delay = min(RECONNECT_DELAY_MAX_US, RECONNECT_DELAY_MIN_US << min(attempt, 10))
    return int(delay * (0.5 + drawn / 2))
