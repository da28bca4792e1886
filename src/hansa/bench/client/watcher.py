"""Watches blocks become final and notes when each transaction was first seen in one."""

import asyncio
import time
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec

from hansa.bench.client.http_connection import Endpoint, HttpConnection, RpcError, call, encode_call
from hansa.bench.errors import Unreachable

POLL_S = 0.01  # adds up to this much to every latency
NOT_SEEN = -1.0


class SealedBlock(msgspec.Struct, frozen=True, rename="camel"):
    """What the watcher reads of a block."""

    number: str
    hash: str
    state_root: str
    gas_used: str
    timestamp: str
    transactions: tuple[str, ...]  # hashes


class _Answer(msgspec.Struct, frozen=True):
    result: SealedBlock | None = None
    error: RpcError | None = None


_ANSWER = msgspec.json.Decoder(_Answer)


@dataclass(frozen=True, slots=True)
class SeenBlock:
    """One final block as it was first seen."""

    height: int
    hash: str
    transactions: int
    gas_used: int
    seen_s: float  # monotonic clock


class Watcher:
    """Follows the final head over one node, and over the next one when that fails.

    Parameters
    ----------
    hashes: the transactions to wait for, as JSON-RPC prints them.
    """

    def __init__(self, endpoints: Sequence[Endpoint], hashes: Sequence[str]) -> None:
        self.blocks: list[SeenBlock] = []
        self.seen_s = array("d", [NOT_SEEN]) * len(hashes)  # monotonic clock, by place in `hashes`
        self.open = len(hashes)  # still to be seen
        self._places = {transaction: place for place, transaction in enumerate(hashes)}
        self._connections = [HttpConnection(endpoint) for endpoint in endpoints]
        self._current = 0
        self.height = -1  # of the newest block read

    async def begin(self) -> int:
        """Note the height at which the watch begins, and return it.

        Raises
        ------
        Unreachable: no node answers.
        """
        self.height = await self._head()
        return self.height

    async def follow(self, deadline_s: float, is_over: Callable[[], bool] = lambda: False) -> None:
        """Watch until every transaction was seen, or `is_over` says so, or the monotonic clock passes `deadline_s`.

        Survives broken nodes.
        """
        while self.open and time.monotonic() < deadline_s and not is_over():
            try:
                if not await self._read(self.height + 1):
                    await asyncio.sleep(POLL_S)
            except Unreachable:
                self._current = (self._current + 1) % len(self._connections)
                await asyncio.sleep(POLL_S)

    @property
    def seen(self) -> int:
        """Transactions seen so far."""
        return len(self.seen_s) - self.open

    def longest_gap_s(self) -> float:
        """The longest time between two blocks."""
        times = [block.seen_s for block in self.blocks]
        return max((b - a for a, b in zip(times, times[1:], strict=False)), default=0.0)

    def traffic_bytes(self) -> int:
        """Bytes sent and received so far."""
        return sum(connection.traffic_bytes for connection in self._connections)

    def close(self) -> None:
        """Close the connections."""
        for connection in self._connections:
            connection.close()

    async def _head(self) -> int:
        return int(str(await call(self._connections[self._current], "eth_blockNumber")), 16)

    async def _read(self, height: int) -> bool:
        """Read a block if it is final by now: one question each time, whatever the answer."""
        block = await read_block(self._connections[self._current], height)
        if block is None:
            return False
        now = time.monotonic()
        places, seen = self._places, self.seen_s
        for transaction in block.transactions:
            place = places.get(transaction)
            if place is not None and seen[place] < 0:
                seen[place] = now
                self.open -= 1
        gas = int(block.gas_used, 16)
        self.blocks.append(SeenBlock(height, block.hash, len(block.transactions), gas, now))
        self.height = height
        return True


async def read_block(connection: HttpConnection, height: int) -> SealedBlock | None:
    """Read one block without its transactions' bodies; None where there is none yet.

    Raises
    ------
    Unreachable: no answer, or one that cannot be read.
    """
    body = await connection.ask(connection.endpoint.encode(encode_call("eth_getBlockByNumber", [hex(height), False])))
    try:
        answer = _ANSWER.decode(body)
    except msgspec.DecodeError as error:
        raise Unreachable(f"{connection.endpoint} has no block {height} that can be read: {error}") from error
    if answer.error is not None:
        raise Unreachable(f"{connection.endpoint} answered {answer.error.kind}: {answer.error.message}")
    return answer.result
