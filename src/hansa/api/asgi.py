"""The ASGI application: HTTP POST and WebSocket on one port, health pages, and nothing else."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from hansa.api.calls import encode_json, error_text
from hansa.api.dispatch import Dispatcher
from hansa.api.errors import Busy, InvalidParams, LimitExceeded, RequestRefused
from hansa.api.guard import Guard, Room
from hansa.api.options import BODY_BYTES_MAX, BODY_SECONDS_MAX
from hansa.api.websocket import serve_websocket
from hansa.errors import HansaError
from hansa.types.ports import NodeView

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_JSON = (b"content-type", b"application/json")


class Disconnected(Exception):
    """The client went away before its request was whole."""


class Application:
    """One node's API as an ASGI application."""

    def __init__(self, node: NodeView, dispatcher: Dispatcher, guard: Guard) -> None:
        self._node = node
        self._dispatcher = dispatcher
        self._guard = guard
        self._room = Room()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or one WebSocket connection."""
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._websocket(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] == "GET" and scope["path"] in ("/healthz", "/readyz"):
            await self._health(scope["path"], send)
            return
        try:
            origin = self._guard.check(scope["headers"])
        except RequestRefused as error:
            await _reply(send, error.status, error_text(error))
            return
        extra = _cors(origin)
        if scope["method"] == "OPTIONS":
            await _reply(send, 204, b"", extra)
        elif scope["path"] != "/":
            nothing = InvalidParams("there is nothing at this path", "POST JSON-RPC to /")
            await _reply(send, 404, error_text(nothing), extra)
        elif scope["method"] != "POST":
            wrong = InvalidParams("this address speaks JSON-RPC", "POST to it, or connect by WebSocket")
            await _reply(send, 405, error_text(wrong), [*extra, (b"allow", b"POST, OPTIONS")])
        else:
            await self._post(scope, receive, send, extra)

    async def _post(self, scope: Scope, receive: Receive, send: Send, extra: list[tuple[bytes, bytes]]) -> None:
        pieces: list[bytes] = []
        try:
            await self._answer_post(scope, receive, send, extra, pieces)
        finally:
            self._room.taken -= sum(map(len, pieces))

    async def _answer_post(
        self, scope: Scope, receive: Receive, send: Send, extra: list[tuple[bytes, bytes]], pieces: list[bytes]
    ) -> None:
        try:
            async with asyncio.timeout(BODY_SECONDS_MAX):
                body = await _read_body(scope, receive, self._room, pieces)
        except LimitExceeded as error:
            await _reply(send, 413, error_text(error), [*extra, (b"connection", b"close")])
        except Busy as error:
            await _reply(send, 503, error_text(error), [*extra, (b"connection", b"close")])
        except TimeoutError:
            late = LimitExceeded(f"the body took more than {BODY_SECONDS_MAX:.0f} seconds", "send it faster")
            await _reply(send, 408, error_text(late), [*extra, (b"connection", b"close")])
        except Disconnected:
            return
        else:
            await _reply(send, 200, await self._dispatcher.answer(body), extra)

    async def _health(self, path: str, send: Send) -> None:
        status = self._node.status()
        ready = path == "/healthz" or (not status.syncing and status.halted is None)
        state = "ok" if ready else "halted" if status.halted is not None else "syncing"
        body = encode_json({"status": state, "height": status.height, "peers": status.peers, "voting": status.voting})
        await _reply(send, 200 if ready else 503, body)

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal: HansaError | None = None
        status = 403
        try:
            self._guard.check(scope["headers"])
        except RequestRefused as error:
            refusal, status = error, error.status
        await receive()  # websocket.connect
        if refusal is None:
            await serve_websocket(self._dispatcher, self._room, receive, send)
            return
        body = error_text(refusal)
        await send({"type": "websocket.http.response.start", "status": status, "headers": [_JSON]})
        await send({"type": "websocket.http.response.body", "body": body})


def _cors(origin: str | None) -> list[tuple[bytes, bytes]]:
    """Headers for an allowed origin; only such a one comes here."""
    if origin is None:
        return []
    return [
        (b"access-control-allow-origin", origin.encode("latin-1")),
        (b"access-control-allow-methods", b"POST"),
        (b"access-control-allow-headers", b"content-type, authorization"),
        (b"access-control-max-age", b"600"),
        (b"vary", b"origin"),
    ]


async def _read_body(scope: Scope, receive: Receive, room: Room, pieces: list[bytes]) -> bytes:
    """The whole body. Where it comes in several, `pieces` are those that took room, which the caller gives back.

    Raises
    ------
    LimitExceeded: it is announced or grows larger than BODY_BYTES_MAX.
    Busy: no room.
    Disconnected: the client went away.
    """
    for name, value in scope["headers"]:
        if name == b"content-length" and int(value) > BODY_BYTES_MAX:
            raise _too_large()
    message = await receive()
    if message["type"] == "http.request" and not message.get("more_body", False):
        body: bytes = message.get("body", b"")
        if len(body) > BODY_BYTES_MAX:
            raise _too_large()
        return body
    size = 0
    while True:
        if message["type"] != "http.request":
            raise Disconnected
        piece = message.get("body", b"")
        size += len(piece)
        if size > BODY_BYTES_MAX:
            raise _too_large()
        room.take(len(piece))
        pieces.append(piece)
        if not message.get("more_body", False):
            return b"".join(pieces)
        message = await receive()


def _too_large() -> LimitExceeded:
    return LimitExceeded("the body is too large", f"send at most {BODY_BYTES_MAX} bytes at once")


async def _reply(send: Send, status: int, body: bytes, extra: list[tuple[bytes, bytes]] | None = None) -> None:
    headers = [_JSON, (b"content-length", str(len(body)).encode()), *(extra or ())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
