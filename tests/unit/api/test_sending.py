"""Transactions wait for room in a crowded pool, and are looked at all the same when none comes."""

import asyncio
from typing import Any, cast

import pytest

from hansa.api import sending
from hansa.api.sending import POOL_CROWDED, SendGate
from hansa.io.stages import StageClock
from hansa.types.ports import NodeView


class Crowd:
    """A node whose blocks take `taken` transactions each."""

    def __init__(self, executable: int, taken: int) -> None:
        self.executable, self.taken, self.height = executable, taken, 5
        self.stages = StageClock()
        self.kicks = 0
        self.chain: Any = self
        self.rpc: Any = self
        self.seen_by_pool: list[int] = []

    def head(self) -> tuple[int, bytes, bytes]:
        return self.height, bytes(32), bytes(32)

    def pool_status(self) -> tuple[int, int]:
        return self.executable, 0

    def handle_many(self, bodies: list[bytes]) -> list[bytes | None]:
        self.seen_by_pool.append(self.executable)
        return list(bodies)

    def kick(self) -> None:
        self.kicks += 1

    async def wait_sealed(self, above: int, timeout_s: float) -> int:
        if not self.taken:
            await asyncio.sleep(timeout_s)
            return self.height
        self.height, self.executable = self.height + 1, self.executable - self.taken
        return self.height


async def send(node: Crowd) -> list[bytes | None]:
    gate = SendGate(cast(NodeView, node))
    try:
        return await asyncio.gather(gate.answer(b"one"), gate.answer(b"two"))
    finally:
        gate.close()


async def test_a_pool_with_room_is_asked_at_once() -> None:
    node = Crowd(POOL_CROWDED - 1, taken=1_000)
    assert await send(node) == [b"one", b"two"]
    assert node.height == 5 and node.kicks == 1


async def test_senders_wait_until_blocks_have_made_room() -> None:
    node = Crowd(POOL_CROWDED + 2_500, taken=1_000)
    assert await send(node) == [b"one", b"two"]
    assert node.seen_by_pool == [POOL_CROWDED - 500]


async def test_without_blocks_the_pool_itself_decides_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "_ROOM_WAIT_S", 0.01)
    node = Crowd(POOL_CROWDED, taken=0)
    assert await send(node) == [b"one", b"two"]
    assert node.seen_by_pool == [POOL_CROWDED]
