"""The server over real sockets on loopback, with a node that is a table."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from hansa.api import ApiOptions, ApiServer
from hansa.api import guard as guard_room
from hansa.api import server as server_room
from hansa.api import websocket as websocket_room
from hansa.api.errors import PortTaken
from hansa.api.options import BODY_BYTES_MAX, HEADER_BYTES_MAX
from tests.waiting import eventually

from .fake_node import FakeNode, FakeRpc


class Served:
    def __init__(self, node: FakeNode, server: ApiServer) -> None:
        self.node = node
        self.server = server

    async def exchange(self, request: bytes) -> tuple[int, dict[str, str], bytes]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.server.port)
        writer.write(request)
        await writer.drain()
        status = int((await reader.readline()).split()[1])
        headers = {}
        while (line := await reader.readline()).strip():
            name, _, value = line.decode().partition(":")
            headers[name.lower()] = value.strip()
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        writer.close()
        return status, headers, body

    async def post(self, body: bytes, **headers: str) -> tuple[int, dict[str, str], Any]:
        fields = {"host": "127.0.0.1", "content-length": str(len(body)), **headers}
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        status, answered, text = await self.exchange(b"POST / HTTP/1.1\r\n" + head.encode() + b"\r\n" + body)
        return status, answered, json.loads(text) if text else None

    def open(self, **options: Any) -> connect:
        return connect(f"ws://127.0.0.1:{self.server.port}", **options)


@pytest_asyncio.fixture
async def served() -> AsyncIterator[Served]:
    node = FakeNode()
    server = ApiServer(node, ApiOptions(port=0))
    await server.start()
    yield Served(node, server)
    await server.stop()


def call(method: str, *params: Any, ident: Any = 1) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": ident, "method": method, "params": params}).encode()


async def ask(client: ClientConnection, method: str, *params: Any) -> Any:
    await client.send(call(method, *params).decode())
    return json.loads(await client.recv())


async def test_native_and_python_methods_answer(served: Served) -> None:
    assert (await served.post(call("native_echo", 5)))[2]["result"] == [5]
    assert (await served.post(call("net_peerCount")))[2]["result"] == "0x1"


async def test_a_mixed_batch_keeps_its_order(served: Served) -> None:
    body = b"[" + b",".join((call("native_echo", 1), call("eth_syncing", ident=2), call("nope_x", ident=3))) + b"]"
    answers = (await served.post(body))[2]
    assert [one["id"] for one in answers] == [1, 2, 3]
    assert [answers[0]["result"], answers[1]["result"], answers[2]["error"]["code"]] == [[1], False, -32601]


async def test_an_unknown_method_names_its_neighbour(served: Served) -> None:
    error = (await served.post(call("eth_getBlockByNumbr")))[2]["error"]
    assert error["data"]["hint"].startswith("did you mean eth_getBlockByNumber?")


async def test_dev_methods_do_not_exist_here(served: Served) -> None:
    for method in ("evm_mine", "hardhat_setBalance", "eth_sendTransaction", "eth_sign"):
        assert (await served.post(call(method)))[2]["error"]["code"] == -32601


async def test_strangers_are_refused(served: Served) -> None:
    status, _, answer = await served.post(call("eth_chainId"), host="evil.example")
    assert (status, answer["error"]["data"]["code"]) == (403, "API-1")
    assert (await served.post(call("eth_chainId"), origin="https://evil.example"))[0] == 403


async def test_allowed_origins_get_cors_headers_and_others_none(served: Served) -> None:
    _, headers, _ = await served.post(call("native_echo"), origin="http://localhost:3000")
    assert headers["access-control-allow-origin"] == "http://localhost:3000"
    _, headers, _ = await served.post(call("native_echo"))
    assert "access-control-allow-origin" not in headers
    preflight = b"OPTIONS / HTTP/1.1\r\nhost: localhost\r\norigin: http://localhost:3000\r\n\r\n"
    assert (await served.exchange(preflight))[0] == 204


async def test_bodies_and_headers_are_bounded(served: Served) -> None:
    announced = f"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: {BODY_BYTES_MAX + 1}\r\n\r\n"
    status, _, text = await served.exchange(announced.encode())
    assert (status, json.loads(text)["error"]["code"]) == (413, -32005)
    long = b"POST / HTTP/1.1\r\nhost: localhost\r\nx: " + b"a" * (HEADER_BYTES_MAX + 1) + b"\r\n\r\n"
    assert (await served.exchange(long))[0] == 400


async def test_a_chunked_body_is_bounded_too(served: Served) -> None:
    chunk = b"100000\r\n" + b" " * 0x100000 + b"\r\n"
    head = b"POST / HTTP/1.1\r\nhost: localhost\r\ntransfer-encoding: chunked\r\n\r\n"
    assert (await served.exchange(head + chunk * 6))[0] == 413


@pytest.mark.parametrize("begun", [b"POST / HTTP/1.1\r\nhost: local", b"\r\n"])
async def test_a_second_request_that_never_ends_is_cut_off(
    served: Served, begun: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_room, "_HEADER_SECONDS_MAX", 0.05)
    reader, writer = await asyncio.open_connection("127.0.0.1", served.server.port)
    writer.write(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n")
    await reader.readuntil(b"}")
    writer.write(begun)
    assert await asyncio.wait_for(reader.read(), 20) == b""
    writer.close()


async def test_a_method_name_in_escapes_is_not_run_on_the_event_loop(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[str] = []
    handle = FakeRpc.handle

    def noted(self: FakeRpc, body: bytes) -> bytes | None:
        threads.append(threading.current_thread().name)
        return handle(self, body)

    monkeypatch.setattr(FakeRpc, "handle", noted)
    body = call("native_echo", 1).replace(b"native_echo", b"native_\\u0065cho")
    assert (await served.post(body))[2]["result"] == [1]
    assert threads[0].startswith("rpc-read")
    assert served.node.kicks == 1


async def test_large_bodies_together_are_bounded(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard_room, "BODIES_BYTES_MAX", 3 << 20)
    room = served.server._application._room
    text = call("native_echo", "x" * (2 << 20))
    head = f"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(text)}\r\n\r\n".encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", served.server.port)
    writer.write(head + text[:-1])
    await eventually(lambda: room.taken >= len(text) - 1, 20, "the first body")
    status, _, answer = await served.exchange(head + text)
    assert (status, json.loads(answer)["error"]["code"]) == (503, -32005)
    writer.write(text[-1:])
    assert b" 200 " in await reader.readline()
    writer.close()
    await eventually(lambda: room.taken == 0, 20, "room again")
    assert (await served.exchange(head + text))[0] == 200


async def test_other_paths_and_verbs_are_told_what_to_do(served: Served) -> None:
    assert (await served.exchange(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n"))[0] == 405
    assert (await served.exchange(b"POST /x HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\n\r\n"))[0] == 404


async def test_health_and_readiness(served: Served) -> None:
    for path, status in (("healthz", 200), ("readyz", 200)):
        assert (await served.exchange(f"GET /{path} HTTP/1.1\r\nhost: x\r\n\r\n".encode()))[0] == status
    served.node.state = msgspec.structs.replace(served.node.state, syncing=True)
    assert (await served.exchange(b"GET /readyz HTTP/1.1\r\nhost: x\r\n\r\n"))[0] == 503
    assert (await served.exchange(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n"))[0] == 200


async def test_a_taken_port_is_said_plainly(served: Served) -> None:
    with pytest.raises(PortTaken):
        await ApiServer(FakeNode(), ApiOptions(port=served.server.port)).start()


async def test_a_standby_answers_reads_and_takes_no_transactions(served: Served) -> None:
    served.node.is_standby = True
    _, _, refused = await served.post(call("eth_sendRawTransaction", "0x00", ident=7))
    assert (refused["id"], refused["error"]["data"]["code"]) == (7, "RPC-15")
    _, _, read = await served.post(call("native_one"))
    assert "result" in read
    assert served.node.kicks == 0


async def test_sends_wake_the_node(served: Served) -> None:
    await asyncio.gather(*(served.post(call("eth_sendRawTransaction", "0x")) for _ in range(8)))
    assert sum(served.node.rpc.batches) == 8
    assert served.node.kicks == len(served.node.rpc.batches)


async def test_websocket_answers_and_subscriptions(served: Served) -> None:
    async with served.open() as client:
        assert (await ask(client, "native_echo", 5))["result"] == [5]
        heads = (await ask(client, "eth_subscribe", "newHeads"))["result"]
        logs = (await ask(client, "eth_subscribe", "logs", {"address": []}))["result"]
        served.node.seal(4)
        events = [json.loads(await client.recv()) for _ in range(2)]
        assert [one["params"]["subscription"] for one in events] == [heads, logs]
        assert events[0]["params"]["result"] == {"number": "0x4"}
        assert (await ask(client, "eth_unsubscribe", heads))["result"] is True
        assert (await ask(client, "eth_unsubscribe", heads))["result"] is False


async def test_no_sealed_block_is_left_out_of_new_heads(served: Served) -> None:
    async with served.open() as client:
        await ask(client, "eth_subscribe", "newHeads")
        served.node.seal(6)
        numbers = [json.loads(await client.recv())["params"]["result"]["number"] for _ in range(3)]
        assert numbers == ["0x4", "0x5", "0x6"]


async def test_unknown_subscriptions_and_http_are_refused(served: Served) -> None:
    async with served.open() as client:
        assert (await ask(client, "eth_subscribe", "weather"))["error"]["code"] == -32602
    assert (await served.post(call("eth_subscribe", "newHeads")))[2]["error"]["code"] == -32602


async def test_a_websocket_from_a_foreign_page_is_refused(served: Served) -> None:
    with pytest.raises(InvalidStatus) as refused:
        async with served.open(origin="https://evil.example"):
            pass
    assert refused.value.response.status_code == 403


async def test_oversized_websocket_messages_end_the_connection(served: Served) -> None:
    async with served.open() as client:
        with pytest.raises(ConnectionClosed):
            await client.send(" " * (BODY_BYTES_MAX + 1))
            await client.recv()


async def test_a_client_that_does_not_read_is_dropped_and_the_others_go_on(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(websocket_room, "QUEUE_MESSAGES_MAX", 10)
    monkeypatch.setattr(FakeRpc, "head_event", lambda self, number: b'"' + b"x" * 1_000_000 + b'"')
    before = websocket_room.dropped_clients
    async with served.open(max_queue=1, max_size=None) as deaf, served.open(max_size=None) as listening:
        await ask(deaf, "eth_subscribe", "newHeads")
        await ask(listening, "eth_subscribe", "newHeads")
        height = served.node.chain.height
        while websocket_room.dropped_clients == before:
            height += 1
            served.node.seal(height)
            await listening.recv()
        with pytest.raises(ConnectionClosed):
            while True:
                await deaf.recv()
    assert websocket_room.dropped_clients == before + 1


def test_queues_of_all_clients_together_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket_room, "QUEUES_BYTES_MAX", 25)
    clients = [websocket_room.Client() for _ in range(3)]
    for client in clients:
        client.push(b"0123456789")  # the first message of each has room
    clients[0].push(b"0123456789")
    assert [client.overflowed.is_set() for client in clients] == [True, False, False]
    for client in clients:
        client.clear()
    assert websocket_room.waiting_bytes == 0
