"""One kept HTTP/1.1 connection that posts bodies one after another: as little client as JSON-RPC needs."""

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast
from urllib.parse import urlsplit

import msgspec

from hansa.bench.errors import InvalidPlan, Unreachable

ANSWER_BYTES_MAX = 256 << 20
ANSWER_S_MAX = 20.0
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n")
_CHUNKED = re.compile(rb"\r\ntransfer-encoding: *chunked\r\n")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a node answers JSON-RPC."""

    host: str
    port: int
    path: str = "/"
    token: str | None = None  # shown with every request

    def __str__(self) -> str:
        return f"http://{self.host}:{self.port}{self.path}"

    def encode(self, body: bytes) -> bytes:
        """The whole request that posts `body` here."""
        head = f"POST {self.path} HTTP/1.1\r\nHost: {self.host}:{self.port}\r\nContent-Type: application/json\r\n"
        if self.token is not None:
            head += f"Authorization: Bearer {self.token}\r\n"
        return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def parse_endpoint(url: str) -> Endpoint:
    """Read `http://host:port/path`.

    Raises
    ------
    InvalidPlan: another scheme, or no host.
    """
    parts = urlsplit(url if "//" in url else f"http://{url}")
    if parts.scheme != "http" or not parts.hostname:
        raise InvalidPlan(f"{url!r} is not an address of a node", "write http://127.0.0.1:8545")
    return Endpoint(parts.hostname, parts.port or 80, parts.path or "/")


class HttpConnection(asyncio.Protocol):
    """Sends one request at a time and hands each answer's body to a callback; None when the connection broke."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.traffic_bytes = 0  # sent and received
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._on_answer: Callable[[bytes | None], None] | None = None

    @property
    def is_open(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    async def open(self) -> None:
        """Connect.

        Raises
        ------
        Unreachable: nobody listens there.
        """
        loop = asyncio.get_running_loop()
        try:
            await loop.create_connection(lambda: self, self.endpoint.host, self.endpoint.port)
        except OSError as error:
            raise Unreachable(f"no node answers at {self.endpoint}: {error.strerror or error}") from error

    def close(self) -> None:
        """Break the connection; a request under way is answered by None."""
        if self._transport is not None:
            self._transport.abort()
            self._transport = None
            self._finish(None)

    def send(self, request: bytes, on_answer: Callable[[bytes | None], None]) -> None:
        """Send an encoded request; the connection is busy until `on_answer` was called."""
        assert self._on_answer is None, "one request at a time"
        self._on_answer = on_answer
        if self._transport is None or self._transport.is_closing():
            self._finish(None)
        else:
            self.traffic_bytes += len(request)
            self._transport.write(request)

    async def ask(self, request: bytes) -> bytes:
        """Send an encoded request and wait for the answer's body.

        Raises
        ------
        Unreachable: the connection broke, or no answer came within `ANSWER_S_MAX`.
        """
        if not self.is_open:
            await self.open()
        future: asyncio.Future[bytes | None] = asyncio.get_running_loop().create_future()
        self.send(request, lambda body: None if future.done() else future.set_result(body))
        try:
            async with asyncio.timeout(ANSWER_S_MAX):
                answer = await future
        except TimeoutError:
            self.close()
            raise Unreachable(f"{self.endpoint} gave no answer within {ANSWER_S_MAX:.0f} s") from None
        if answer is None:
            raise Unreachable(f"{self.endpoint} broke the connection")
        return answer

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the event loop."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are no subclasses
        self._buffer.clear()

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the event loop."""
        self._transport = None
        if self._on_answer is not None:
            self._finish(None)

    def data_received(self, data: bytes) -> None:
        """Called by the event loop."""
        self._buffer += data
        self.traffic_bytes += len(data)
        body = take_body(self._buffer)
        if body is not None and self._on_answer is not None:
            self._buffer.clear()
            self._finish(body)
        elif len(self._buffer) > ANSWER_BYTES_MAX:
            self.close()

    def _finish(self, body: bytes | None) -> None:
        on_answer, self._on_answer = self._on_answer, None
        if on_answer is not None:
            on_answer(body)


def take_body(answer: bytearray) -> bytes | None:
    """The body of an HTTP answer, or None while it is incomplete."""
    end = answer.find(b"\r\n\r\n")
    if end < 0:
        return None
    head = bytes(answer[: end + 2]).lower()
    if length := _LENGTH.search(head):
        size = int(length[1])
        return bytes(answer[end + 4 : end + 4 + size]) if len(answer) >= end + 4 + size else None
    if _CHUNKED.search(head):
        return _join_chunks(answer, end + 4) if answer.endswith(b"0\r\n\r\n") else None
    return None


def _join_chunks(answer: bytearray, at: int) -> bytes | None:
    parts: list[bytes] = []
    while True:
        line = answer.find(b"\r\n", at)
        if line < 0:
            return None
        size = int(bytes(answer[at:line]).split(b";")[0], 16)
        if size == 0:
            return b"".join(parts)
        if len(answer) < line + 4 + size:
            return None
        parts.append(bytes(answer[line + 2 : line + 2 + size]))
        at = line + 4 + size


class RpcError(msgspec.Struct, frozen=True):
    """The error object of an answer."""

    code: int
    message: str = ""
    data: object = None

    @property
    def kind(self) -> str:
        """The stable code if the node gives one, else the number."""
        stable = self.data.get("code") if isinstance(self.data, dict) else None
        return str(stable or self.code)


class RpcAnswer(msgspec.Struct, frozen=True):
    """One answer of JSON-RPC."""

    id: int | str | None = None
    result: object = None
    error: RpcError | None = None


_ANSWER = msgspec.json.Decoder(RpcAnswer)
_ANSWERS = msgspec.json.Decoder(list[RpcAnswer])


def encode_call(method: str, params: list[object], request_id: int = 1) -> bytes:
    """One request of JSON-RPC."""
    return msgspec.json.encode({"jsonrpc": "2.0", "id": request_id, "method": method, "params": params})


async def call(connection: HttpConnection, method: str, *params: object) -> object:
    """Call one method and return its result.

    Raises
    ------
    Unreachable: no answer, or an answer that is an error.
    """
    body = await connection.ask(connection.endpoint.encode(encode_call(method, list(params))))
    try:
        answer = _ANSWER.decode(body)
    except msgspec.DecodeError as error:
        raise Unreachable(f"{connection.endpoint} did not answer JSON-RPC: {body[:80]!r}") from error
    if answer.error is not None:
        raise Unreachable(f"{connection.endpoint} answered {method} by {answer.error.kind}: {answer.error.message}")
    return answer.result


async def call_many(connection: HttpConnection, calls: list[tuple[str, list[object]]]) -> list[RpcAnswer]:
    """Send a batch; answers in the order of the calls.

    Raises
    ------
    Unreachable: no answer, or not one per call.
    """
    parts = [encode_call(method, params, index) for index, (method, params) in enumerate(calls)]
    body = await connection.ask(connection.endpoint.encode(b"[" + b",".join(parts) + b"]"))
    answers = decode_batch(body)
    if len(answers) != len(calls):
        raise Unreachable(f"{connection.endpoint} answered {len(answers)} of {len(calls)} calls: {body[:200]!r}")
    return sorted(answers, key=lambda answer: int(answer.id or 0))


def decode_batch(body: bytes) -> list[RpcAnswer]:
    """Read the answer to a batch; one error for the whole batch becomes a list of one.

    Raises
    ------
    Unreachable: not JSON-RPC.
    """
    try:
        return _ANSWERS.decode(body) if body.lstrip()[:1] == b"[" else [_ANSWER.decode(body)]
    except msgspec.DecodeError as error:
        raise Unreachable(f"an answer is not JSON-RPC: {body[:80]!r}") from error
