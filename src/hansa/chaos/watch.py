"""What clients see of an alliance under torment, and the transactions that keep it busy."""

import asyncio
import time
from collections.abc import Collection
from random import Random

from hansa.bench.errors import Unreachable
from hansa.bench.own_alliance import CHAIN_ID
from hansa.chaos.alliance import ChaosAlliance
from hansa.chaos.client import Client
from hansa.crypto.suite import generate_key_pair
from hansa.sdk.signing import Intent, Signed, sign_parallel
from hansa.sim.checkers.violation import Violation

LOOKS_PER_SECOND = 40.0  # at all nodes together: how finely gaps are seen
LOOK_S_MAX = 1.0
SEND_S_MAX = 1.0
SELF_S, STILL_S = 0.1, 0.7  # how often, and how much too late, this process must wake to have stood still
SENDING_MAX = 256
GAS = 21_000
RECENT_MAX = 256  # finals looked through to find a moment of the last second


class Watch:
    """Asks every node again and again for its latest block.

    Parameters
    ----------
    honest: places that must agree; others are looked at, and not believed.
    """

    def __init__(self, clients: list[Client], honest: Collection[int]) -> None:
        self.heights = [0] * len(clients)  # last seen, by place
        self.sealed: dict[int, str] = {}  # height -> hash, everything an honest node ever showed as final
        self.finals: list[tuple[float, int]] = [(time.monotonic(), 0)]  # when the best height was seen to grow
        self.violation: Violation | None = None
        self.stills: list[tuple[float, float]] = []  # when this very process stood still, and saw nothing
        self._honest = frozenset(honest)
        self._clients = clients
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def best(self) -> int:
        """The highest final height seen."""
        return self.finals[-1][1]

    def start(self) -> None:
        """Begin to look."""
        self._tasks = [asyncio.create_task(self._follow(place)) for place in range(len(self._clients))]
        self._tasks.append(asyncio.create_task(self._watch_self()))

    async def stop(self) -> None:
        """Look no more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _follow(self, place: int) -> None:
        pause_s = len(self._clients) / LOOKS_PER_SECOND
        await asyncio.sleep(pause_s * place / len(self._clients))
        while True:
            try:
                answer = await self._clients[place].call("eth_getBlockByNumber", "latest", False, patience_s=LOOK_S_MAX)
                if isinstance(answer.result, dict):
                    self.note(place, int(answer.result["number"], 16), str(answer.result["hash"]))
            except Unreachable:
                pass  # dead or cut off: that is what faults are for
            await asyncio.sleep(pause_s)

    async def _watch_self(self) -> None:
        while True:
            before_s = time.monotonic()
            await asyncio.sleep(SELF_S)
            if time.monotonic() - before_s > SELF_S + STILL_S:
                self.stills.append((before_s, time.monotonic()))

    def was_still(self, since_s: float, until_s: float) -> bool:
        """Whether this process stood still at some time between two moments: then it measured itself."""
        return any(before < until_s and since_s < after for before, after in self.stills)

    def note(self, place: int, height: int, block_hash: str) -> None:
        """A node shows a block as final."""
        self.heights[place] = height
        if place not in self._honest:
            return
        known = self.sealed.setdefault(height, block_hash)
        if known != block_hash:
            what = f"place {place} shows {block_hash} at height {height}, where {known} was final"
            self.violation = self.violation or Violation("agreement", what)
        if height > self.best:
            self.finals.append((time.monotonic(), height))

    def places_at(self, moment_s: float) -> list[int]:
        """The places that show at least what was the best height at that moment."""
        before = [height for at_s, height in self.finals[-RECENT_MAX:] if at_s <= moment_s]
        least = before[-1] if before else 0
        return [place for place, height in enumerate(self.heights) if height >= least]

    def longest_gap_s(self, since_s: float, until_s: float) -> float:
        """The longest time without a new final block between two moments of the monotonic clock.

        Times in which this process itself stood still are left out: they tell nothing of the alliance.
        """
        moments = [since_s, *(at_s for at_s, _ in self.finals if since_s < at_s < until_s), until_s]
        pairs = zip(moments, moments[1:], strict=False)
        return max((after - before for before, after in pairs if not self.was_still(before, after)), default=0.0)


class Load:
    """Small transactions at a steady rate, each to a node drawn anew, so that blocks go on.

    They are of type 0x48, so that one that is lost with a node holds no other up.
    """

    def __init__(
        self, alliance: ChaosAlliance, watch: Watch, rate: float, gateways: Collection[int], seed: int
    ) -> None:
        self.accepted: dict[str, float] = {}  # transaction -> when a node took it
        self._alliance = alliance
        self._watch = watch
        self._pause_s = 1.0 / rate
        self._gateways = sorted(gateways)
        self._draw = Random(f"load/{seed}")
        self._key = generate_key_pair()
        self._running: set[asyncio.Task[None]] = set()
        self._main: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to send."""
        self._main = asyncio.create_task(self._send_all())

    async def stop(self) -> None:
        """Send no more."""
        tasks = [task for task in (self._main, *self._running) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def sign(self) -> Signed:
        """A transaction that was never sent."""
        intent = Intent(to=self._draw.randbytes(20))
        return sign_parallel(self._key, intent, chain_id=CHAIN_ID, gas_price=0, height=self._watch.best, gas=GAS)

    async def _send_all(self) -> None:
        due_s = time.monotonic()
        while True:
            due_s += self._pause_s
            await asyncio.sleep(max(0.0, due_s - time.monotonic()))
            if len(self._running) < SENDING_MAX:
                task = asyncio.create_task(self._send(self.sign()))
                self._running.add(task)
                task.add_done_callback(self._running.discard)

    async def _send(self, signed: Signed) -> None:
        gateway = self._alliance.clients[self._draw.choice(self._gateways)]
        try:
            answer = await gateway.call("eth_sendRawTransaction", "0x" + signed.raw.hex(), patience_s=SEND_S_MAX)
        except Unreachable:
            return
        if answer.error is None:
            self.accepted["0x" + signed.hash.hex()] = time.monotonic()
