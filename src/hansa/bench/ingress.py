"""`hansa bench ingress`: how many transactions in requests of their own one node takes on one core."""

import asyncio
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from hansa.bench.accounts import derive_accounts
from hansa.bench.client.http_connection import Endpoint
from hansa.bench.errors import InvalidPlan, Unreachable
from hansa.bench.own_alliance import CHAIN_ID, OwnAlliance
from hansa.bench.probes import Machine, read_machine, read_usage
from hansa.bench.transactions import Nonces, make_transfers

SENDERS = 5_000
CONNECTIONS = 16
PIPELINED = 16  # requests that leave together on one connection; the next leave when all of them were answered
PATIENCE_S = 120.0
_HEAD_END = b"\r\n\r\n"
_ERROR = b'"error"'


@dataclass(frozen=True, slots=True)
class IngressOptions:
    """What the command line asks for."""

    seed: int = 1
    transactions: int = 50_000


@dataclass(frozen=True, slots=True)
class IngressReport:
    """What one node did, which had one core for itself while the client had another."""

    machine: Machine
    seed: int
    transactions: int
    refused: int
    seconds: float
    accepted_per_s: float
    node_cpu_us_per_request: float  # blocks that the node makes of them meanwhile included


class _Stream(asyncio.Protocol):
    """One connection that sends its requests window by window."""

    def __init__(self, windows: Sequence[bytes], counts: Sequence[int]) -> None:
        self.refused = 0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._windows = iter(zip(windows, counts, strict=True))
        self._left = 0
        self._tail = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the event loop."""
        self._transport = cast(asyncio.Transport, transport)
        self._next()

    def data_received(self, data: bytes) -> None:
        """Called by the event loop; an answer may come in pieces, and what is sought may be cut in two."""
        self._left -= (self._tail[1 - len(_HEAD_END) :] + data).count(_HEAD_END)
        self.refused += (self._tail[1 - len(_ERROR) :] + data).count(_ERROR)
        self._tail = (self._tail + data)[1 - len(_ERROR) :]
        if self._left <= 0:
            self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        """Called by the event loop."""
        if not self.done.done():
            self.done.set_exception(Unreachable("the node broke a connection", "see its node.log"))

    def _next(self) -> None:
        window = next(self._windows, None)
        if window is not None:
            self._left = window[1]
            self._transport.write(window[0])
        elif not self.done.done():
            self.done.set_result(None)
            self._transport.close()


async def measure_ingress(options: IngressOptions, folder: Path) -> IngressReport:
    """Found a single node, give it a core, and send.

    Raises
    ------
    InvalidPlan: the machine has one core only.
    NodeFailed, Unreachable: the node does not serve.
    """
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise InvalidPlan("node and client need a core each, this machine has one", "measure elsewhere")
    machine = read_machine(folder)
    accounts = derive_accounts(options.seed, SENDERS, SENDERS)
    raws = make_transfers(accounts, Nonces(SENDERS), options.transactions, CHAIN_ID, options.seed).raws
    alliance = OwnAlliance(folder / "alliance", accounts, nodes=1)
    try:
        alliance.start()
        process = alliance.nodes[0].process
        assert process is not None
        _pin(process.pid, cores[0])
        _pin(os.getpid(), cores[1])
        before, begin = read_usage(process.pid), time.monotonic()
        refused = await _send(alliance.endpoints[0], raws)
        seconds, cpu_s = time.monotonic() - begin, read_usage(process.pid).cpu_s - before.cpu_s
    finally:
        os.sched_setaffinity(0, cores)
        alliance.stop()
    return IngressReport(
        machine=machine,
        seed=options.seed,
        transactions=len(raws),
        refused=refused,
        seconds=round(seconds, 2),
        accepted_per_s=round((len(raws) - refused) / seconds, 1),
        node_cpu_us_per_request=round(cpu_s * 1e6 / len(raws), 1),
    )


def _pin(pid: int, core: int) -> None:
    """All threads of a process to one core."""
    for thread in os.listdir(f"/proc/{pid}/task"):
        os.sched_setaffinity(int(thread), {core})


async def _send(endpoint: Endpoint, raws: Sequence[bytes]) -> int:
    """Send every transaction in a request of its own; how many were refused."""
    requests = [
        endpoint.encode(
            b'{"jsonrpc":"2.0","id":1,"method":"eth_sendRawTransaction","params":["0x%s"]}' % raw.hex().encode()
        )
        for raw in raws
    ]
    windows = [requests[first : first + PIPELINED] for first in range(0, len(requests), PIPELINED)]
    loop = asyncio.get_running_loop()
    streams = []
    for place in range(CONNECTIONS):
        own = windows[place::CONNECTIONS]
        stream = _Stream([b"".join(window) for window in own], [len(window) for window in own])
        await loop.create_connection(lambda stream=stream: stream, endpoint.host, endpoint.port)  # type: ignore[misc]
        streams.append(stream)
    async with asyncio.timeout(PATIENCE_S):
        await asyncio.gather(*(stream.done for stream in streams))
    return sum(stream.refused for stream in streams)
