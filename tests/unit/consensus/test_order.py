"""The order block's canonical form."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hansa.types.order import (
    ORDER_BYTES_MAX,
    InvalidOrder,
    OrderBlock,
    decode_order,
    encode_order,
    genesis_order_preimage,
)

HASHES = st.binary(min_size=32, max_size=32)
NUMBERS = st.integers(0, 2**63 - 1) | st.integers(0, 300)
BLOCKS = st.builds(
    OrderBlock,
    NUMBERS,
    NUMBERS,
    NUMBERS,
    HASHES,
    NUMBERS,
    NUMBERS,
    HASHES,
    NUMBERS,
    NUMBERS,
    NUMBERS,
    HASHES,
    NUMBERS,
    NUMBERS,
)
BLOCK = OrderBlock(0, 0, 1, b"\1" * 32, 0, 0, b"\2" * 32, 1_700_000_000_000, 3, 1, b"\3" * 32, 0, 0)


@given(BLOCKS)
def test_blocks_come_back(block: OrderBlock) -> None:
    assert decode_order(encode_order(block)) == block


def test_the_form_is_plain_rlp() -> None:
    expected = (
        "f870" + "01" + "80" + "80" + "01" + "a0" + "01" * 32 + "80" + "80" + "a0" + "02" * 32
        + "86018bcfe56800" + "03" + "01" + "a0" + "03" * 32 + "80" + "80"
    )  # fmt: skip
    data = encode_order(BLOCK).hex()
    assert data[4:] == expected[4:]
    assert int(data[2:4], 16) == len(data) // 2 - 2


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xc0",
        bytes(ORDER_BYTES_MAX + 1),
        encode_order(BLOCK)[:-1],
        encode_order(BLOCK) + b"\0",
        encode_order(BLOCK).replace(b"\x86\x01\x8b", b"\x87\x00\x01\x8b"),
        b"\xf8\x70\x02" + encode_order(BLOCK)[3:],
        b"\xff" * 40,
    ],
)
def test_anything_else_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidOrder):
        decode_order(data)


@given(st.binary(max_size=200))
def test_decoding_is_total(data: bytes) -> None:
    try:
        block = decode_order(data)
    except InvalidOrder:
        return
    assert encode_order(block) == data


def test_genesis_has_a_preimage_of_its_own() -> None:
    assert genesis_order_preimage(b"\1" * 32) == b"hansa/genesis-order" + b"\1" * 32
