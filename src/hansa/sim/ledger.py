"""A stand-in for the native chain: pool, bodies, deterministic execution (a hash chain), sealed blocks, epochs.

Changes of the members are transactions, and who keeps the chain follows from the blocks alone.
"""

import hashlib
from collections.abc import Iterable
from typing import ClassVar

import msgspec

from hansa.consensus.inputs import HeldBody
from hansa.consensus.validators import ValidatorSet
from hansa.consensus.values import QuorumCertificate, SealedHead
from hansa.sim.script import ChangeKind
from hansa.types.epoch import EpochFacts, EpochNode
from hansa.types.order import HASH_BYTES, OrderBlock, encode_order, genesis_order

GENESIS_HASH = hashlib.blake2b(b"genesis", digest_size=32).digest()
GENESIS_ORDER_HASH = hashlib.blake2b(b"genesis order", digest_size=32).digest()
FORGED = b"forged"  # a signature in another's name: whoever looks at it sees that it is none
GENESIS_HEAD = SealedHead(0, GENESIS_HASH, GENESIS_ORDER_HASH, genesis_order(GENESIS_HASH, 0))


MARK = b"membership"
KINDS = tuple(ChangeKind)


class SealedBlock(msgspec.Struct, frozen=True, array_like=True):
    """One sealed block as nodes hand it to each other."""

    head: SealedHead
    refs: bytes
    certificate: QuorumCertificate


class Change(msgspec.Struct, frozen=True):
    """What a transaction of the members changes."""

    kind: ChangeKind
    nodes: tuple[int, ...]


class SimEpoch(msgspec.Struct, frozen=True):
    """What the state after a block says about epochs."""

    facts: EpochFacts  # in force above the block
    end: int | None = None  # scheduled last height
    changes: tuple[Change, ...] = ()  # agreed on in this epoch


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


def encode_change(change: Change, number: int) -> bytes:
    """Return the transaction that makes a change: 32 bytes, different for each number."""
    body = bytes((KINDS.index(change.kind), len(change.nodes), *change.nodes, number))
    return (MARK + body).ljust(HASH_BYTES, b"\0")


def decode_change(transaction: bytes) -> Change | None:
    """Return what a transaction changes; None for all ordinary ones."""
    if not transaction.startswith(MARK):
        return None
    kind, count = transaction[len(MARK)], transaction[len(MARK) + 1]
    first = len(MARK) + 2
    return Change(KINDS[kind], tuple(transaction[first : first + count]))


def make_first_epoch(weights: tuple[int, ...], block_interval_ms: int) -> SimEpoch:
    """Return what holds at genesis."""
    nodes = tuple(_make_node(i, weight) for i, weight in enumerate(weights))
    return SimEpoch(EpochFacts(0, 1, nodes, 1_000, block_interval_ms, 1))


def advance(known: SimEpoch, block: OrderBlock, transactions: list[bytes], window: int, early: int = 0) -> SimEpoch:
    """Return what the state after a block says, given what it said before.

    Parameters
    ----------
    early: how many blocks too early the next set takes over; for mutants.
    """
    found = [change for change in map(decode_change, transactions) if change is not None]
    end = known.end if known.end is not None or not found else block.height + window
    changes = known.changes + tuple(found)
    if end is None or block.height < end - early:
        return known if end == known.end and not found else SimEpoch(known.facts, end, changes)
    return SimEpoch(_follow(known.facts, changes, block.height + 1))


def _follow(facts: EpochFacts, changes: tuple[Change, ...], first_height: int) -> EpochFacts:
    nodes = list(facts.nodes)
    for change in changes:
        if change.kind is ChangeKind.ROTATE_KEY:
            node = nodes[change.nodes[0]]
            nodes[node.index] = msgspec.structs.replace(node, public_key=node.public_key + b"'")
        if change.kind in (ChangeKind.REMOVE, ChangeKind.REPLACE):
            nodes[change.nodes[0]] = msgspec.structs.replace(nodes[change.nodes[0]], weight=0)
        if change.kind in (ChangeKind.ADD, ChangeKind.REPLACE):
            nodes[change.nodes[-1]] = msgspec.structs.replace(nodes[change.nodes[-1]], weight=1)
    return msgspec.structs.replace(facts, number=facts.number + 1, first_height=first_height, nodes=tuple(nodes))


