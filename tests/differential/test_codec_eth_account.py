"""Transactions signed by eth-account, decoded natively; and the other way round, byte for byte."""

from typing import Any

from eth_account import Account
from hypothesis import given, settings
from hypothesis import strategies as st

from hansa import _native

SECRET = bytes.fromhex("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80")
SIGNER = Account.from_key(SECRET)
CHAIN_ID = 77_001

NATIVE_NAMES = {
    "chainId": "chain_id",
    "gasPrice": "gas_price",
    "maxFeePerGas": "max_fee_per_gas",
    "maxPriorityFeePerGas": "max_priority_fee_per_gas",
}

addresses = st.binary(min_size=20, max_size=20)
numbers = st.integers(0, 2**64 - 1)
fees = st.integers(0, 2**96)
values = st.integers(0, 2**256 - 1)
access_lists = st.lists(
    st.fixed_dictionaries(
        {
            "address": addresses.map(lambda raw: "0x" + raw.hex()),
            "storageKeys": st.lists(st.binary(min_size=32, max_size=32).map(lambda raw: "0x" + raw.hex()), max_size=3),
        }
    ),
    max_size=3,
)


def common(draw: st.DrawFn) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "chainId": CHAIN_ID,
        "nonce": draw(numbers),
        "gas": draw(numbers),
        "value": draw(values),
        "data": draw(st.binary(max_size=200)),
    }
    if draw(st.booleans()):
        fields["to"] = draw(addresses)
    return fields


@st.composite
def transactions(draw: st.DrawFn) -> dict[str, Any]:
    """Fields of a legacy, 0x1 or 0x2 transaction in the form that eth-account takes."""
    fields, kind = common(draw), draw(st.sampled_from([0, 1, 2]))
    if kind == 2:
        tip = draw(fees)
        fields |= {"type": 2, "maxPriorityFeePerGas": tip, "maxFeePerGas": tip + draw(fees)}
    else:
        fields["gasPrice"] = draw(fees)
    if kind == 1:
        fields["type"] = 1
    if kind:
        fields["accessList"] = draw(access_lists)
    return fields


@settings(max_examples=150, deadline=None)
@given(transactions())
def test_what_eth_account_signs_is_decoded(fields: dict[str, Any]) -> None:
    signed = SIGNER.sign_transaction(fields)
    found = _native.decode_transaction(bytes(signed.raw_transaction))
    price = fields.get("gasPrice")
    assert found == {
        "hash": bytes(signed.hash),
        "type": fields.get("type", 0),
        "chain_id": CHAIN_ID,
        "sender": bytes.fromhex(SIGNER.address[2:]),
        "nonce": fields["nonce"],
        "gas": fields["gas"],
        "to": fields.get("to"),
        "value": fields["value"],
        "data": fields["data"],
        "max_fee_per_gas": fields.get("maxFeePerGas", price),
        "max_priority_fee_per_gas": fields.get("maxPriorityFeePerGas", price),
        "signature": found["signature"],
    }


@settings(max_examples=100, deadline=None)
@given(transactions())
def test_both_sign_the_same_bytes(fields: dict[str, Any]) -> None:
    """RFC 6979 makes signatures repeatable, so two correct signers agree on every byte."""
    ours = {NATIVE_NAMES.get(name, name): value for name, value in fields.items() if name != "accessList"}
    theirs = fields | ({"accessList": []} if "accessList" in fields else {})
    assert _native.sign_transaction(SECRET, ours) == bytes(SIGNER.sign_transaction(theirs).raw_transaction)


def test_a_delegation_of_eth_account_is_decoded() -> None:
    authorization = SIGNER.sign_authorization({"chainId": CHAIN_ID, "address": "0x" + "11" * 20, "nonce": 3})
    fields = {
        "type": 4,
        "chainId": CHAIN_ID,
        "nonce": 2,
        "gas": 100_000,
        "maxFeePerGas": 5,
        "maxPriorityFeePerGas": 1,
        "to": "0x" + "22" * 20,
        "value": 0,
        "data": b"",
        "authorizationList": [authorization],
    }
    found = _native.decode_transaction(bytes(SIGNER.sign_transaction(fields).raw_transaction))
    assert (found["type"], found["sender"]) == (4, bytes.fromhex(SIGNER.address[2:]))


@settings(max_examples=300, deadline=None)
@given(transactions(), st.integers(0, 10_000), st.integers(0, 255))
def test_a_changed_byte_never_crashes_and_never_keeps_hash_and_sender(
    fields: dict[str, Any], at: int, byte: int
) -> None:
    raw = bytearray(SIGNER.sign_transaction(fields).raw_transaction)
    original = _native.decode_transaction(bytes(raw))
    at %= len(raw)
    if raw[at] == byte:
        return
    raw[at] = byte
    try:
        found = _native.decode_transaction(bytes(raw))
    except _native.NativeError as error:
        code, message, hint = error.args
        assert code.startswith("TX-") and message and hint
    else:
        assert (found["hash"], found["sender"]) != (original["hash"], original["sender"])
