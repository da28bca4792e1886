"""Hashes, keys, signatures and encodings as Python sees them."""

import pytest
from eth_account import Account
from hypothesis import given
from hypothesis import strategies as st

from hansa import _native
from hansa._native import NativeError

SECRET = _native.keccak256(b"a secret")
DIGEST = _native.keccak256(b"a message")


def test_known_answers() -> None:
    assert _native.keccak256(b"").hex() == "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"
    assert _native.crc32c(b"123456789") == 0xE3069283
    account = Account.from_key(SECRET)
    assert _native.address_of(_native.public_key(SECRET)) == bytes.fromhex(account.address[2:])


def test_signatures_hold_for_their_key_and_digest_alone() -> None:
    public, signature = _native.public_key(SECRET), _native.sign(SECRET, DIGEST)
    assert _native.verify(public, DIGEST, signature)
    assert not _native.verify(public, bytes(32), signature)
    assert not _native.verify(public, DIGEST, signature[:63])
    assert not _native.verify(b"\x02" * 33, DIGEST, signature)
    assert _native.recover(DIGEST, _native.sign_recoverable(SECRET, DIGEST)) == _native.address_of(public)
    with pytest.raises(NativeError) as refused:
        _native.sign(bytes(32), DIGEST)
    assert refused.value.args[0] == "CRYPTO-SECRET"


def test_fresh_secrets_differ() -> None:
    assert len({_native.generate_secret() for _ in range(8)}) == 8


@given(st.tuples(*[st.integers(0, 2**64 - 1)] * 3), st.binary(min_size=32, max_size=32), st.integers(0, 2**32 - 1))
def test_order_blocks_come_back(numbers: tuple[int, int, int], word: bytes, small: int) -> None:
    epoch, view, height = numbers
    fields = (epoch, view, height, word, 1, 2, word, 3, small, 1, word, small % 65_536, 4)
    assert _native.order_decode(_native.order_encode(fields)) == fields


@given(st.binary(max_size=600))
def test_decoders_refuse_or_return(data: bytes) -> None:
    for decode in (_native.order_decode, _native.certificate_decode, _native.bundle_decode, _native.decode_transaction):
        try:
            decode(data)
        except NativeError as error:
            assert len(error.args) == 3


def test_certificates_are_sorted_and_refuse_repetition() -> None:
    encoded = _native.certificate_encode(0, 7, bytes(32), [(3, b"\x01" * 64), (1, b"\x02" * 64)])
    assert _native.certificate_decode(encoded) == (0, 7, bytes(32), [(1, b"\x02" * 64), (3, b"\x01" * 64)])
    with pytest.raises(NativeError) as refused:
        _native.certificate_encode(0, 7, bytes(32), [(1, bytes(64)), (1, bytes(64))])
    assert refused.value.args[0] == "WIRE-SIGNER-ORDER"


def test_transactions_are_those_of_eth_account() -> None:
    fields = {"chain_id": 5, "nonce": 1, "gas": 60_000, "to": b"\x22" * 20, "value": 2**100, "data": b"\x01\x02"}
    raw = _native.sign_transaction(SECRET, fields | {"max_fee_per_gas": 9, "max_priority_fee_per_gas": 2})
    theirs = Account.sign_transaction(
        {
            "chainId": 5,
            "nonce": 1,
            "gas": 60_000,
            "to": "0x" + "22" * 20,
            "value": 2**100,
            "data": b"\x01\x02",
            "maxFeePerGas": 9,
            "maxPriorityFeePerGas": 2,
            "type": 2,
        },
        SECRET,
    )
    assert raw == bytes(theirs.raw_transaction)
    decoded = _native.decode_transaction(raw)
    assert decoded["sender"] == _native.address_of(_native.public_key(SECRET))
    assert decoded["value"] == 2**100
    with pytest.raises(NativeError) as unknown:
        _native.sign_transaction(SECRET, {"chainid": 5})
    assert unknown.value.args[0] == "TX-FIELD"


def test_many_transactions_are_signed_column_by_column() -> None:
    secrets = [SECRET, _native.keccak256(b"another")]
    to = [bytes([nth]) * 20 for nth in range(5)]
    raws = _native.sign_many(secrets, [5, 0], [0, 1, 0, 0, 1], to, [b"", b"a", b"bc", b"", b""], 9, 3, 50_000, 7)
    decoded = [_native.decode_transaction(raw) for raw in raws]
    senders = [_native.address_of(_native.public_key(secret)) for secret in secrets]
    assert [one["sender"] for one in decoded] == [senders[nth] for nth in (0, 1, 0, 0, 1)]
    assert [one["nonce"] for one in decoded] == [5, 0, 6, 7, 1]
    assert [one["to"] for one in decoded] == to
    assert [one["data"] for one in decoded] == [b"", b"a", b"bc", b"", b""]
    assert {(one["value"], one["gas"], one["max_fee_per_gas"]) for one in decoded} == {(3, 50_000, 7)}
    for senders_column in ([0, 1], [0, 2, 0]):
        with pytest.raises(NativeError):
            _native.sign_many(secrets, [0, 0], senders_column, to[:3], [b""] * 3, 9)
