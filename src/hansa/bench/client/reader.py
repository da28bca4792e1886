"""Clients that read while others write: batches of questions, open loop as well."""

import asyncio
import time
from collections.abc import Coroutine, Sequence

from hansa.bench.client.http_connection import Endpoint, HttpConnection, call_many, decode_batch, encode_call
from hansa.bench.errors import Unreachable
from hansa.bench.workloads.shape import Read

READS_AT_ONCE = 50
CONNECTIONS_PER_NODE = 4
CALLS_MAX = 200  # in one batch, where nobody measures


class Readers:
    """Asks when it is due, and notes how long each batch took from then on.

    Parameters
    ----------
    reads: asked again from the beginning when all were asked.
    rate: questions per second.
    """

    def __init__(self, endpoints: Sequence[Endpoint], reads: Sequence[Read], rate: float) -> None:
        self.latencies_ms: list[float] = []
        self.failed = 0  # batches with an error, or without an answer
        self._rate = rate
        self._bodies = [_encode(reads[n : n + READS_AT_ONCE]) for n in range(0, len(reads), READS_AT_ONCE)]
        self._connections = [HttpConnection(one) for one in endpoints for _ in range(CONNECTIONS_PER_NODE)]
        self._idle: asyncio.Queue[HttpConnection] = asyncio.Queue()
        self._tasks: set[asyncio.Task[None]] = set()

    async def ask_until(self, start: float, end: float) -> None:
        """Ask from `start` to `end` of the monotonic clock and wait for the answers."""
        for connection in self._connections:
            self._idle.put_nowait(connection)
        for turn in range(int((end - start) * self._rate / READS_AT_ONCE)):
            due = start + turn * READS_AT_ONCE / self._rate
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            self._keep(self._ask(self._bodies[turn % len(self._bodies)], due))
        await asyncio.gather(*self._tasks)

    def traffic_bytes(self) -> int:
        """Bytes sent and received so far."""
        return sum(connection.traffic_bytes for connection in self._connections)

    def close(self) -> None:
        """Close all connections."""
        for task in self._tasks:
            task.cancel()
        for connection in self._connections:
            connection.close()

    def _keep(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _ask(self, body: bytes, due: float) -> None:
        connection = await self._idle.get()
        try:
            answer = await connection.ask(connection.endpoint.encode(body))
            self.failed += b'"error"' in answer and any(one.error for one in decode_batch(answer))
            self.latencies_ms.append((time.monotonic() - due) * 1_000)
        except Unreachable:
            self.failed += 1
        finally:
            self._idle.put_nowait(connection)


def _encode(reads: Sequence[Read]) -> bytes:
    return b"[" + b",".join(encode_call(read.method, read.params, n) for n, read in enumerate(reads)) + b"]"


class RpcState:
    """Reads balances and contracts of the newest state over one connection.

    Raises
    ------
    Unreachable: the node does not answer, or with an error.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self._connection = HttpConnection(endpoint)

    async def balances(self, addresses: Sequence[bytes]) -> list[int]:
        """Wei of each account."""
        return await self._numbers([("eth_getBalance", ["0x" + address.hex(), "latest"]) for address in addresses])

    async def call(self, calls: Sequence[tuple[bytes, bytes]]) -> list[int]:
        """What calls of contracts return, one word each."""
        requests: list[tuple[str, list[object]]] = [
            ("eth_call", [{"to": "0x" + to.hex(), "data": "0x" + data.hex()}, "latest"]) for to, data in calls
        ]
        return await self._numbers(requests)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    async def _numbers(self, calls: Sequence[tuple[str, list[object]]]) -> list[int]:
        found = []
        for first in range(0, len(calls), CALLS_MAX):
            answers = await call_many(self._connection, list(calls[first : first + CALLS_MAX]))
            for answer in answers:
                if answer.error is not None:
                    raise Unreachable(
                        f"{self._connection.endpoint} answered {answer.error.kind}: {answer.error.message}"
                    )
                found.append(int(str(answer.result), 16))
        return found
