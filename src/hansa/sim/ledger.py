"""A stand-in for the native chain: pool, bodies, deterministic execution (a hash chain), sealed blocks."""

import hashlib
from collections.abc import Iterable
from typing import ClassVar

import msgspec

from hansa.consensus.inputs import HeldBody
from hansa.consensus.validators import ValidatorSet
from hansa.consensus.values import QuorumCertificate, SealedHead
from hansa.types.order import HASH_BYTES, OrderBlock, encode_order, genesis_order

GENESIS_HASH = hashlib.blake2b(b"genesis", digest_size=32).digest()
GENESIS_ORDER_HASH = hashlib.blake2b(b"genesis order", digest_size=32).digest()
FORGED = b"forged"  # a signature in another's name: whoever looks at it sees that it is none
GENESIS_HEAD = SealedHead(0, GENESIS_HASH, GENESIS_ORDER_HASH, genesis_order(GENESIS_HASH, 0))


class SealedBlock(msgspec.Struct, frozen=True, array_like=True):
    """One sealed block as nodes hand it to each other."""

    head: SealedHead
    refs: bytes
    certificate: QuorumCertificate


_DECODER = msgspec.msgpack.Decoder(SealedBlock)
_ENCODER = msgspec.msgpack.Encoder()


def compute_digest(data: bytes) -> bytes:
    """A fast stand-in for keccak256."""
    return hashlib.blake2b(data, digest_size=32).digest()


def compute_order_hash(block: OrderBlock) -> bytes:
    """The stand-in for an order hash."""
    return hashlib.blake2b(encode_order(block), digest_size=32).digest()


def execute(parent_sealed_hash: bytes, order_hash: bytes) -> bytes:
    """The stand-in for execution: the sealed hash follows from the parent's and from the order."""
    return hashlib.blake2b(parent_sealed_hash + order_hash, digest_size=32).digest()


def forge_block(data: bytes, parent_sealed_hash: bytes, names: tuple[tuple[int, bytes], ...]) -> bytes:
    """Return another sealed block in the place of one, with a right result, certified by signatures of those names."""
    block = _DECODER.decode(data)
    order = msgspec.structs.replace(block.head.block, time_ms=block.head.block.time_ms + 1)
    order_hash = compute_order_hash(order)
    sealed_hash = execute(parent_sealed_hash, order_hash)
    head = SealedHead(order.height, sealed_hash, order_hash, order)
    certificate = msgspec.structs.replace(block.certificate, hash=sealed_hash, signatures=names)
    return _ENCODER.encode(SealedBlock(head, block.refs, certificate))


def encode_sealed(block: SealedBlock) -> bytes:
    """Return what every node stores of a block alike: all but the certificate, of which several are genuine."""
    return _ENCODER.encode((block.head, block.refs))


def split_hashes(data: bytes) -> list[bytes]:
    """Return concatenated 32-byte hashes one by one."""
    return _cut(data, HASH_BYTES)


def _cut(data: bytes, size: int) -> list[bytes]:
    return [data[i : i + size] for i in range(0, len(data), size)]


