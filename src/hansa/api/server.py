"""Listening: uvicorn with raw ASGI, on sockets that we bind ourselves."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Collection, Generator
from typing import Any

import uvicorn
from httptools import HttpParserError
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from hansa.api.asgi import Application
from hansa.api.context import DevControl
from hansa.api.dispatch import Dispatcher
from hansa.api.errors import PortTaken
from hansa.api.guard import Guard
from hansa.api.options import (
    BODY_BYTES_MAX,
    CONNECTIONS_MAX,
    CONNECTIONS_OF_AN_ADDRESS_MAX,
    HEADER_BYTES_MAX,
    ApiOptions,
    check_options,
)
from hansa.types.ports import NodeView

_BACKLOG = 512
_HEADER_SECONDS_MAX = 10.0
_KEEP_ALIVE_SECONDS = 75
_STOP_SECONDS = 2
_LINGER_SECONDS_MAX = 5.0


class BoundedHttp(HttpToolsProtocol):
    """uvicorn's HTTP protocol with bounded headers: in bytes, and in time from the connection or their first byte."""

    _header_bytes = 0
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Start the clock of the first request; hang up on whoever has too many connections, or if all have."""
        super().connection_made(transport)
        if is_crowded(self.connections, self.client):
            transport.abort()
        else:
            self._start_clock()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop it."""
        self._stop_clock()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Start the clock of a further request with its first byte, which ends the wait for one."""
        super().data_received(data)
        idle = self.cycle is None or self.cycle.response_complete
        if idle and self.timeout_keep_alive_task is None and self.transport.get_protocol() is self:
            self._start_clock()

    def on_message_begin(self) -> None:
        """Count the headers of each request anew."""
        self._header_bytes = 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """Count the request line."""
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count a header."""
        self._count(len(name) + len(value))
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The request is known in time."""
        self._stop_clock()
        super().on_headers_complete()

    def _count(self, size: int) -> None:
        self._header_bytes += size
        if self._header_bytes > HEADER_BYTES_MAX:
            raise HttpParserError("headers too large")

    def _start_clock(self) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(_HEADER_SECONDS_MAX, self.transport.close)

    def _stop_clock(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


def is_crowded(connections: Collection[Any], client: tuple[str, int] | None) -> bool:
    """Whether the newest of `connections`, which is of `client`, is one too many."""
    if len(connections) > CONNECTIONS_MAX:
        return True
    if len(connections) <= CONNECTIONS_OF_AN_ADDRESS_MAX or client is None:
        return False
    same = sum(1 for one in connections if one.client is not None and one.client[0] == client[0])
    return same > CONNECTIONS_OF_AN_ADDRESS_MAX


class BoundedWebSocket(WebSocketsSansIOProtocol):
    """uvicorn's WebSocket protocol; once the application is done, a client that reads nothing more is cut off."""

    async def run_asgi(self) -> None:
        """Serve, then wait for the last bytes to leave, but not for ever."""
        await super().run_asgi()
        self.loop.call_later(_LINGER_SECONDS_MAX, self.transport.abort)


class _Server(uvicorn.Server):
    """uvicorn inside a process that handles its own signals."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to serve and say so."""
        await super().startup(sockets)
        self.ready.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Leave the signals to the node."""
        yield


class ApiServer:
    """The API of one node: `start`, then `stop`."""

    def __init__(self, node: NodeView, options: ApiOptions, dev: DevControl | None = None) -> None:
        """Check the options; nothing listens yet.

        Raises
        ------
        UnsafeListen: off loopback without a token or client certificates.
        """
        check_options(options, node.dev)
        self._options = options
        self._dispatcher = Dispatcher(node, options, dev)
        self._application = Application(node, self._dispatcher, Guard(options))
        self._server: _Server | None = None
        self._task: asyncio.Task[None] | None = None
        self.port = options.port  # the real one after `start`
        self.ws_port = options.ws_port

    async def start(self) -> None:
        """Bind and serve.

        Raises
        ------
        PortTaken: an address cannot be bound.
        """
        sockets = [_bind(self._options.host, self._options.port)]
        self.port = sockets[0].getsockname()[1]
        if self._options.ws_port is not None:
            sockets.append(_bind(self._options.host, self._options.ws_port))
            self.ws_port = sockets[1].getsockname()[1]
        self._dispatcher.start()
        self._server = _Server(_config(self._application, self._options))
        self._task = asyncio.create_task(self._server.serve(sockets))
        await self._server.ready.wait()

    async def stop(self) -> None:
        """Stop listening, end connections, stop working."""
        if self._server is not None and self._task is not None:
            self._server.should_exit = True
            await self._task
        await self._dispatcher.stop()


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        listening.listen(_BACKLOG)
    except OSError as error:
        listening.close()
        raise PortTaken(
            f"cannot listen on {host}:{port}: {error.strerror}", "stop what uses the port, or choose another one"
        ) from error
    listening.setblocking(False)
    return listening


def _config(application: Application, options: ApiOptions) -> uvicorn.Config:
    tls: dict[str, Any] = {}
    if options.tls is not None:
        tls = {"ssl_certfile": options.tls.certificate, "ssl_keyfile": options.tls.key}
        if options.tls.clients_ca is not None:
            tls |= {"ssl_ca_certs": options.tls.clients_ca, "ssl_cert_reqs": ssl.CERT_REQUIRED}
    return uvicorn.Config(
        application,
        http=BoundedHttp,
        ws=BoundedWebSocket,
        ws_max_size=BODY_BYTES_MAX,
        ws_per_message_deflate=False,
        lifespan="off",
        interface="asgi3",
        log_config=None,
        log_level="error",  # what clients do wrong is told to them; whoever fills the log fills the disk
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        limit_concurrency=CONNECTIONS_MAX,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=_STOP_SECONDS,
        **tls,
    )
