"""Bundles in and out, with a pool that only counts."""

from __future__ import annotations

from typing import Any, cast

from hansa.io.stages import StageClock
from hansa.io.worker import Worker
from hansa.network.frames import FrameKind
from hansa.network.lanes import Lane
from hansa.node.gossip import ADMISSION_BYTES_MAX, BUNDLE_BYTES, Gossip
from tests.waiting import eventually

DEADLINE_S = 10.0


class Pool:
    """Stands in for the native chain."""

    def __init__(self) -> None:
        self.outgoing: list[bytes] = []
        self.bundles: list[tuple[int, bytes]] = []

    def take_outgoing(self, max_bytes: int) -> bytes | None:
        assert max_bytes == BUNDLE_BYTES
        return self.outgoing.pop(0) if self.outgoing else None

    def add_bundle(self, origin: int, bundle: bytes) -> tuple[int, int]:
        self.bundles.append((origin, bundle))
        return 1, 0

    def expire(self, now_ms: int) -> int:
        return 0


class Wire:
    """Stands in for the transport."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.paused: list[tuple[int, Lane, bool]] = []

    has_peers = True

    def broadcast(self, lane: Lane, kind: FrameKind, payload: bytes) -> None:
        assert (lane, kind) == (Lane.TRANSACTIONS, FrameKind.BUNDLE)
        self.sent.append(payload)

    def set_paused(self, peer: int, lane: Lane, paused: bool, by: str) -> None:
        self.paused.append((peer, lane, paused))

    def refuse_peer(self, peer: int, error: Exception) -> None:
        raise AssertionError(error)


class World:
    """A gossip between a counting pool and a noting wire."""

    def __init__(self) -> None:
        self.pool, self.wire = Pool(), Wire()
        self.changes = 0
        self.errors: list[BaseException] = []
        self.worker = Worker("admit", StageClock(), self.errors.append, lambda error: False)
        self.gossip = Gossip(cast(Any, self.pool), self.worker, self._on_change)

    def _on_change(self) -> None:
        self.changes += 1

    def close(self) -> None:
        self.gossip.close()
        self.worker.close()
        assert not self.errors


async def test_large_bundles_follow_each_other_until_the_pool_has_none() -> None:
    world = World()
    world.gossip.start(cast(Any, world.wire))
    world.pool.outgoing = [bytes(BUNDLE_BYTES), bytes(BUNDLE_BYTES), b"last"]
    world.gossip.kick()
    await eventually(lambda: len(world.wire.sent) == 3, DEADLINE_S, "three bundles")
    world.close()


async def test_kicks_while_a_bundle_is_made_are_not_forgotten() -> None:
    world = World()
    world.gossip.start(cast(Any, world.wire))
    for number in range(20):
        world.pool.outgoing.append(str(number).encode())
        world.gossip.kick()
        await eventually(lambda n=number: len(world.wire.sent) == n + 1, DEADLINE_S, "bundle")  # type: ignore[misc]
    assert world.wire.sent == [str(number).encode() for number in range(20)]
    world.close()


async def test_a_peer_that_sends_more_than_we_admit_is_paused_and_resumed() -> None:
    world = World()
    world.gossip.start(cast(Any, world.wire))
    size = ADMISSION_BYTES_MAX // 4 + 1
    for _ in range(4):
        world.gossip.on_bundle(2, bytes(size))
    assert world.wire.paused == [(2, Lane.TRANSACTIONS, True)]
    await eventually(lambda: world.gossip.admitted == 4, DEADLINE_S, "admitted")
    assert world.wire.paused[-1] == (2, Lane.TRANSACTIONS, False)
    assert world.changes == 4
    world.close()
