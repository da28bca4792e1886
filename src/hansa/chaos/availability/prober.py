"""Probes from outside: a tiny transaction each second, to a random gateway, with one other gateway to fall back on.

A probe is good when a client saw it final within the limit and read it at another node as well. Gateways are drawn from
the nodes that a load balancer would choose from: those that a second ago showed the highest block. What is sent to the
second gateway are the same bytes, so that a probe counts once whatever became of the first attempt.
"""

import asyncio
import time
from random import Random

import msgspec

from hansa.bench.errors import Unreachable
from hansa.chaos.alliance import ChaosAlliance
from hansa.chaos.client import Client
from hansa.chaos.watch import Load, Watch

LIMIT_S = 2.0  # on one machine or in a LAN
ANSWER_S = 0.4  # patience with a gateway that says nothing
FALL_BACK_S = 1.0  # patience with a gateway that took the transaction, which does not become final
BEHIND_S = 1.0
GIVE_UP_S = 30.0  # how long a probe that is bad already is followed, to tell late from lost
_POLL_S = 0.02


class Probe(msgspec.Struct, frozen=True):
    """What became of one probe."""

    at_s: float  # since the soak began
    transaction: str
    gateways: tuple[int, ...]  # places it was sent to
    final_ms: int  # from when it was due until a gateway showed it final; -1 = not seen
    read_ms: int  # until another node showed it; -1 = not seen
    is_good: bool
    is_void: bool  # the prober itself stood still meanwhile, say because somebody stopped it: it proves nothing


class Prober:
    """Sends probes until it is stopped. Lives on the event loop."""

    def __init__(self, alliance: ChaosAlliance, watch: Watch, load: Load, seed: int) -> None:
        self.probes: list[Probe] = []
        self._clients = alliance.clients
        self._watch = watch
        self._load = load
        self._draw = Random(f"prober/{seed}")
        self._running: set[asyncio.Task[None]] = set()

    async def run(self, begin_s: float, end_s: float) -> None:
        """Probe each second between two moments of the monotonic clock; returns when every probe was followed."""
        due_s = begin_s
        while due_s < end_s:
            await asyncio.sleep(max(0.0, due_s - time.monotonic()))
            task = asyncio.create_task(self._probe(due_s, begin_s))
            self._running.add(task)
            task.add_done_callback(self._running.discard)
            due_s += 1.0
        await asyncio.gather(*self._running)
        self.probes.sort(key=lambda probe: probe.at_s)

    async def _probe(self, due_s: float, begin_s: float) -> None:
        signed = self._load.sign()
        raw, transaction = "0x" + signed.raw.hex(), "0x" + signed.hash.hex()
        first, second = self._draw_gateways()
        used = [first]
        if not await _send(self._clients[first], raw):
            used.append(second)
            await _send(self._clients[second], raw)
        shown = await self._wait_shown(transaction, used, due_s + (FALL_BACK_S if len(used) == 1 else GIVE_UP_S))
        if shown is None and len(used) == 1:
            used.append(second)
            await _send(self._clients[second], raw)
            shown = await self._wait_shown(transaction, used, due_s + GIVE_UP_S)
        final_s = time.monotonic() - due_s
        others = [place for place in range(len(self._clients)) if place != shown]
        self._draw.shuffle(others)
        read = None if shown is None else await self._wait_shown(transaction, others, due_s + GIVE_UP_S)
        read_s = time.monotonic() - due_s
        self.probes.append(
            Probe(
                at_s=round(due_s - begin_s, 3),
                transaction=transaction,
                gateways=tuple(used),
                final_ms=-1 if shown is None else round(final_s * 1_000),
                read_ms=-1 if read is None else round(read_s * 1_000),
                is_good=read is not None and read_s <= LIMIT_S,
                is_void=self._watch.was_still(due_s, due_s + max(LIMIT_S, final_s)),
            )
        )

    def _draw_gateways(self) -> tuple[int, int]:
        fresh = self._watch.places_at(time.monotonic() - BEHIND_S)
        everybody = range(len(self._clients))
        first = self._draw.choice(fresh or everybody)
        rest = [place for place in fresh if place != first] or [place for place in everybody if place != first]
        return first, self._draw.choice(rest)

    async def _wait_shown(self, transaction: str, places: list[int], until_s: float) -> int | None:
        """Ask nodes in turn until one has the receipt; which one, or None when time is up."""
        while True:
            for place in places:
                if await _has(self._clients[place], transaction):
                    return place
                if time.monotonic() > until_s:
                    return None
            await asyncio.sleep(_POLL_S)


async def _send(client: Client, raw: str) -> bool:
    try:
        answer = await client.call("eth_sendRawTransaction", raw, patience_s=ANSWER_S)
    except Unreachable:
        return False
    return answer.error is None or answer.error.kind == "POOL-KNOWN"


async def _has(client: Client, transaction: str) -> bool:
    try:
        answer = await client.call("eth_getTransactionReceipt", transaction, patience_s=ANSWER_S)
    except Unreachable:
        return False
    return isinstance(answer.result, dict)
