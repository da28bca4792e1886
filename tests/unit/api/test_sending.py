"""Transactions wait for room in a crowded pool, for a second each, and are refused when none comes."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from hansa.api import sending
from hansa.api.errors import Busy
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


async def test_what_finds_no_room_in_its_time_is_refused_unlooked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending, "_ROOM_WAIT_S", 0.01)
    node = Crowd(POOL_CROWDED, taken=0)
    with pytest.raises(Busy):
        await send(node)
    assert node.seen_by_pool == []


async def test_the_second_counts_from_the_arrival_of_each_body(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nine bodies, one every 0.2 s, before a pool without room until 1.5 s: what came by 0.5 s is refused."""
    now_s = 100.0
    node = Crowd(POOL_CROWDED, taken=0)
    gate = SendGate(cast(NodeView, node))
    answers: list[asyncio.Task[bytes | None]] = []

    async def wait_sealed(above: int, timeout_s: float) -> int:
        """No block: the clock goes on by a tenth of a second, or to the end of the time."""
        nonlocal now_s
        await asyncio.sleep(0)
        now_s += min(0.1, timeout_s)
        if len(answers) < 9 and now_s >= 100.0 + 0.2 * len(answers):
            answers.append(asyncio.create_task(gate.answer(b"%d" % len(answers))))
        node.executable -= now_s >= 101.5
        return above

    monkeypatch.setattr(sending, "time", SimpleNamespace(monotonic=lambda: now_s))
    monkeypatch.setattr(node, "wait_sealed", wait_sealed)
    answers.append(asyncio.create_task(gate.answer(b"0")))
    for one in answers:  # which become more meanwhile
        await asyncio.wait([one])
    gate.close()
    refused = [isinstance(one.exception(), Busy) for one in answers]
    assert refused == [nth <= 2 for nth in range(len(answers))] and len(answers) == 8
