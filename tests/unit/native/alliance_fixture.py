"""A small alliance whose keys the tests hold, and blocks made the way a node makes them."""

import json
from pathlib import Path

from hansa import _native

CHAIN_ID = 424_242
GAS_LIMIT = 30_000_000
VALIDATORS = [_native.keccak256(b"validator %d" % index) for index in range(4)]
USERS = [_native.keccak256(b"user %d" % index) for index in range(4)]


def address(secret: bytes) -> bytes:
    return _native.address_of(_native.public_key(secret))


def genesis(**changes: object) -> bytes:
    """genesis.json with four validators and funded users."""
    validators = [
        {
            "name": f"node-{index}",
            "organisation": "core",
            "public_key": "0x" + _native.public_key(secret).hex(),
            "account": "0x" + address(secret).hex(),
        }
        for index, secret in enumerate(VALIDATORS)
    ]
    fields = {
        "version": 1,
        "name": "test",
        "chain_id": CHAIN_ID,
        "dev": True,
        "timestamp_ms": 1_000_000,
        "gas_limit": GAS_LIMIT,
        "rules": {"evm": "osaka", "fees": "none", "suite": 0},
        "consensus": {"kind": "pbft"},
        "organisations": [],
        "validators": validators,
        "alloc": {"0x" + address(secret).hex(): {"balance": hex(10**18)} for secret in USERS},
    }
    return json.dumps(fields | changes).encode()


def transfers(chain: _native.Chain, user: int, nonce: int, count: int) -> list[bytes]:
    """Send `count` transfers of a user from `nonce` on; their hashes."""
    raws = _native.sign_many([USERS[user]], [nonce], [0] * count, [b"\x09" * 20] * count, [b""] * count, CHAIN_ID)
    answers = chain.submit(raws)
    assert all(error is None for _, error in answers), answers
    return [found for found, _ in answers if found is not None]


def certify(chain: _native.Chain, height: int, sealed_hash: bytes, signers: int = 3) -> bytes:
    """A certificate of the first `signers` validators."""
    digest = chain.seal_digest(height, sealed_hash)
    signatures = [(index, _native.sign(VALIDATORS[index], digest)) for index in range(signers)]
    return _native.certificate_encode(0, height, sealed_hash, signatures)


def order_next(chain: _native.Chain) -> bytes:
    """Order what the pool offers on the head, durable; the order hash."""
    height, sealed_hash, order_hash = chain.head()
    refs, count, gas = chain.propose([], GAS_LIMIT, 1_000, 1 << 20)
    time_ms = 1_000_000 + 500 * (height + 1)
    order = _native.order_encode(
        (0, 0, height + 1, order_hash, 0, height, sealed_hash, time_ms, 0, 1, _native.keccak256(refs), count, gas)
    )
    added = chain.add_body(order, refs)
    chain.sync()
    return added


def seal(chain: _native.Chain, order_hash: bytes) -> None:
    """Execute and seal an ordered block."""
    height, sealed_hash, _, _ = chain.execute(order_hash)
    chain.seal(height, certify(chain, height, sealed_hash))


def grow(directory: Path | None, blocks: int) -> _native.Chain:
    """A chain of `blocks` blocks with two transfers each."""
    chain = _native.Chain.create(None if directory is None else str(directory), genesis())
    for nonce in range(0, 2 * blocks, 2):
        transfers(chain, 0, nonce, 2)
        seal(chain, order_next(chain))
    return chain
