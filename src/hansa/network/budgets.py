"""How fast and how often: token buckets, the handshake limit per address, bans, the reconnect delay.

Times are microseconds of any monotonic clock; drawn numbers are given by the caller.
"""

from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass

from hansa.network.errors import RefusedPeer

MICROSECONDS = 1_000_000
ADDRESSES_MAX = 1024
HANDSHAKES_AT_ONCE_MAX = 64
STRANGERS_AT_ONCE_MAX = 32  # handshakes of addresses that no peer has; the rest stays free for those that one has
STRANGER_AT_ONCE_MAX = 4  # of one such address: a member that moved opens so many lanes
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


@dataclass(frozen=True, slots=True)
class Crowd:
    """How many handshakes may go on at once."""

    all_max: int = HANDSHAKES_AT_ONCE_MAX
    strangers_max: int = STRANGERS_AT_ONCE_MAX
    stranger_max: int = STRANGER_AT_ONCE_MAX

    def is_full(self, under_way: Collection[str], host: str, known: Collection[str]) -> bool:
        """Whether there is no room for a handshake more.

        Parameters
        ----------
        under_way: the hosts of those that go on. known: hosts of peers, for which room is left.
        """
        if len(under_way) >= self.all_max:
            return True
        if host in known:
            return False
        strangers = [other for other in under_way if other not in known]
        return len(strangers) >= self.strangers_max or strangers.count(host) >= self.stranger_max


class KnownHosts:
    """The addresses of peers: those configured, those that their names stand for, the last that each came from."""

    def __init__(self) -> None:
        self._configured: dict[int, str] = {}
        self._resolved: dict[int, frozenset[str]] = {}
        self._came_from: dict[int, str] = {}
        self.hosts: frozenset[str] = frozenset()

    def change_peers(self, configured: dict[int, str]) -> None:
        """Know these peers alone from now on."""
        self._configured = dict(configured)
        self._resolved = {peer: hosts for peer, hosts in self._resolved.items() if peer in configured}
        self._came_from = {peer: host for peer, host in self._came_from.items() if peer in configured}
        self._collect()

    def on_resolved(self, peer: int, hosts: Collection[str]) -> None:
        """A peer's configured name stands for these addresses now."""
        if self._resolved.get(peer) != frozenset(hosts) and peer in self._configured:
            self._resolved[peer] = frozenset(hosts)
            self._collect()

    def on_came(self, peer: int, host: str) -> None:
        """A peer proved who it is on a connection from there."""
        if self._came_from.get(peer) != host and peer in self._configured:
            self._came_from[peer] = host
            self._collect()

    def _collect(self) -> None:
        self.hosts = frozenset(self._configured.values()).union(self._came_from.values(), *self._resolved.values())


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


def compute_reconnect_delay_us(attempt: int, drawn: float) -> int:
    """Delay before dial number `attempt` (0-based) of a row of failures: doubles from 0.1 s to 10 s, times 0.5 … 1.

    drawn: a random number in [0, 1), so that nodes which fail together do not dial together.
    """
    delay = min(RECONNECT_DELAY_MAX_US, RECONNECT_DELAY_MIN_US << min(attempt, 10))
    return int(delay * (0.5 + drawn / 2))
