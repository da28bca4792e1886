"""FISCO BCOS's public audit of 2026 against our links: decoders that read too far, sessions without a bound.

The findings stand in FISCO-BCOS/FISCO-BCOS pull requests 5183 (FIB-69), 5266 (FIB-183, FIB-184) and 5294 (FIB-184,
FIB-185). The transports are real ones with real certificates; what attacks them are sockets.
"""

import asyncio
import contextlib
import socket
from pathlib import Path

import msgspec
import pytest

from hansa.io.transport import LINKS_OF_A_PEER_MAX
from hansa.network import session
from hansa.network.budgets import HANDSHAKES_AT_ONCE_MAX, STRANGERS_AT_ONCE_MAX
from hansa.network.frames import (
    FRAME_VERSION,
    HEADER,
    HELLO_BYTES_MAX,
    MAGIC,
    PAYLOAD_BYTES_MAX,
    Frame,
    FrameDecoder,
    FrameKind,
    encode_frame,
)
from hansa.network.lanes import Lane
from hansa.network.session import Hello, Purpose
from tests.unit.io.test_transport import DEADLINE_S, GENESIS, Alliance, Heard, connect, knock_from, running
from tests.unit.node.test_runtime import running as members_running
from tests.waiting import eventually

MEMBER = 1  # dials validator 0, which is attacked

Opened = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def hello(lane: Lane) -> bytes:
    said = Hello(1, 1, GENESIS, MEMBER, 0, lane, Purpose.LINK, 1, "audit")
    return encode_frame(Frame(FrameKind.HELLO, msgspec.msgpack.encode(said)))


async def dial(alliance: Alliance, folder: Path, port: int, lane: Lane) -> Opened:
    """A member's link, open for frames."""
    reader, writer = await connect(alliance, folder / str(MEMBER), port)
    writer.write(hello(lane))
    await reader.readexactly(HEADER.size)  # of the answer
    return reader, writer


@pytest.mark.parametrize("kind", range(7))
async def test_short_payloads_of_every_kind_of_frame_are_read_to_their_end_only(tmp_path: Path, kind: int) -> None:
    """FIB-69, FIB-183: four bytes were read of payloads that had none to three, lengths beyond the buffer believed."""
    alliance, heard = Alliance(tmp_path, 2), Heard()
    first = alliance.transport(0, heard)
    async with running(first):
        for size in range(18):
            lane = Lane.TRANSACTIONS if kind == FrameKind.BUNDLE else Lane.VOTES
            reader, writer = await dial(alliance, tmp_path, first.bound.port, lane)
            writer.write(encode_frame(Frame(kind, b"\xff" * size)))
            writer.write(encode_frame(Frame(FrameKind.MESSAGE, b"done")))
            await writer.drain()
            wanted = size + 1
            if kind == FrameKind.HELLO:  # a second one ends the link
                with contextlib.suppress(ConnectionError):
                    while await reader.read(65_536):
                        pass
            else:
                await eventually(
                    lambda n=wanted: sum(m[2] == b"done" for m in heard.messages) == n,  # type: ignore[misc]
                    DEADLINE_S,
                    "the frame behind it",
                )
            writer.close()
        assert first.refused == (18 if kind == FrameKind.HELLO else 0)
    assert kind == FrameKind.HELLO or len(heard.bundles) == (18 if kind == FrameKind.BUNDLE else 0)


@pytest.mark.parametrize("size", [PAYLOAD_BYTES_MAX + 1, 2**31, 2**32 - 1])
async def test_a_giant_frame_ends_the_link_at_its_header(tmp_path: Path, size: int) -> None:
    """FIB-69: payloads far beyond what any message needs travelled on into consensus."""
    alliance, heard = Alliance(tmp_path, 2), Heard()
    first = alliance.transport(0, heard)
    async with running(first):
        reader, writer = await dial(alliance, tmp_path, first.bound.port, Lane.SYNC)
        writer.write(HEADER.pack(MAGIC, FRAME_VERSION, FrameKind.MESSAGE, 0, 0, size, 0))
        with contextlib.suppress(ConnectionError):
            while await reader.read(65_536):
                pass
        writer.close()
        await eventually(lambda: first.refused == 1, DEADLINE_S, "refusal")
    assert heard.messages == []


@pytest.mark.parametrize("lane", [Lane.VOTES, Lane.PROPOSALS, Lane.SYNC])
async def test_bundles_come_on_the_lane_that_is_paused_for_them(tmp_path: Path, lane: Lane) -> None:
    """FIB-184: what a session brings is bounded; bundles on a lane that nobody pauses for them would not be."""
    alliance, heard = Alliance(tmp_path, 2), Heard()
    first = alliance.transport(0, heard)
    async with running(first):
        reader, writer = await dial(alliance, tmp_path, first.bound.port, lane)
        writer.write(encode_frame(Frame(FrameKind.BUNDLE, b"x")))
        with contextlib.suppress(ConnectionError):
            while await reader.read(65_536):
                pass
        writer.close()
        await eventually(lambda: first.refused == 1, DEADLINE_S, "refusal")
    assert heard.bundles == []


