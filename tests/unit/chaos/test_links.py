"""The faulty links: what passes, what is held, what is changed."""

import asyncio
from random import Random

import pytest

from hansa.chaos.links import Direction, LinkProxy
from hansa.chaos.streets import P2P_PORT, Streets
from hansa.sim.script import Links

DEADLINE_S = 20.0
TWO = (0, 1)


@pytest.fixture
async def proxy() -> LinkProxy:
    """The links between two places on loopback; place 1 gives back what it hears."""

    async def give_back(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1_000):
            writer.write(data)

    streets = Streets(2, is_sandboxed=False)
    links = LinkProxy(streets, TWO, seed=1)
    try:
        server = await asyncio.start_server(give_back, streets.home(1), P2P_PORT)
        await links.start()
    except OSError as error:
        pytest.skip(f"the loopback addresses are taken: {error}")
    yield links
    await links.stop()
    server.close()


async def ask(text: bytes) -> bytes:
    """Send `text` from place 0 to place 1 on a connection of its own, and return what comes back."""
    reader, writer = await asyncio.open_connection(Streets(2, is_sandboxed=False).seen(0, 1), P2P_PORT)
    writer.write(text)
    try:
        return await asyncio.wait_for(reader.readexactly(len(text)), DEADLINE_S)
    finally:
        writer.close()


async def test_bytes_pass_in_order_however_late_each_piece_is(proxy: LinkProxy) -> None:
    proxy.trouble(Links(0, 1, TWO, TWO, loss_percent=5, delay_ms=20), True)
    text = Random(1).randbytes(200_000)
    assert await ask(text) == text


@pytest.mark.parametrize("way", [((0,), (1,)), ((1,), (0,))])
async def test_a_cut_holds_everything_until_it_heals(proxy: LinkProxy, way: tuple[tuple[int], tuple[int]]) -> None:
    proxy.cut(*way, 1)
    asking = asyncio.create_task(ask(b"hello"))
    other = proxy.directions[way[1][0], way[0][0]]
    assert other.opened.is_set(), "the cut is one-way"
    for _ in range(50):
        await asyncio.sleep(0)
    assert not asking.done()
    proxy.cut(*way, -1)
    assert await asking == b"hello"


async def test_cuts_that_overlap_end_with_the_last_one(proxy: LinkProxy) -> None:
    for delta in (1, 1, -1):
        proxy.cut((0,), (1,), delta)
    assert not proxy.directions[0, 1].opened.is_set()
    proxy.cut((0,), (1,), -1)
    assert proxy.directions[0, 1].opened.is_set()


async def test_whoever_takes_a_validators_place_is_reached_instead_of_it(proxy: LinkProxy) -> None:
    async def shout(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write((await reader.readexactly(5)).upper())

    server = await asyncio.start_server(shout, "127.0.0.1", 0)
    proxy.redirected[1] = server.sockets[0].getsockname()[:2]
    assert await ask(b"hello") == b"HELLO"
    server.close()


def test_a_flip_changes_one_bit_of_the_piece() -> None:
    way, draw = Direction(troubles=[Links(0, 1, TWO, TWO, flip_percent=100)]), Random(2)
    piece = bytes(range(256))
    changed = way.flip(piece, draw)
    assert sum((a ^ b).bit_count() for a, b in zip(piece, changed, strict=True)) == 1
    assert Direction().flip(piece, draw) == piece


def test_the_same_seed_gives_the_same_delays() -> None:
    way = Direction()
    way.troubles.append(Links(0, 1, TWO, TWO, loss_percent=30, delay_ms=100))
    first, second = ([way.draw_delay_s(draw) for _ in range(50)] for draw in (Random(3), Random(3)))
    assert first == second
    assert max(first) > 0.2, "a lost piece comes after a retransmission"