class SimLedger:
    """The chain of one node in one life."""

    ref_bytes: ClassVar[int] = HASH_BYTES  # of one reference; where references stand for many transactions each, more

    def __init__(
        self, log: Iterable[HeldBody | SealedBlock], validators: ValidatorSet, verifies_signatures: bool = True
    ) -> None:
        self.validators = validators
        self.verifies = verifies_signatures
        self.sealed: list[SealedBlock] = []  # heights 1, 2, ...
        self.bodies: dict[bytes, HeldBody] = {}
        self.results: dict[bytes, bytes] = {}  # order hash -> sealed hash of what was executed in this life
        self.pool: dict[bytes, None] = {}  # transaction hashes, oldest first
        self.done: set[bytes] = set()  # transactions of sealed blocks
        self.ordered: set[bytes] = set()  # transactions of unsealed bodies; those replaced stay, they were held once
        for record in log:
            if isinstance(record, SealedBlock):
                self._append(record)
            else:
                self.bodies[record.order_hash] = record
        self.bodies = {h: b for h, b in self.bodies.items() if b.block.height > self.head.height}
        self.ordered = {tx for body in self.bodies.values() for tx in self.split(body.refs)}

    def split(self, refs: bytes) -> list[bytes]:
        """Return concatenated references one by one."""
        return _cut(refs, self.ref_bytes)

    @property
    def head(self) -> SealedHead:
        """The latest sealed block."""
        return self.sealed[-1].head if self.sealed else GENESIS_HEAD

    def get_head(self, height: int) -> SealedHead:
        """Return the sealed block of a height, 0 = genesis."""
        return self.sealed[height - 1].head if height else GENESIS_HEAD

    def add_transactions(self, hashes: Iterable[bytes]) -> bool:
        """Take transactions into the pool; returns whether any was new."""
        size = len(self.pool)
        for tx in hashes:
            if tx not in self.done:
                self.pool[tx] = None
        return len(self.pool) > size

    def holds(self, tx: bytes) -> bool:
        """Whether a transaction can be served: from the pool, an unsealed body or a sealed block."""
        return tx in self.pool or tx in self.ordered or tx in self.done

    def choose(self, ancestors: Iterable[bytes], count: int) -> bytes:
        """Return references to the oldest transactions that no unsealed ancestor holds."""
        taken = self._taken(ancestors)
        refs = []
        for tx in self.pool:
            if tx not in taken:
                refs.append(tx)
                if len(refs) == count:
                    break
        return b"".join(refs)

    def has_work(self, ancestors: Iterable[bytes]) -> bool:
        """Whether a transaction waits that no unsealed ancestor holds."""
        return bool(self.choose(ancestors, 1))

    def check_body(self, order_hash: bytes, block: OrderBlock, refs: bytes) -> tuple[bytes, str]:
        """Return (missing hashes, why it is invalid); ("", "") = held now."""
        if order_hash in self.bodies:
            return b"", ""
        if block.height <= self.head.height:
            return b"", "that height is sealed already"
        hashes = self.split(refs)
        missing = b"".join(tx for tx in hashes if not self.holds(tx))
        if missing:
            return missing, ""
        taken = self._taken(self._ancestors(block))
        if len(set(hashes)) != len(hashes) or any(tx in taken for tx in hashes):
            return b"", "a transaction stands in an unsealed ancestor"
        self.bodies[order_hash] = HeldBody(order_hash, block, refs)
        self.ordered.update(hashes)
        return b"", ""

    def execute(self, height: int, order_hash: bytes) -> bytes:
        """Return the sealed hash of a block whose parent was executed or sealed."""
        if height <= self.head.height:
            return self.get_head(height).sealed_hash
        parent = self.bodies[order_hash].block.parent_hash
        before = self.head.sealed_hash if parent == self.head.order_hash else self.results[parent]
        self.results[order_hash] = execute(before, order_hash)
        return self.results[order_hash]

    def seal(self, certificate: QuorumCertificate, order_hash: bytes) -> SealedBlock | None:
        """Seal an executed block; None if that height is sealed already."""
        if certificate.height <= self.head.height:
            return None
        body = self.bodies[order_hash]
        head = SealedHead(certificate.height, certificate.hash, order_hash, body.block)
        block = SealedBlock(head, body.refs, certificate)
        self._append(block)
        return block

    def export(self, first: int, count: int) -> tuple[bytes, ...]:
        """Return sealed blocks as bytes."""
        return tuple(_ENCODER.encode(block) for block in self.sealed[max(first, 1) - 1 : first - 1 + count])

    def import_block(self, data: bytes) -> tuple[SealedBlock | None, str]:
        """Verify and seal one block from a peer; returns (block, why it was refused), (None, "") = known already."""
        try:
            block = _DECODER.decode(data)
        except msgspec.DecodeError:
            return None, "not a block"
        head = block.head
        if head.height <= self.head.height:
            return None, ""
        mask = sum(1 << signer for signer in {signer for signer, _ in block.certificate.signatures})
        is_child = head.height == self.head.height + 1 and head.block.parent_hash == self.head.order_hash
        is_complete = compute_digest(block.refs) == head.block.payload_hash and head.block.height == head.height
        is_signed = not self.verifies or all(signature != FORGED for _, signature in block.certificate.signatures)
        is_certified = block.certificate.hash == head.sealed_hash and self.validators.is_quorum(mask) and is_signed
        if not is_child or not is_certified or not is_complete or compute_order_hash(head.block) != head.order_hash:
            return None, "not a certified child of the head"
        if execute(self.head.sealed_hash, head.order_hash) != head.sealed_hash:
            return None, "its result differs from ours"
        self._append(block)
        return block, ""

    def _append(self, block: SealedBlock) -> None:
        self.sealed.append(block)
        for tx in self.split(block.refs):
            self.done.add(tx)
            self.pool.pop(tx, None)
        height = block.head.height
        for order_hash in [h for h, body in self.bodies.items() if body.block.height < height]:
            del self.bodies[order_hash]

    def _taken(self, ancestors: Iterable[bytes]) -> set[bytes]:
        taken: set[bytes] = set()
        for order_hash in ancestors:
            body = self.bodies.get(order_hash)
            if body is not None:
                taken.update(self.split(body.refs))
        return taken

    def _ancestors(self, block: OrderBlock) -> list[bytes]:
        chain = []
        order_hash = block.parent_hash
        while order_hash != self.head.order_hash and order_hash in self.bodies:
            chain.append(order_hash)
            order_hash = self.bodies[order_hash].block.parent_hash
        return chain
