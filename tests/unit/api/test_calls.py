"""Requests that Python answers: parameters by place or name, quantities, hex."""

import msgspec
import pytest

from hansa.api.calls import (
    decode_call,
    error_text,
    order_params,
    parse_bytes,
    parse_quantity,
    parse_word,
    result_text,
)
from hansa.api.errors import CoreRefusal, InvalidParams, MethodNotFound, SendTimeout


def test_answers_keep_the_id_as_it_came() -> None:
    for ident in (b"7", b'"seven"', b"null", b"1.0"):
        call = decode_call(b'{"jsonrpc":"2.0","id":' + ident + b',"method":"m"}')
        assert result_text(call, b"1") == b'{"jsonrpc":"2.0","id":' + ident + b',"result":1}'


def test_notifications_are_not_answered() -> None:
    call = decode_call(b'{"jsonrpc":"2.0","method":"m"}')
    assert result_text(call, b"1") == b""
    assert error_text(InvalidParams("no"), call) == b""


def test_parameters_by_place_and_name() -> None:
    names = ("Kind", "Filter")
    by_name = decode_call(b'{"id":1,"method":"m","params":{"filter":2,"kind":1}}')
    assert order_params(by_name, names) == [1, 2]
    assert order_params(decode_call(b'{"id":1,"method":"m","params":[1]}'), names) == [1]
    assert order_params(decode_call(b'{"id":1,"method":"m"}'), names) == []
    for params in (b"[1,2,3]", b'{"other":1}'):
        with pytest.raises(InvalidParams):
            order_params(decode_call(b'{"id":1,"method":"m","params":' + params + b"}"), names)
    with pytest.raises(InvalidParams):
        order_params(decode_call(b'{"id":1,"method":"m","params":7}'), names)


def test_quantities_are_hex_or_plain() -> None:
    assert [parse_quantity([value], 0, "n") for value in ("0x10", 16, "16")] == [16, 16, 16]
    assert parse_quantity([], 0, "n", 3) == 3
    for value in ("0x", "x", -1, True, 1.5, None, "-0x1"):
        with pytest.raises(InvalidParams):
            parse_quantity([value], 0, "n")
    assert parse_word([hex((1 << 256) - 1)], 0, "n") == (1 << 256) - 1
    for parse, bits in ((parse_quantity, 64), (parse_word, 256)):
        with pytest.raises(InvalidParams, match=f"more than {bits} bits"):
            parse([hex(1 << bits)], 0, "n")


def test_hex_data_has_its_length() -> None:
    assert parse_bytes(["0x0102"], 0, "data") == b"\1\2"
    for value in ("0102", "0x1", "0xzz", 5, None):
        with pytest.raises(InvalidParams):
            parse_bytes([value], 0, "data")
    with pytest.raises(InvalidParams):
        parse_bytes(["0x01"], 0, "data", 20)


def test_errors_carry_code_and_hint() -> None:
    error = msgspec.json.decode(error_text(MethodNotFound("no such method", "look it up")))["error"]
    assert error == {"code": -32601, "message": "no such method", "data": {"code": "RPC-3", "hint": "look it up"}}
    timeout = msgspec.json.decode(error_text(SendTimeout("0x12", 50)))["error"]
    assert (timeout["code"], timeout["data"]) == (4, "0x12")
    core = msgspec.json.decode(error_text(CoreRefusal(b'{"code":3,"message":"m"}')))["error"]
    assert core == {"code": 3, "message": "m"}
