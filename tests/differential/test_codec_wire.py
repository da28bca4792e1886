"""Order blocks, certificates, RLP and signatures against other people's libraries and vectors."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import rlp
from eth_keys import keys
from eth_utils import keccak
from hypothesis import given, settings
from hypothesis import strategies as st

from hansa import _native

ORDER = 0xFFFFFFFF_FFFFFFFF_FFFFFFFF_FFFFFFFE_BAAEDCE6_AF48A03B_BFD25E8C_D0364141

numbers = st.integers(0, 2**64 - 1)
hashes = st.binary(min_size=32, max_size=32)
items = st.recursive(
    st.binary(max_size=80) | st.integers(0, 2**256), lambda inner: st.lists(inner, max_size=5), max_leaves=30
)


@given(items)
def test_rlp_is_that_of_pyrlp(item: "_native._RlpItem") -> None:
    assert _native.rlp_encode(item) == rlp.encode(item)


@given(st.binary(max_size=600))
def test_keccak_is_that_of_eth_hash(data: bytes) -> None:
    assert _native.keccak256(data) == keccak(data)


@given(
    st.tuples(numbers, numbers, numbers, hashes, numbers, numbers, hashes, numbers),
    st.integers(0, 2**32 - 1),
    hashes,
    st.integers(0, 65_536),
    numbers,
)
def test_order_blocks_are_the_rlp_of_their_fields(
    head: tuple[int, int, int, bytes, int, int, bytes, int], proposer: int, payload: bytes, count: int, gas: int
) -> None:
    fields = (*head, proposer, 1, payload, count, gas)
    encoded = _native.order_encode(fields)
    assert encoded == rlp.encode([1, *fields])
    assert _native.order_decode(encoded) == fields
    assert _native.order_hash(encoded) == keccak(encoded)


@given(
    numbers, numbers, hashes, st.dictionaries(st.integers(0, 1_000), st.binary(min_size=64, max_size=64), max_size=20)
)
def test_certificates_are_the_rlp_of_their_fields(
    epoch: int, height: int, sealed: bytes, signatures: dict[int, bytes]
) -> None:
    encoded = _native.certificate_encode(epoch, height, sealed, list(signatures.items()))
    ascending = sorted(signatures.items())
    assert encoded == rlp.encode([1, epoch, height, sealed, ascending])
    assert _native.certificate_decode(encoded) == (epoch, height, sealed, ascending)


@given(st.lists(st.binary(max_size=60), max_size=30))
def test_bundles_have_the_documented_layout(raws: list[bytes]) -> None:
    layout = len(raws).to_bytes(4, "big") + b"".join(len(raw).to_bytes(4, "big") + raw for raw in raws)
    assert _native.bundle_encode(raws) == layout
    assert _native.bundle_decode(layout) == raws


@settings(max_examples=20, deadline=None)
@given(st.integers(1, ORDER - 1), hashes)
def test_signatures_are_those_of_eth_keys(secret: int, digest: bytes) -> None:
    raw = secret.to_bytes(32, "big")
    key = keys.PrivateKey(raw)
    signature = _native.sign_recoverable(raw, digest)
    assert _native.public_key(raw) == key.public_key.to_compressed_bytes()
    assert _native.address_of(_native.public_key(raw)) == key.public_key.to_canonical_address()
    assert signature == key.sign_msg_hash(digest).to_bytes()
    assert _native.recover(digest, signature) == key.public_key.to_canonical_address()


def test_wycheproof_verdicts(unpacked: Callable[[str], Path]) -> None:
    """Valid signatures of Project Wycheproof hold when s is low; everything else is refused."""
    file = unpacked("wycheproof") / "ecdsa_secp256k1_sha256_p1363_test.json"
    holds = refused = 0
    for group in json.loads(file.read_text())["testGroups"]:
        point = bytes.fromhex(group["publicKey"]["uncompressed"])
        public = bytes([2 + point[64] % 2]) + point[1:33]
        for case in group["tests"]:
            signature = bytes.fromhex(case["sig"])
            if len(signature) != 64:
                continue
            digest = hashlib.sha256(bytes.fromhex(case["msg"])).digest()
            low = int.from_bytes(signature[32:], "big") <= ORDER // 2
            expected = case["result"] == "valid" and low
            assert _native.verify(public, digest, signature) is expected, case
            holds += expected
            refused += not expected
    assert holds > 50 and refused > 50
