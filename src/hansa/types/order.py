"""The order block: what consensus agrees on before anything is executed.

Its hash is keccak256 of the canonical RLP list written in `encode_order`. It commits to the full 32-byte payload
references through `payload_hash`, to its parent, and to the sealed block whose state the proposer read its limits from.
"""

from enum import IntEnum
from typing import Annotated

import msgspec

from hansa.errors import InvalidInput

ORDER_VERSION = 1
ORDER_BYTES_MAX = 1024
HASH_BYTES = 32
NO_HASH = bytes(HASH_BYTES)

U64 = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
Hash = Annotated[bytes, msgspec.Meta(min_length=HASH_BYTES, max_length=HASH_BYTES)]


class InvalidOrder(InvalidInput):
    """Bytes that are no canonical order block."""

    code = "ORDER-1"


class PayloadKind(IntEnum):
    """What `refs` holds. Only TRANSACTION_HASHES is produced today; the others are reserved."""

    INLINE = 0
    TRANSACTION_HASHES = 1
    BUNDLE = 2
    LANE_CERTIFICATE = 3


class OrderBlock(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One proposed block, before execution."""

    epoch: U64
    view: U64  # the view it was proposed in; inherited blocks keep theirs
    height: U64  # = block number, >= 1 except for the genesis
    parent_hash: Hash  # order hash of the parent
    base_height: U64  # height of the block that this view began on
    sealed_height: U64  # the sealed block whose state the limits were read from
    sealed_hash: Hash  # its header hash
    time_ms: U64  # Unix milliseconds, never below the parent's
    proposer: U64  # validator index
    payload_kind: U64  # a PayloadKind
    payload_hash: Hash  # keccak256(refs)
    tx_count: U64
    gas: U64  # sum of declared gas limits


def encode_order(block: OrderBlock) -> bytes:
    """Return the canonical RLP list of `block`; keccak256 of it is the order hash."""
    return _rlp_list(
        b"".join(
            (
                _rlp_int(ORDER_VERSION),
                _rlp_int(block.epoch),
                _rlp_int(block.view),
                _rlp_int(block.height),
                b"\xa0" + block.parent_hash,
                _rlp_int(block.base_height),
                _rlp_int(block.sealed_height),
                b"\xa0" + block.sealed_hash,
                _rlp_int(block.time_ms),
                _rlp_int(block.proposer),
                _rlp_int(block.payload_kind),
                b"\xa0" + block.payload_hash,
                _rlp_int(block.tx_count),
                _rlp_int(block.gas),
            )
        )
    )


def decode_order(data: bytes) -> OrderBlock:
    """Return the order block that `encode_order` wrote as `data`; exactly one encoding is accepted.

    Raises
    ------
    InvalidOrder: too long, malformed, of another version, or not canonical.
    """
    items = _rlp_items(data)
    if len(items) != 14:
        raise InvalidOrder(f"an order block has 14 fields, not {len(items)}")
    hashes = {3: items[4], 6: items[7], 10: items[11]}
    if any(len(value) != HASH_BYTES for value in hashes.values()):
        raise InvalidOrder("a hash of an order block is not 32 bytes long")
    if any(len(items[i]) > 8 for i in range(14) if i - 1 not in hashes):
        raise InvalidOrder("a number of an order block exceeds 64 bits")
    if int.from_bytes(items[0]) != ORDER_VERSION:
        raise InvalidOrder(f"order block version {int.from_bytes(items[0])}, this node speaks {ORDER_VERSION}")
    fields = [hashes[i] if i in hashes else int.from_bytes(items[i + 1]) for i in range(13)]
    block = OrderBlock(*fields)  # type: ignore[arg-type]
    if encode_order(block) != data:
        raise InvalidOrder("an order block is not in its canonical form")
    return block


def genesis_order(sealed_hash: bytes, time_ms: int) -> OrderBlock:
    """Return the block of height 0, which is never proposed.

    Its order hash is not the hash of this encoding: it is derived from the genesis hash (see `genesis_order_preimage`).
    """
    return OrderBlock(0, 0, 0, NO_HASH, 0, 0, sealed_hash, time_ms, 0, PayloadKind.TRANSACTION_HASHES, NO_HASH, 0, 0)


def genesis_order_preimage(genesis_hash: bytes) -> bytes:
    """Return the bytes whose keccak256 is the order hash of height 0."""
    return b"hansa/genesis-order" + genesis_hash


def _rlp_int(value: int) -> bytes:
    if value < 0x80:
        return bytes((value,)) if value else b"\x80"
    body = value.to_bytes((value.bit_length() + 7) // 8)
    return bytes((0x80 + len(body),)) + body


def _rlp_list(body: bytes) -> bytes:
    if len(body) < 56:
        return bytes((0xC0 + len(body),)) + body
    size = len(body).to_bytes((len(body).bit_length() + 7) // 8)
    return bytes((0xF7 + len(size),)) + size + body


def _rlp_items(data: bytes) -> list[bytes]:
    if not data or len(data) > ORDER_BYTES_MAX:
        raise InvalidOrder(f"an order block of {len(data)} bytes; 1 to {ORDER_BYTES_MAX} are allowed")
    at = 1 if data[0] < 0xF8 else 1 + data[0] - 0xF7
    items: list[bytes] = []
    while at < len(data):
        tag = data[at]
        if tag < 0x80:
            items.append(data[at : at + 1])
            at += 1
        elif tag <= 0xB7:
            items.append(data[at + 1 : at + 1 + tag - 0x80])
            at += 1 + tag - 0x80
        else:
            raise InvalidOrder("an order block holds a field of the wrong kind")
    return items
