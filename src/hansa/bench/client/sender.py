"""The open-loop sender: batches leave when they are due, whatever became of the earlier ones."""

import asyncio
import time
from collections import Counter, deque
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from operator import or_

from hansa.bench.client.http_connection import Endpoint, HttpConnection, decode_batch
from hansa.bench.client.schedule import Schedule
from hansa.bench.errors import Unreachable

TAKEN = ("already known", "nonce too low")  # what nodes say to a transaction that they have had, when it is sent again
RETRY_S = 0.2  # pause before what was refused is sent again, and before a broken node is tried again


@dataclass(frozen=True, slots=True)
class Batch:
    """Transactions that travel in one request."""

    order: int
    body: bytes  # JSON-RPC batch
    first: int  # place of its first transaction among all
    count: int
    due_s: float  # when the last of them is meant to be sent, from the start


@dataclass(slots=True)
class SendResult:
    """What the nodes said to the batches."""

    accepted: int = 0
    accepted_places: bytearray = field(default_factory=bytearray)  # 1 for each transaction that a node took
    refused: Counter[str] = field(
        default_factory=Counter
    )  # by error code; one sent twice and refused twice counts twice
    broken: int = 0  # requests that got no answer and were sent again elsewhere
    late_s_max: float = 0.0  # how far the sender itself lagged behind its plan


def make_batches(raws: Sequence[bytes], size: int, schedule: Schedule) -> list[Batch]:
    """Cut transactions into batches that are due when their last transaction is."""
    due = schedule.due_s()
    batches = []
    for order, first in enumerate(range(0, len(raws), size)):
        part = raws[first : first + size]
        calls = [
            f'{{"jsonrpc":"2.0","id":{index},"method":"eth_sendRawTransaction","params":["0x{raw.hex()}"]}}'
            for index, raw in enumerate(part)
        ]
        batches.append(Batch(order, f"[{','.join(calls)}]".encode(), first, len(part), due[first + len(part) - 1]))
    return batches