def test_a_stream_holds_one_frame_at_most() -> None:
    """FIB-184: the receive buffer of a session grew to 64 MiB, before anybody had said who he was."""
    decoder = FrameDecoder(HELLO_BYTES_MAX)
    held = 0
    decoder.feed(HEADER.pack(MAGIC, FRAME_VERSION, 0, 0, 0, HELLO_BYTES_MAX, 0))
    for _ in range(10_000):
        decoder.feed(b"x")
        with contextlib.suppress(Exception):
            decoder.next_frame()
        held = max(held, len(decoder._buffer))
    assert held <= HEADER.size + HELLO_BYTES_MAX + 4


async def test_strangers_that_only_connect_take_bounded_room(tmp_path: Path) -> None:
    """FIB-184: sessions and their threads and buffers without a bound."""
    alliance = Alliance(tmp_path, 2)
    first = alliance.transport(0, Heard())
    most = 0
    async with running(first):
        opened: list[Opened] = []
        for host in range(2, 12):
            for _ in range(20):
                opened.append(await knock_from(f"127.0.0.{host}", first.bound.port))
                most = max(most, len(first._door.under_way))
        await eventually(lambda: first.refused >= 200 - STRANGERS_AT_ONCE_MAX, DEADLINE_S, "refusals")
        assert most <= STRANGERS_AT_ONCE_MAX <= HANDSHAKES_AT_ONCE_MAX and not first._links
        for _, writer in opened:
            writer.close()


async def test_one_address_cannot_open_connections_without_end(tmp_path: Path) -> None:
    """FIB-184: a handshake costs whoever accepts it more than whoever asks; so each address has a rate."""
    alliance = Alliance(tmp_path, 2)
    first = alliance.transport(0, Heard())
    async with running(first):
        for _ in range(400):
            with socket.socket() as knocking:
                knocking.setblocking(False)
                with contextlib.suppress(BlockingIOError):
                    knocking.connect(("127.0.0.1", first.bound.port))
                await asyncio.sleep(0)
        await eventually(lambda: first.refused > 0, DEADLINE_S, "refusals")


async def test_a_member_that_opens_link_after_link_takes_bounded_room(tmp_path: Path) -> None:
    """FIB-184, from inside: a member's sessions that never say a word, and those that say the same lane again."""
    alliance = Alliance(tmp_path, 2)
    first = alliance.transport(0, Heard())
    async with running(first):
        silent = [await connect(alliance, tmp_path / str(MEMBER), first.bound.port) for _ in range(24)]
        await eventually(lambda: first.refused >= 24 - LINKS_OF_A_PEER_MAX, DEADLINE_S, "refusals")
        assert len(first._links) <= LINKS_OF_A_PEER_MAX
        for _, writer in silent:
            writer.close()
        await eventually(lambda: not first._links, DEADLINE_S, "they are gone")
        for _ in range(12):
            await dial(alliance, tmp_path, first.bound.port, Lane.VOTES)
        await eventually(lambda: len(first._links) == 1, DEADLINE_S, "the last one alone")


async def test_blocks_go_on_while_sessions_come_and_go(tmp_path: Path) -> None:
    """FIB-185: consensus halted under session churn and was not armed again."""
    async with members_running(tmp_path) as world:
        for number in range(12):
            for member in world.members:
                transport = member.transport
                assert transport is not None
                for link in list(transport._links)[number % 4 :: 4]:
                    link.abort()
            world.members[number % 4].submit(b"%d" % number)
            await eventually(
                lambda n=number + 1: all(len(world.sealed_raws(m)) == n for m in world.members),  # type: ignore[misc]
                DEADLINE_S,
                "a block by all",
            )
        world.check_agreement()


async def test_a_member_that_never_says_hello_is_hung_up_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """FIB-184, slowly: a session that is kept half open."""
    monkeypatch.setattr(session, "HANDSHAKE_TIMEOUT_US", 0)
    alliance = Alliance(tmp_path, 2)
    first = alliance.transport(0, Heard())
    async with running(first):
        reader, writer = await connect(alliance, tmp_path / str(MEMBER), first.bound.port)
        writer.write(hello(Lane.VOTES)[:20])
        await eventually(lambda: len(first._links) == 1, DEADLINE_S, "the link")
        for link in list(first._links):
            link.tick()
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""
        await eventually(lambda: first.refused == 1, DEADLINE_S, "refusal")
        writer.close()
