"""One WebSocket client: requests in, answers and events out through one bounded queue.

A client that does not read loses its connection once its queue is full; the node never waits for it.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from hansa.api.calls import error_text
from hansa.api.dispatch import Dispatcher
from hansa.api.errors import Busy
from hansa.api.guard import Room
from hansa.api.options import QUEUE_BYTES_MAX, QUEUE_MESSAGES_MAX, QUEUES_BYTES_MAX, REQUESTS_IN_FLIGHT_MAX

_LOG = logging.getLogger("hansa.api")

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_SMALL_BODY_BYTES = 64 * 1024  # 64 of them on every connection are bounded well enough

dropped_clients = 0  # since the process started; for metrics
waiting_bytes = 0  # in the queues of all clients


class Client:
    """The outgoing side of one connection."""

    def __init__(self) -> None:
        self._queue: deque[bytes] = deque()
        self._bytes = 0
        self._wake = asyncio.Event()
        self.overflowed = asyncio.Event()

    def push(self, message: bytes) -> None:
        """Queue a message; a full queue ends the client."""
        global dropped_clients
        if self.overflowed.is_set():
            return
        if not self._has_room(len(message)):
            dropped_clients += 1
            self.overflowed.set()
            _LOG.warning("dropped a WebSocket client that does not read: %d messages wait", len(self._queue))
            self.clear()
            return
        self._queue.append(message)
        self._count(len(message))
        self._wake.set()

    def clear(self) -> None:
        """Forget what waits."""
        self._queue.clear()
        self._count(-self._bytes)

    async def write(self, send: Send) -> None:
        """Send what is queued, for as long as the client takes it."""
        while True:
            while self._queue:
                message = self._queue.popleft()
                self._count(-len(message))
                await send({"type": "websocket.send", "text": message.decode()})
            self._wake.clear()
            await self._wake.wait()

    def _has_room(self, size: int) -> bool:
        """A client whose queue is empty always has: all together can hold only so much more."""
        if not self._queue:
            return True
        fits = self._bytes + size <= QUEUE_BYTES_MAX and waiting_bytes + size <= QUEUES_BYTES_MAX
        return fits and len(self._queue) < QUEUE_MESSAGES_MAX

    def _count(self, size: int) -> None:
        global waiting_bytes
        self._bytes += size
        waiting_bytes += size


async def serve_websocket(dispatcher: Dispatcher, room: Room, receive: Receive, send: Send) -> None:
    """Serve one connection until either side ends it."""
    await send({"type": "websocket.accept"})
    client = Client()
    reader = asyncio.create_task(_read(dispatcher, client, room, receive))
    writer = asyncio.create_task(client.write(send))
    dropped = asyncio.create_task(client.overflowed.wait())
    try:
        await asyncio.wait((reader, writer, dropped), return_when=asyncio.FIRST_COMPLETED)
    finally:
        dispatcher.hub.remove_all(client)
        for task in (reader, writer, dropped):
            task.cancel()
        await asyncio.gather(reader, writer, dropped, return_exceptions=True)
        client.clear()


async def _read(dispatcher: Dispatcher, client: Client, room: Room, receive: Receive) -> None:
    places = asyncio.Semaphore(REQUESTS_IN_FLIGHT_MAX)
    async with asyncio.TaskGroup() as group:
        while True:
            message = await receive()
            if message["type"] == "websocket.disconnect":
                break
            body = message.get("bytes") or (message.get("text") or "").encode()
            await places.acquire()
            group.create_task(_answer(dispatcher, client, body, room, places))
        # Whoever left needs no answers.
        raise asyncio.CancelledError


async def _answer(dispatcher: Dispatcher, client: Client, body: bytes, room: Room, places: asyncio.Semaphore) -> None:
    taken = 0
    try:
        if len(body) > _SMALL_BODY_BYTES:
            room.take(len(body))
            taken = len(body)
        answer = await dispatcher.answer(body, client)
    except Busy as error:
        answer = error_text(error)
    finally:
        room.taken -= taken
        places.release()
    if answer:
        client.push(answer)
