"""The client against a server that answers as it is told: results, errors, and what is no JSON-RPC."""

import http.server
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from hansa.sdk.client import Client, failure_of
from hansa.sdk.errors import (
    InvalidAnswer,
    InvalidCall,
    NodeUnreachable,
    NotConfirmed,
    Reverted,
    RpcFailed,
    RpcInvalid,
    RpcRefused,
)
from hansa.sdk.signing import Intent, Signed, call_object, explained, send_and_wait, sign_intent

Answer = Callable[[Any], Any]
shown: list[str | None] = []  # the Authorization header of every request


@contextmanager
def serving(answer: Answer) -> Iterator[str]:
    """A server on a free port; `answer` gets the parsed request, returns a value to encode or raw bytes."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:  # noqa: N802 - the library's name
            shown.append(self.headers.get("Authorization"))
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            reply = answer(request)
            body = reply if isinstance(reply, bytes) else json.dumps(reply).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def by_method(results: dict[str, Any]) -> Answer:
    """Answers calls and batches from a table; a dict with `error` is an error, a list is used up from its front."""

    def one(request: dict[str, Any]) -> dict[str, Any]:
        result = results[request["method"]]
        if isinstance(result, list):
            result = result.pop(0)
        base = {"jsonrpc": "2.0", "id": request["id"]}
        return base | (result if isinstance(result, dict) and "error" in result else {"result": result})

    return lambda request: [one(entry) for entry in reversed(request)] if isinstance(request, list) else one(request)


def error(code: int, message: str, data: Any = None) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "data": data}}


def test_results_and_batches_in_any_order() -> None:
    with serving(by_method({"a": 1, "b": "two", "c": error(-32601, "no such method")})) as url, Client(url) as client:
        assert client.call("a") == 1
        first, second, third = client.batch([("a", []), ("c", []), ("b", [])])
        assert (first, third) == (1, "two")
        assert isinstance(second, RpcInvalid)
        assert client.batch([]) == []
        with pytest.raises(RpcInvalid):
            client.batch_all([("a", []), ("c", [])])


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}", b'{"id": 1}', b"\xff\xfe"])
def test_what_is_no_json_rpc_is_named(body: bytes) -> None:
    with serving(lambda _: body) as url, Client(url) as client, pytest.raises(InvalidAnswer):
        client.call("a")


def test_nobody_there_is_said_plainly() -> None:
    with serving(lambda _: b"") as url:
        pass
    with pytest.raises(NodeUnreachable) as caught:
        Client(url).call("a")
    assert caught.value.exit_code == 3
    assert "hansa up" in caught.value.hint


def test_a_closed_connection_is_opened_again() -> None:
    with serving(by_method({"a": 1})) as url, Client(url) as client:
        assert client.call("a") == 1
        client.close()
        assert client.call("a") == 1


@pytest.mark.parametrize("url", ["", "ftp://x", "http://"])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(InvalidCall):
        Client(url)


def test_a_failure_keeps_the_node_s_code_and_hint() -> None:
    failure = failure_of({"code": -32003, "message": "nonce too low", "data": {"code": "POOL-3", "hint": "use 7"}})
    assert isinstance(failure, RpcRefused)
    assert failure.as_json() == {"code": "POOL-3", "cause": "nonce too low", "hint": "use 7", "rpc_code": -32003}
    assert type(failure_of({"code": 12_345, "message": "?"})) is RpcFailed
    assert type(failure_of("nonsense")) is RpcFailed


def test_a_revert_says_what_the_contract_said() -> None:
    reason = "08c379a0" + "20".rjust(64, "0") + "4".rjust(64, "0") + b"zero".hex().ljust(64, "0")
    failure = explained(failure_of({"code": 3, "message": "execution reverted", "data": "0x" + reason}))
    assert isinstance(failure, Reverted)
    assert failure.cause == 'reverted: "zero"'
    assert failure.exit_code == 7
    panic = explained(failure_of({"code": 3, "message": "reverted", "data": "0x4e487b71" + "11".rjust(64, "0")}))
    assert "panic 0x11" in panic.cause


NODE = {"eth_chainId": "0x539", "eth_gasPrice": "0x0", "eth_getTransactionCount": "0x5", "eth_estimateGas": "0x5208"}


def test_an_intent_is_filled_in_and_signed() -> None:
    from eth_account import Account

    from hansa.crypto.suite import key_pair

    key = key_pair(b"\x07" * 32)
    with serving(by_method(NODE)) as url, Client(url) as client:
        signed = sign_intent(client, key, Intent(to=b"\x01" * 20, value=3))
    assert bytes.fromhex(Account.recover_transaction(signed.raw)[2:]) == key.address
    assert call_object(Intent(to=None, data=b"\x01")) == {"data": "0x01", "value": "0x0"}


def test_parallel_intents_draw_numbers_and_name_an_end() -> None:
    from hansa import _native
    from hansa.crypto.suite import key_pair

    key = key_pair(b"\x07" * 32)
    node = {"eth_chainId": "0x539", "eth_gasPrice": "0x3", "eth_blockNumber": "0x10", "eth_estimateGas": "0x5208"}
    intent = Intent(to=b"\x01" * 20, value=3, parallel=True)
    with serving(by_method(node)) as url, Client(url) as client:
        raws = [sign_intent(client, key, intent).raw for _ in range(2)]
    first, second = (_native.decode_transaction(raw) for raw in raws)
    assert (first["type"], first["sender"], first["block_limit"]) == (0x48, key.address, 1_016)
    assert first["nonce"] != second["nonce"]
    assert (first["max_fee_per_gas"], first["gas"]) == (6, 25_200)


def test_waiting_uses_what_the_node_can() -> None:
    signed = Signed(b"\x02", b"\x03" * 32)
    receipt = {"status": "0x1"}
    with serving(by_method({"eth_sendRawTransactionSync": receipt})) as url, Client(url) as client:
        assert send_and_wait(client, signed) == receipt
    older = {
        "eth_sendRawTransactionSync": error(-32601, "no such method"),
        "eth_sendRawTransaction": "0x03",
        "eth_getTransactionReceipt": [None, None, receipt],
    }
    with serving(by_method(older)) as url, Client(url) as client:
        assert send_and_wait(client, signed) == receipt


def test_sent_but_not_final_has_its_own_exit_code_and_the_hash() -> None:
    late = {"eth_sendRawTransactionSync": error(4, "timeout")}
    with serving(by_method(late)) as url, Client(url) as client, pytest.raises(NotConfirmed) as caught:
        send_and_wait(client, Signed(b"\x02", b"\x03" * 32))
    assert caught.value.exit_code == 8
    assert caught.value.data["hash"] == "0x" + "03" * 32


def test_a_token_is_shown_where_there_is_one() -> None:
    shown.clear()
    with serving(by_method({"eth_chainId": "0x1"})) as url:
        for token in (None, "a-token"):
            with Client(url, token=token) as client:
                client.call("eth_chainId")
    assert shown == [None, "Bearer a-token"]
