"""The client's HTTP: bodies by length and in chunks, broken connections, answers that are errors."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hansa.bench.client.http_connection import (
    Endpoint,
    HttpConnection,
    call,
    call_many,
    decode_batch,
    parse_endpoint,
    take_body,
)
from hansa.bench.errors import InvalidPlan, Unreachable


def answer(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


@asynccontextmanager
async def server(respond: Callable[[bytes], bytes | None]) -> AsyncIterator[Endpoint]:
    """Answers each request's body by `respond`; None closes the connection instead."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                response = respond(await reader.readexactly(length))
                if response is None:
                    break
                writer.write(response)
        except (asyncio.IncompleteReadError, ConnectionResetError):
            pass
        finally:
            writer.close()

    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with listener:
        yield Endpoint("127.0.0.1", listener.sockets[0].getsockname()[1])


@given(st.binary(max_size=200), st.integers(0, 400))
def test_a_body_is_taken_only_when_whole(body: bytes, cut: int) -> None:
    whole = answer(body)
    part = bytearray(whole[:cut])
    assert take_body(part) == (body if cut >= len(whole) else None)


@given(st.lists(st.binary(min_size=1, max_size=50), min_size=1, max_size=5), st.data())
def test_chunks_are_joined(chunks: list[bytes], data: st.DataObject) -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    whole = head + b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
    assert take_body(bytearray(whole)) == b"".join(chunks)
    cut = data.draw(st.integers(0, len(whole) - 1))
    assert take_body(bytearray(whole[:cut])) is None


def test_endpoints_are_read() -> None:
    assert parse_endpoint("127.0.0.1:8545") == Endpoint("127.0.0.1", 8545, "/")
    assert parse_endpoint("http://localhost:1/g/trade") == Endpoint("localhost", 1, "/g/trade")
    with pytest.raises(InvalidPlan):
        parse_endpoint("https://localhost:1")


async def test_calls_and_batches_are_answered() -> None:
    def respond(body: bytes) -> bytes:
        if body.startswith(b"["):
            return answer(b'[{"id":1,"result":"b"},{"id":0,"result":"a"}]')
        return answer(b'{"jsonrpc":"2.0","id":1,"result":"0x1"}')

    async with server(respond) as endpoint:
        connection = HttpConnection(endpoint)
        assert await call(connection, "eth_blockNumber") == "0x1"
        answers = await call_many(connection, [("first", []), ("second", [])])
        assert [one.result for one in answers] == ["a", "b"]
        connection.close()


async def test_an_error_and_a_broken_connection_are_named() -> None:
    failure = b'{"id":1,"error":{"code":-32000,"message":"no","data":{"code":"POOL-1"}}}'
    async with server(lambda body: None if b"break" in body else answer(failure)) as endpoint:
        connection = HttpConnection(endpoint)
        with pytest.raises(Unreachable, match="POOL-1"):
            await call(connection, "eth_chainId")
        with pytest.raises(Unreachable):
            await call(connection, "break")
        connection.close()


async def test_nobody_there_is_said() -> None:
    with pytest.raises(Unreachable):
        await call(HttpConnection(Endpoint("127.0.0.1", 1)), "eth_chainId")


def test_what_is_no_json_rpc_is_refused() -> None:
    with pytest.raises(Unreachable):
        decode_batch(b"<html>")
