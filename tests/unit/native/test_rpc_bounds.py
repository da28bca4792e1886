"""What one request may ask of the core: beyond its bound it is refused, and the next one is answered."""

import json
from typing import Any

import pytest

from hansa._native import Rpc
from tests.unit.native.alliance_fixture import grow

LOOP = "0x5b5f56"  # JUMPDEST PUSH0 JUMP: for ever
HERE = "0x" + "77" * 20


@pytest.fixture(scope="module")
def rpc() -> Rpc:
    options: dict[str, object] = {"logs_blocks_max": 2, "logs_results_max": 1, "call_gas_max": 1_000_000}
    return Rpc(grow(None, 5), options)


def ask(rpc: Rpc, method: str, *params: Any) -> Any:
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
    answer = rpc.handle(body)
    assert answer is not None
    return json.loads(answer)


def refusal(rpc: Rpc, method: str, *params: Any) -> dict[str, Any]:
    answer: dict[str, Any] = ask(rpc, method, *params)["error"]
    assert ask(rpc, "eth_blockNumber")["result"] == "0x5"
    return answer


def test_a_call_that_never_ends_runs_out_of_gas(rpc: Rpc) -> None:
    for gas in ({}, {"gas": "0xffffffffffff"}):
        error = refusal(rpc, "eth_call", {"to": HERE} | gas, "latest", {HERE: {"code": LOOP}})
        assert "gas" in error["message"]
    assert "gas" in refusal(rpc, "eth_estimateGas", {"to": HERE}, "latest", {HERE: {"code": LOOP}})["message"]


def test_ranges_of_logs_name_the_range_to_ask(rpc: Rpc) -> None:
    error = refusal(rpc, "eth_getLogs", {"fromBlock": "0x1", "toBlock": "0x5"})
    assert (error["code"], error["data"]["from"], error["data"]["to"]) == (-32005, "0x1", "0x2")
    assert ask(rpc, "eth_getLogs", {"fromBlock": "0x1", "toBlock": "0x2"})["result"] == []


def test_filters_name_so_many_alternatives(rpc: Rpc) -> None:
    many = ["0x" + number.to_bytes(20).hex() for number in range(1_001)]
    assert refusal(rpc, "eth_getLogs", {"address": many, "fromBlock": "0x5"})["code"] == -32005
    topics = ["0x" + number.to_bytes(32).hex() for number in range(1_001)]
    assert refusal(rpc, "eth_getLogs", {"topics": [topics], "fromBlock": "0x5"})["code"] == -32005


def test_overrides_name_so_many_slots(rpc: Rpc) -> None:
    slots = {"0x" + number.to_bytes(32).hex(): "0x" + "00" * 31 + "01" for number in range(25_001)}
    accounts = {"0x" + number.to_bytes(20).hex(): {"stateDiff": slots} for number in range(1, 3)}
    fits = ask(rpc, "eth_call", {"to": HERE}, "latest", dict([next(iter(accounts.items()))]))
    assert fits["result"] == "0x"
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "eth_call", "params": [{"to": HERE}, "latest", accounts]})
    answer = rpc.handle(body.encode())  # by then too large as a body
    assert answer is not None and "error" in json.loads(answer)


def test_batches_bodies_and_parameters_are_bounded(rpc: Rpc) -> None:
    one = {"jsonrpc": "2.0", "id": 1, "method": "eth_blockNumber"}
    for body in (
        json.dumps([one] * 1_001).encode(),
        b" " * (5 * 1024 * 1024 + 1),
        json.dumps(one | {"params": [1] * 17}).encode(),
        json.dumps(one | {"method": "eth_" + "x" * 200}).encode(),
        b'{"jsonrpc":"2.0","id":1,"method":"eth_call","params":' + b"[" * 100_000,
    ):
        answer = rpc.parts(body)
        text = answer if isinstance(answer, bytes) else answer[0][1]
        assert text is None or "error" in json.loads(text)
    whole = rpc.handle(json.dumps([one] * 1_000).encode())
    assert whole is not None and len(json.loads(whole)) == 1_000


def test_histories_of_fees_are_bounded(rpc: Rpc) -> None:
    assert len(ask(rpc, "eth_feeHistory", "0x7fffffff", "latest", [])["result"]["gasUsedRatio"]) <= 6
    assert "error" in ask(rpc, "eth_feeHistory", "0x2", "latest", [1.0] * 101)


def test_slots_of_proofs_and_reads_are_bounded(rpc: Rpc) -> None:
    slots = [hex(number) for number in range(1_025)]
    assert refusal(rpc, "eth_getProof", HERE, slots, "latest")["message"]
    assert len(ask(rpc, "eth_getProof", HERE, slots[:3], "latest")["result"]["storageProof"]) == 3
    assert refusal(rpc, "eth_getStorageValues", {HERE: slots}, "latest")["message"]
