"""The listeners of a node's API: uvicorn servers on sockets that were bound before anything else started."""

import asyncio
import contextlib
import socket
from collections.abc import Generator

import uvicorn
from uvicorn._types import ASGIApplication

from hansa.io.transport import Address, open_listener

SHUTDOWN_S = 2
BACKLOG = 1024
BODY_TIMEOUT_KEEPALIVE_S = 75


class _Server(uvicorn.Server):
    """A server that leaves signals to the node."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """Install nothing."""
        yield


class Front:
    """Serves one application on the RPC address and, for WebSocket clients, on a second one."""

    def __init__(self, app: ASGIApplication, rpc: Address | None, ws: Address | None) -> None:
        """Bind the sockets.

        Raises
        ------
        AddressInUse: an address cannot be bound.
        """
        self._app = app
        self._sockets: list[socket.socket] = []
        self.rpc = self._bind(rpc)
        self.ws = self._bind(ws)
        self._server: _Server | None = None
        self._task: asyncio.Task[None] | None = None

    def _bind(self, address: Address | None) -> Address | None:
        if address is None:
            return None
        listener = open_listener(address)
        self._sockets.append(listener)
        return Address(address.host, int(listener.getsockname()[1]))

    async def start(self) -> None:
        """Serve; returns once the sockets answer."""
        if not self._sockets:
            return
        config = uvicorn.Config(
            self._app,
            http="httptools",
            ws="websockets-sansio",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
            backlog=BACKLOG,
            timeout_keep_alive=BODY_TIMEOUT_KEEPALIVE_S,
            timeout_graceful_shutdown=SHUTDOWN_S,
        )
        self._server = _Server(config)
        self._task = asyncio.create_task(self._server.serve(sockets=self._sockets))
        while not self._server.started and not self._task.done():
            await asyncio.sleep(0)
        if self._task.done():
            await self._task

    async def stop(self) -> None:
        """Finish the requests under way, close the sockets."""
        if self._server is not None and self._task is not None:
            self._server.should_exit = True
            await self._task
        for listener in self._sockets:
            listener.close()
