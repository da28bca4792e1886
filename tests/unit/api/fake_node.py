"""A node for tests of the API alone: no chain, answers from a table."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec

from hansa.io.stages import StageClock
from hansa.types.ports import CheckpointStatus, NodeStatus, ValidatorInfo

STATUS = NodeStatus(
    name="core-0",
    organisation="core",
    index=0,
    chain_id=7,
    genesis_hash=bytes(32),
    dev=False,
    version="0.1.0",
    protocol=1,
    height=3,
    ordered_height=3,
    epoch=0,
    view=0,
    leader=0,
    peers=1,
    pool_executable=0,
    pool_waiting=0,
    uptime_s=1,
    syncing=False,
    voting=True,
    paused=None,
    quarantine=None,
    halted=None,
    checkpoint=CheckpointStatus(height=0, size=4_096, writing=False, written=0, took_ms=0, held_up_us=0),
)


class FakeRpc:
    """Answers `native_*` methods with their parameters; everything else is Python's."""

    def __init__(self) -> None:
        self.batches: list[int] = []

    def handle(self, body: bytes) -> bytes | None:
        try:
            asked = msgspec.json.decode(body)
        except msgspec.DecodeError:
            return b'{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"no JSON"}}'
        elements = asked if isinstance(asked, list) else [asked]
        if not all(self._is_native(one) for one in elements):
            return None
        answers = [self._answer(one) for one in elements]
        return msgspec.json.encode(answers if isinstance(asked, list) else answers[0])

    def handle_many(self, bodies: list[bytes]) -> list[bytes | None]:
        self.batches.append(len(bodies))
        return [self.handle(body) for body in bodies]

    def parts(self, body: bytes) -> list[tuple[bytes, bytes | None]] | bytes:
        asked = msgspec.json.decode(body)
        elements = asked if isinstance(asked, list) else [asked]
        return [
            (msgspec.json.encode(one), msgspec.json.encode(self._answer(one)) if self._is_native(one) else None)
            for one in elements
        ]

    def _is_native(self, one: Any) -> bool:
        return str(one["method"]).startswith(("native_", "eth_sendRaw"))

    def _answer(self, one: Any) -> Any:
        return {"jsonrpc": "2.0", "id": one["id"], "result": one.get("params")}

    def log_events(self, number: int, criteria: bytes) -> list[bytes]:
        return [b'"log"']

    def head_event(self, number: int) -> bytes:
        return b'{"number":"' + hex(number).encode() + b'"}'

    def methods(self) -> list[tuple[str, list[str]]]:
        return [("native_echo", ["Value"])]


class FakeChain:
    height = 3

    def head(self) -> tuple[int, bytes, bytes]:
        return self.height, bytes(32), bytes(32)

    def pool_status(self) -> tuple[int, int]:
        return 0, 0

    def pending_hashes_since(self, cursor: int) -> tuple[int, bytes]:
        return 0, b""


class FakeNode:
    """A NodeView whose heights a test pushes."""

    def __init__(self) -> None:
        self.chain: Any = FakeChain()
        self.rpc: Any = FakeRpc()
        self.dev = False
        self.is_standby = False
        self.kicks = 0
        self.stages = StageClock()
        self.state = STATUS
        self._heights: list[asyncio.Queue[int]] = []

    def status(self) -> NodeStatus:
        return self.state

    def validators(self) -> list[ValidatorInfo]:
        return [ValidatorInfo(0, "core-0", "core", bytes(33), bytes(20), True, None, None)]

    def kick(self) -> None:
        self.kicks += 1

    async def wait_sealed(self, above: int, timeout_s: float) -> int:
        return above

    def seal(self, height: int) -> None:
        self.chain.height = height
        for queue in self._heights:
            queue.put_nowait(height)

    async def sealed_heights(self) -> AsyncIterator[int]:
        queue: asyncio.Queue[int] = asyncio.Queue()
        self._heights.append(queue)
        while True:
            yield await queue.get()
