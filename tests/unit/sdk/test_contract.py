"""Words become calls, compared with eth-abi; artefacts of three toolchains are read."""

import json
from pathlib import Path

import eth_abi
import pytest
from eth_utils.abi import function_signature_to_4byte_selector
from hypothesis import given, settings
from hypothesis import strategies as st

from hansa.sdk.contract import (
    decode_log,
    decode_output,
    encode_call,
    encode_deployment,
    event_signatures,
    function_signature,
    parse_artefact,
    revert_reason,
)
from hansa.sdk.errors import InvalidCall

BOOK = Path(__file__).resolve().parents[3] / "src/hansa/cli/artefacts/voucher_book.json"
A = "0x" + "11" * 20

CASES = [
    ("f(address,uint256)", [A, "5"], [A, 5]),
    ("f(bool,string)", ["true", "grüße"], [True, "grüße"]),
    ("f(uint256[],bytes)", ["[1,2,3]", "0x0102"], [[1, 2, 3], b"\x01\x02"]),
    ("f((uint256,bool),int8)", ["(7,false)", "-3"], [(7, False), -3]),
    ("f(bytes32)", ["0x" + "ab" * 32], [b"\xab" * 32]),
    ("f()", [], []),
]


@pytest.mark.parametrize(("signature", "words", "values"), CASES)
def test_calls_encode_as_eth_abi_does(signature: str, words: list[str], values: list[object]) -> None:
    inner = signature[signature.index("(") + 1 : -1]
    types = ["(uint256,bool)", "int8"] if inner.startswith("(") else [part for part in inner.split(",") if part]
    expected = function_signature_to_4byte_selector(signature) + eth_abi.encode(types, values)
    assert encode_call(signature, words) == expected


def test_outputs_are_text() -> None:
    data = eth_abi.encode(["uint256", "address", "string"], [2**255, A, "x"])
    assert decode_output("f()(uint256,address,string)", data) == [str(2**255), A, "x"]


@pytest.mark.parametrize(
    ("signature", "words"),
    [("f(", []), ("f(uint256)", []), ("f(uint8)", ["256"]), ("f(address)", ["0x12"]), ("f(nothing)", ["1"]), ("", [])],
)
def test_mistakes_are_named(signature: str, words: list[str]) -> None:
    with pytest.raises(InvalidCall) as caught:
        encode_call(signature, words)
    assert caught.value.hint
    assert "\n" not in caught.value.cause


def test_functions_are_found_by_name_and_count() -> None:
    book = parse_artefact(BOOK.read_bytes(), "book")
    assert function_signature(book, "valueOf", 1) == "valueOf(uint256)(uint256)"
    assert function_signature(book, "safeTransferFrom", 4).startswith("safeTransferFrom(address,address,uint256,bytes)")
    with pytest.raises(InvalidCall, match="no function") as caught:
        function_signature(book, "issue", 1)
    assert "issue(address,uint256,uint64,string,bytes32)" in caught.value.hint


def test_logs_are_read_by_name() -> None:
    book = parse_artefact(BOOK.read_bytes(), "book")
    name, signature = next(entry for entry in event_signatures(book).values() if entry[0] == "Split")
    topics = [topic for topic, entry in event_signatures(book).items() if entry[0] == name]
    topics += [(1).to_bytes(32), (2).to_bytes(32)]
    assert decode_log(signature, topics, (9).to_bytes(32)) == {"token": "1", "child": "2", "amount": "9"}


def test_artefacts_of_other_toolchains() -> None:
    abi = [{"type": "constructor", "inputs": [{"name": "n", "type": "uint256"}]}]
    foundry = parse_artefact(json.dumps({"abi": abi, "bytecode": {"object": "0x6001"}}).encode(), "out/C.json")
    hardhat = parse_artefact(json.dumps({"abi": abi, "bytecode": "0x6001", "contractName": "C"}).encode(), "x")
    assert foundry == hardhat
    assert encode_deployment(foundry, ["3"]) == b"\x60\x01" + (3).to_bytes(32)
    with pytest.raises(InvalidCall):
        encode_deployment(foundry, [])
    for data in (b"", b"{}", b'{"abi": [], "bytecode": "0x__$lib$__"}', b'{"abi": 1, "bytecode": "0x"}'):
        with pytest.raises(InvalidCall):
            parse_artefact(data, "x")


def test_reasons_of_reverts() -> None:
    reason = bytes.fromhex("08c379a0") + eth_abi.encode(["string"], ["not the holder"])
    assert revert_reason(reason) == "not the holder"
    assert revert_reason(bytes.fromhex("4e487b71") + (0x11).to_bytes(32)) == "panic 0x11"
    assert revert_reason(b"\x01\x02\x03\x04") == "custom error 0x01020304"
    assert revert_reason(b"") == "no reason given"
    assert revert_reason(bytes.fromhex("08c379a0") + b"\xff") == "custom error 0x08c379a0"


@settings(max_examples=150, deadline=None)
@given(
    signature=st.text(alphabet="fx(),[]0123456789uintaddressboltupl ", max_size=40), words=st.lists(st.text(max_size=8))
)
def test_any_signature_is_encoded_or_refused(signature: str, words: list[str]) -> None:
    try:
        encode_call(signature, words)
    except InvalidCall as error:
        assert error.cause


@settings(max_examples=100, deadline=None)
@given(data=st.binary(max_size=300))
def test_any_bytes_are_decoded_or_refused(data: bytes) -> None:
    assert revert_reason(data)
    try:
        decode_output("f()(uint256,string,(bytes,uint8[])[])", data)
    except InvalidCall as error:
        assert error.cause
