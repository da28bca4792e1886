"""Our own transaction type against an encoding made here from its description alone, with other people's libraries."""

from typing import Any

import pytest
import rlp
from eth_keys import keys
from eth_utils import keccak
from hypothesis import given, settings
from hypothesis import strategies as st

from hansa import _native

KEY = keys.PrivateKey(bytes.fromhex("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"))
OTHER_SUITE = 1

words = st.integers(0, 2**64 - 1)
fees = st.integers(0, 2**128 - 1)
addresses = st.binary(min_size=20, max_size=20)
access_lists = st.lists(st.tuples(addresses, st.lists(st.binary(min_size=32, max_size=32), max_size=3)), max_size=3)


def payload(fields: dict[str, Any], suite: int = 0) -> list[Any]:
    """The fields in their order, as docs/transactions.md gives it."""
    return [
        fields["chain_id"],
        suite,
        fields["nonce"],
        fields["block_limit"],
        fields["expires_at"],
        fields["max_priority_fee_per_gas"],
        fields["max_fee_per_gas"],
        fields["gas"],
        fields["to"],
        fields["value"],
        fields["data"],
        [[address, slots] for address, slots in fields["access_list"]],
    ]


def signed(items: list[Any]) -> bytes:
    """0x48 and the list with y parity, r and s behind the fields."""
    signature = KEY.sign_msg_hash(keccak(b"\x48" + rlp.encode(items)))
    return b"\x48" + rlp.encode([*items, signature.v, signature.r, signature.s])


@st.composite
def transactions(draw: st.DrawFn) -> dict[str, Any]:
    return {
        "type": 0x48,
        "chain_id": draw(words),
        "nonce": draw(words),
        "block_limit": draw(words),
        "expires_at": draw(words),
        "max_priority_fee_per_gas": draw(fees),
        "max_fee_per_gas": draw(fees),
        "gas": draw(words),
        "to": draw(addresses),
        "value": draw(st.integers(0, 2**256 - 1)),
        "data": draw(st.binary(max_size=300)),
        "access_list": draw(access_lists),
    }


@settings(max_examples=200, deadline=None)
@given(transactions())
def test_both_sides_make_the_same_bytes(fields: dict[str, Any]) -> None:
    raw = signed(payload(fields))
    assert _native.sign_transaction(KEY.to_bytes(), fields) == raw
    found = _native.decode_transaction(raw)
    told = {name: value for name, value in fields.items() if name != "access_list"}
    assert {name: found[name] for name in told} == told
    assert found["hash"] == keccak(raw)
    assert found["sender"] == KEY.public_key.to_canonical_address()


FIELDS = {
    "type": 0x48,
    "chain_id": 77_001,
    "nonce": 0x0123456789ABCDEF,
    "block_limit": 1_000,
    "expires_at": 1_800_000_000,
    "max_priority_fee_per_gas": 0,
    "max_fee_per_gas": 0,
    "gas": 21_000,
    "to": b"\x22" * 20,
    "value": 1,
    "data": b"",
    "access_list": [],
}


FROZEN = (
    "48f87683012cc980880123456789abcdef8203e8846b49d20080808252089422222222222222222222222222222222222222"
    "220180c080a05a184f5d86c6ceaaba9a15d52682d75d854988be07b3281f0bb1ca0892853e4da05315d2674929e89660e060"
    "60cf523100ba70c9b29067a76da411d565189130a7"
)
FROZEN_HASH = "5428976923294fda9e8c239e257094ccbbbff042e0ad4ffe742560759ab3442e"


def test_the_bytes_of_the_docs_do_not_change() -> None:
    raw = signed(payload(FIELDS))
    assert raw.hex() == FROZEN
    assert keccak(raw).hex() == FROZEN_HASH


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda items: items[:8] + [b""] + items[9:], id="no recipient"),
        pytest.param(lambda items: items[:8] + [b"\x22" * 19] + items[9:], id="short recipient"),
        pytest.param(lambda items: items[:1] + [OTHER_SUITE] + items[2:], id="unknown suite"),
        pytest.param(lambda items: items[:2] + [2**64] + items[3:], id="wide nonce"),
        pytest.param(lambda items: items[:3] + [b"\x00\x01"] + items[4:], id="leading zero"),
        pytest.param(lambda items: [*items, []], id="one field more"),
        pytest.param(lambda items: items[:-1], id="one field less"),
    ],
)
def test_other_forms_are_refused(change: Any) -> None:
    with pytest.raises(_native.NativeError) as refused:
        _native.decode_transaction(signed(change(payload(FIELDS))))
    assert refused.value.args[0] == "TX-RLP"