class Sender:
    """Sends batches to nodes in turn, over kept connections.

    Batches of the same accounts, a lane, leave one after the other, each once the one before was taken; one of which
    something was refused is sent again after a pause. So no account's later transactions wait in a node for a nonce
    that nobody knows, and nodes that are full are not asked without end. Time runs from when a batch was due.

    Parameters
    ----------
    lanes: after how many batches the same accounts send again; None where nothing is sent again.
    connections: to each node; what is due while all wait for answers waits as well.
    """

    def __init__(self, endpoints: Sequence[Endpoint], lanes: int | None = None, connections: int = 8) -> None:
        self.result = SendResult()
        self._lanes = lanes
        self._per_node = connections
        # By lane, what is due and neither taken nor given up; the first is under way or about to be.
        self._queues: dict[int, deque[Batch]] = {}
        self._sends_again = bool(lanes)
        self._endpoints = list(endpoints)
        self._idle: list[list[HttpConnection]] = [[] for _ in endpoints]
        self._waiting: list[deque[tuple[Batch, bytes]]] = [deque() for _ in endpoints]
        self._connections: list[HttpConnection] = []
        self._done = asyncio.Event()
        self.has_finished = False  # all was sent and answered
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Connect to all nodes.

        Raises
        ------
        Unreachable: one of them does not listen.
        """
        for node, endpoint in enumerate(self._endpoints):
            for _ in range(self._per_node):
                connection = HttpConnection(endpoint)
                await connection.open()
                self._idle[node].append(connection)
                self._connections.append(connection)

    async def send_all(self, batches: Sequence[Batch], start: float, until_taken: bool = False) -> SendResult:
        """Send every batch when it is due and wait for all answers.

        Parameters
        ----------
        start: time of the monotonic clock to which `due_s` is added.
        until_taken: after the last one, go on with what was refused until nodes have taken all of it.
        """
        self.result.accepted_places = bytearray(max((batch.first + batch.count for batch in batches), default=0))
        for due in batches:
            wait = start + due.due_s - time.monotonic()
            if wait > 0:
                await asyncio.sleep(wait)
            else:
                self.result.late_s_max = max(self.result.late_s_max, -wait)
            self._offer(due)
        self._sends_again = until_taken and bool(self._lanes)
        while self._queues:
            self._done.clear()
            await self._done.wait()
        self.has_finished = True
        return self.result

    def traffic_bytes(self) -> int:
        """Bytes sent and received so far."""
        return sum(connection.traffic_bytes for connection in self._connections)

    def close(self) -> None:
        """Close all connections."""
        for task in self._tasks:
            task.cancel()
        for connection in self._connections:
            connection.close()

    def _offer(self, batch: Batch) -> None:
        """Send a batch, once all before it in its lane were."""
        queue = self._queues.setdefault(self._lane_of(batch), deque())
        queue.append(batch)
        if len(queue) == 1:
            self._place_at(self._node_of(batch), batch)

    def _end(self, batch: Batch) -> None:
        """A batch was taken, or is given up: its lane goes on."""
        queue = self._queues[self._lane_of(batch)]
        queue.popleft()
        if queue:
            self._place_at(self._node_of(queue[0]), queue[0])
            return
        del self._queues[self._lane_of(batch)]
        if not self._queues:
            self._done.set()

    def _lane_of(self, batch: Batch) -> int:
        """Where nothing is sent again, each batch has a lane of its own."""
        return batch.order % self._lanes if self._lanes else batch.order

    def _node_of(self, batch: Batch) -> int:
        return batch.order % len(self._endpoints)

    def _place_at(self, node: int, batch: Batch) -> None:
        self._place(node, batch, self._endpoints[node].encode(batch.body))

    def _place(self, node: int, batch: Batch, request: bytes) -> None:
        if self._idle[node]:
            self._send(node, self._idle[node].pop(), batch, request)
        else:
            self._waiting[node].append((batch, request))

    def _send(self, node: int, connection: HttpConnection, batch: Batch, request: bytes) -> None:
        connection.send(request, lambda body: self._answered(node, connection, batch, body))

    def _answered(self, node: int, connection: HttpConnection, batch: Batch, body: bytes | None) -> None:
        if body is None:
            self.result.broken += 1
            self._keep(self._mend(node, connection))
            self._keep(self._place_later((node + 1) % len(self._endpoints), batch))
            return
        if self._waiting[node]:
            waiting, request = self._waiting[node].popleft()
            self._send(node, connection, waiting, request)
        else:
            self._idle[node].append(connection)
        if self._count(batch, body) or not self._sends_again:
            self._end(batch)
        else:
            self._keep(self._place_later(self._node_of(batch), batch))

    def _keep(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _place_later(self, node: int, batch: Batch) -> None:
        await asyncio.sleep(RETRY_S)
        self._place_at(node, batch)

    async def _mend(self, node: int, connection: HttpConnection) -> None:
        """Connect again; what waits for this node goes on then, or moves to the next node at once."""
        while self._waiting[node]:
            batch, _ = self._waiting[node].popleft()
            self._keep(self._place_later((node + 1) % len(self._endpoints), batch))
        while True:
            try:
                await connection.open()
            except Unreachable:
                await asyncio.sleep(RETRY_S)
            else:
                break
        self._idle[node].append(connection)

    def _count(self, batch: Batch, body: bytes) -> bool:
        """Note what a node said; whether it has all of the batch."""
        taken = bytearray(b"\1" * batch.count)
        if b'"error"' in body:
            for answer in decode_batch(body):
                if answer.error is None or answer.error.message.startswith(TAKEN):
                    continue
                # One error may stand for the whole batch.
                places = range(batch.count)
                if isinstance(answer.id, int) and answer.id in places:
                    places = range(answer.id, answer.id + 1)
                self.result.refused[answer.error.kind] += len(places)
                for place in places:
                    taken[place] = 0
        places_of = slice(batch.first, batch.first + batch.count)
        before = self.result.accepted_places[places_of]
        merged = bytes(map(or_, before, taken))
        self.result.accepted_places[places_of] = merged
        self.result.accepted += merged.count(1) - before.count(1)
        return all(taken)
