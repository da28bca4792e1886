"""What one client may take of a node, over real sockets: beyond it that client is refused, and the others go on."""

import asyncio
import json
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest
import pytest_asyncio
from websockets.exceptions import ConnectionClosed

from hansa.api import ApiOptions, ApiServer, context, dispatch, guard, node_methods, server, subscriptions
from hansa.api import websocket as websocket_room
from hansa.api.errors import Busy, CoreRefusal, LimitExceeded
from hansa.api.filters import FilterKind, FilterStore
from hansa.api.options import AWAITED_MAX, REQUESTS_IN_FLIGHT_MAX, SUBSCRIPTIONS_MAX
from hansa.api.sending import SendGate
from hansa.api.subscriptions import Hub
from tests.waiting import eventually

from .fake_node import FakeNode, FakeRpc
from .test_server import Served, ask, call

DEADLINE_S = 20.0


@pytest_asyncio.fixture
async def served() -> AsyncIterator[Served]:
    node = FakeNode()
    one = ApiServer(node, ApiOptions(port=0))
    await one.start()
    yield Served(node, one)
    await one.stop()


async def knock(served: Served, host: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", served.server.port, local_addr=(host, 0))


async def is_served(opened: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> bool:
    reader, writer = opened
    try:
        writer.write(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n")
        return b" 200 " in await reader.readline()
    except ConnectionError:
        return False


async def test_one_address_cannot_take_all_connections(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "CONNECTIONS_OF_AN_ADDRESS_MAX", 5)
    greedy = [await knock(served, "127.0.0.2") for _ in range(9)]
    assert [await is_served(one) for one in greedy] == [True] * 5 + [False] * 4
    other = await knock(served, "127.0.0.3")
    assert await is_served(other)
    for _, writer in [*greedy, other]:
        writer.close()


async def test_beyond_all_connections_nobody_is_kept_waiting(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "CONNECTIONS_MAX", 6)
    opened = [await knock(served, f"127.0.0.{host}") for host in range(2, 12)]
    assert [await is_served(one) for one in opened] == [True] * 6 + [False] * 4
    opened[0][1].close()
    again = None
    while again is None or not await is_served(again):  # until the closed one is noticed
        again = await knock(served, "127.0.0.2")
    for _, writer in [*opened, again]:
        writer.close()


async def test_who_says_nothing_is_hung_up_on(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "_HEADER_SECONDS_MAX", 0.05)
    for begun in (b"", b"P", b"POST / HTTP/1.1\r\nhost: localhost\r\nx: "):
        reader, writer = await knock(served, "127.0.0.1")
        writer.write(begun)
        assert await asyncio.wait_for(reader.read(), DEADLINE_S) == b""
        writer.close()


async def test_a_body_that_drips_is_cut_off(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hansa.api.asgi.BODY_SECONDS_MAX", 0.05)
    head = b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\n{"
    status, headers, _ = await served.exchange(head)
    assert status == 408 and headers["connection"] == "close"


async def test_large_websocket_messages_count_as_bodies(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "BODIES_BYTES_MAX", 1 << 20)
    async with served.open(max_size=None) as client:
        small = await ask(client, "native_echo", "x")
        large = await ask(client, "native_echo", "x" * (2 << 20))
        after = await ask(client, "native_echo", "x" * (1 << 19))
    assert small["result"] == ["x"] and large["error"]["code"] == -32005 and len(after["result"][0]) == 1 << 19
    assert served.server._application._room.taken == 0


async def test_a_client_has_so_many_requests_under_way(served: Served) -> None:
    waiting, gate = [0], asyncio.Event()
    real = served.server._dispatcher.answer

    async def answer(body: bytes, sink: Any = None) -> bytes:
        waiting[0] += 1
        await gate.wait()
        return await real(body, sink)

    served.server._dispatcher.answer = answer  # type: ignore[method-assign]
    async with served.open() as client:
        for number in range(2 * REQUESTS_IN_FLIGHT_MAX):
            await client.send(call("native_echo", number, ident=number).decode())
        await eventually(lambda: waiting[0] == REQUESTS_IN_FLIGHT_MAX, DEADLINE_S, "requests under way")
        gate.set()
        answered = {json.loads(await client.recv())["id"] for _ in range(2 * REQUESTS_IN_FLIGHT_MAX)}
    assert answered == set(range(2 * REQUESTS_IN_FLIGHT_MAX))


async def test_subscriptions_of_a_client_end_with_it_and_are_bounded(served: Served) -> None:
    hub = served.server._dispatcher.hub
    async with served.open() as client:
        answers = [await ask(client, "eth_subscribe", "newHeads") for _ in range(SUBSCRIPTIONS_MAX + 1)]
        assert [("result" in one) for one in answers] == [True] * SUBSCRIPTIONS_MAX + [False]
        assert answers[-1]["error"]["code"] == -32005
        async with served.open() as other:
            assert "result" in await ask(other, "eth_subscribe", "newHeads")
        await eventually(lambda: hub.count() == SUBSCRIPTIONS_MAX, DEADLINE_S, "those of the other are gone")
    await eventually(lambda: hub.count() == 0, DEADLINE_S, "all are gone")


async def test_subscriptions_of_all_are_bounded(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscriptions, "SUBSCRIPTIONS_TOTAL_MAX", 3)
    async with served.open() as one, served.open() as other:
        for _ in range(3):
            assert "result" in await ask(one, "eth_subscribe", "newHeads")
        assert (await ask(other, "eth_subscribe", "newHeads"))["error"]["code"] == -32005


async def test_receipts_that_clients_wait_for_are_bounded(served: Served) -> None:
    gate = SendGate(served.node)
    gate.awaited = AWAITED_MAX
    asking = cast(context.Context, SimpleNamespace(gate=gate))
    with pytest.raises(Busy):
        await node_methods.send_raw_transaction_sync(asking, ["0x00"])
    assert gate.awaited == AWAITED_MAX
    gate.close()


async def test_heavy_reads_that_wait_are_bounded_filters_included(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeRpc, "result", lambda self, method, params: (True, b"[]"), raising=False)
    made = (await served.post(call("eth_newFilter", {})))[2]["result"]
    assert (await served.post(call("eth_getFilterLogs", made)))[2]["result"] == []
    monkeypatch.setattr(dispatch, "READS_WAITING_MAX", 0)
    assert (await served.post(call("eth_getFilterLogs", made)))[2]["error"]["code"] == -32005


async def test_logs_of_a_full_block_reach_other_clients_work_between_them(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Many logs for many subscriptions are pushed in portions: whoever asks meanwhile is answered."""
    monkeypatch.setattr(FakeRpc, "log_events", lambda self, number, criteria: [b"1"] * 400)
    turns = 0

    class Sink:
        pushed = 0

        def push(self, message: bytes) -> None:
            Sink.pushed += 1

    hub = Hub(served.node)
    for _ in range(40):
        hub.add(Sink(), "logs", {})
    done = asyncio.create_task(hub._publish_block(4))
    while not done.done():
        turns += 1
        await asyncio.sleep(0)
    assert Sink.pushed == 16_000 and turns >= 16_000 // subscriptions._LOGS_PER_TURN


async def test_a_dropped_client_costs_nothing_more(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeRpc, "log_events", lambda self, number, criteria: [b"1"] * 10_000)
    hub = Hub(served.node)

    class Leaving:
        pushed = 0

        def push(self, message: bytes) -> None:
            self.pushed += 1
            hub.remove_all(self)

    sink = Leaving()
    hub.add(sink, "logs", {})
    await hub._publish_block(4)
    assert sink.pushed == 1


# --- filters


class Searching:
    """What `eth_getFilterChanges` uses, with a search that can fail."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.filters = FilterStore(lambda: 0.0)
        self.node: Any = self
        self.chain: Any = self
        self.asked: list[tuple[str, str]] = []

    def head(self) -> tuple[int, bytes, bytes]:
        return 25_000, b"", b""

    def core(self, method: str, criteria: Any) -> bytes:
        found = msgspec.json.decode(bytes(criteria))
        self.asked.append((found["fromBlock"], found["toBlock"]))
        if self.failures:
            self.failures -= 1
            raise CoreRefusal(b"{}")
        return b"[]"

    async def beside(self, work: Any) -> Any:
        return work()


async def test_what_a_failed_look_did_not_tell_comes_with_the_next() -> None:
    asked = Searching(failures=1)
    name = asked.filters.install(FilterKind.LOGS, 24_000)
    searching = cast(context.Context, asked)
    with pytest.raises(CoreRefusal):
        await node_methods.filter_changes(searching, [name])
    for _ in range(2):
        await node_methods.filter_changes(searching, [name])
    assert asked.asked == [(hex(24_001), hex(25_000))] * 2  # the third look found no new block


async def test_a_filter_left_alone_for_long_catches_up_in_portions() -> None:
    asked = Searching(failures=0)
    name = asked.filters.install(FilterKind.LOGS, 0)
    for _ in range(4):
        await node_methods.filter_changes(cast(context.Context, asked), [name])
    ends = [(int(first, 16), int(last, 16)) for first, last in asked.asked]
    assert ends == [(1, 10_000), (10_001, 20_000), (20_001, 25_000)]


def test_a_filter_store_is_bounded_over_all_clients(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hansa.api.filters.FILTERS_MAX", 3)
    store = FilterStore(lambda: 0.0)
    for _ in range(3):
        store.install(FilterKind.BLOCKS, 0)
    with pytest.raises(LimitExceeded):
        store.install(FilterKind.BLOCKS, 0)


async def test_a_client_that_subscribes_and_never_reads_is_dropped(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(websocket_room, "QUEUE_BYTES_MAX", 100_000)
    monkeypatch.setattr(FakeRpc, "head_event", lambda self, number: b'"' + b"x" * 50_000 + b'"')
    before = websocket_room.dropped_clients
    async with served.open(max_queue=1, max_size=None) as deaf:
        await ask(deaf, "eth_subscribe", "newHeads")
        height = served.node.chain.height
        while websocket_room.dropped_clients == before:
            height += 1
            served.node.seal(height)
            await asyncio.sleep(0)
        with pytest.raises(ConnectionClosed):
            while True:
                await deaf.recv()
    assert websocket_room.waiting_bytes == 0