def _make_node(index: int, weight: int) -> EpochNode:
    return EpochNode(index, f"n{index}", f"o{index}", b"key of %d" % index, b"", None, "", "", weight)


class SimLedger:
    """The chain of one node in one life."""

    ref_bytes: ClassVar[int] = HASH_BYTES  # of one reference; where references stand for many transactions each, more

    def __init__(
        self,
        log: Iterable[HeldBody | SealedBlock],
        validators: ValidatorSet,
        verifies_signatures: bool = True,
        epoch: SimEpoch | None = None,
        window: int = 8,
        early: int = 0,
    ) -> None:
        """Begin a life.

        Parameters
        ----------
        validators: of epoch 0. epoch: what genesis says; None = the same validators for ever, no other node.
        window: an epoch ends so many blocks above the one that schedules its end. early: for mutants.
        """
        self.validators = validators  # of the epoch in force
        self.epoch = epoch or make_first_epoch(validators.weights, 0)  # as the state after the head says
        self.window = window
        self.early = early
        self.executed: dict[bytes, SimEpoch] = {}  # order hash -> what the state after it says, while unsealed
        self.verifies = verifies_signatures
        self.sealed: list[SealedBlock] = []  # heights 1, 2, ...
        self.bodies: dict[bytes, HeldBody] = {}
        self.results: dict[bytes, bytes] = {}  # order hash -> sealed hash of what was executed in this life
        self.pool: dict[bytes, None] = {}  # transaction hashes, oldest first
        self.done: set[bytes] = set()  # transactions of sealed blocks
        self.ends: dict[int, int] = {}  # sealed height -> the end that the state after it names
        self.boundaries: dict[int, tuple[int, EpochFacts]] = {}  # last height of an epoch -> what holds next
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
        body = self.bodies[order_hash]
        parent = body.block.parent_hash
        is_on_head = parent == self.head.order_hash
        self.results[order_hash] = execute(self.head.sealed_hash if is_on_head else self.results[parent], order_hash)
        self.executed[order_hash] = self._advance(
            self.epoch if is_on_head else self.executed[parent], body.block, body.refs
        )
        return self.results[order_hash]

    def epoch_news(self, height: int, order_hash: bytes) -> tuple[int | None, EpochFacts | None]:
        """Return (end of the epoch, what holds next) as the state after an executed or sealed block says."""
        if height > self.head.height:
            known = self.executed[order_hash]
            return (height, known.facts) if known.facts.first_height == height + 1 else (known.end, None)
        return self.boundaries.get(height, (self.ends.get(height), None))

    @property
    def epoch_root_hash(self) -> bytes:
        """Order hash of the block that the epoch in force grows from."""
        return self.get_head(self.epoch.facts.first_height - 1).order_hash

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
        is_own_epoch = block.certificate.epoch == head.block.epoch == self.epoch.facts.number
        is_quorum = self.validators.is_quorum(mask) and is_own_epoch
        is_certified = block.certificate.hash == head.sealed_hash and is_quorum and is_signed
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
        self._learn(block)
        for order_hash in [h for h, body in self.bodies.items() if body.block.height < height]:
            del self.bodies[order_hash]

    def _learn(self, block: SealedBlock) -> None:
        """Follow what the state says about epochs up to a sealed block."""
        height, before = block.head.height, self.epoch
        self.executed.pop(block.head.order_hash, None)
        self.epoch = self._advance(before, block.head.block, block.refs)
        if self.epoch.facts is not before.facts:
            self.boundaries[height] = (height, self.epoch.facts)
            self.validators = type(self.validators).of_epoch(self.epoch.facts)
        elif self.epoch.end is not None:
            self.ends[height] = self.epoch.end

    def _advance(self, known: SimEpoch, block: OrderBlock, refs: bytes) -> SimEpoch:
        return advance(known, block, self.split(refs), self.window, self.early)

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
