"""A chain without an EVM, for tests of the loop: transactions are any bytes, a block's hash is over its order hash."""

import threading
from typing import Any

from hansa._native import NativeError, bundle_decode, bundle_encode, certificate_decode, genesis_order_hash, keccak256
from hansa.types.epoch import EpochFacts, EpochNode
from hansa.types.order import decode_order

GENESIS_HASH = keccak256(b"a genesis for tests")


def epoch_of(publics: list[bytes], number: int = 0, first_height: int = 1) -> EpochFacts:
    """An epoch whose nodes all vote, by their consensus keys."""
    nodes = tuple(
        EpochNode(index, f"node{index}", "org", public, bytes(20), None, "", "", 1)
        for index, public in enumerate(publics)
    )
    return EpochFacts(number, first_height, nodes, 1_000, 50, 1)


class FakeChain:
    """Keeps everything in memory; thread-safe by one lock; answers as the native chain does."""

    def __init__(self) -> None:
        self.genesis_hash = GENESIS_HASH
        self.lock = threading.RLock()
        self.pool: dict[bytes, bytes] = {}
        self.outgoing: list[bytes] = []
        self.bodies: dict[bytes, tuple[bytes, bytes]] = {}
        self.raws: dict[bytes, bytes] = {}
        self.sealed: list[tuple[bytes, bytes, bytes]] = [(GENESIS_HASH, genesis_order_hash(GENESIS_HASH), b"")]
        self.syncs = 0

    def head(self) -> tuple[int, bytes, bytes]:
        return len(self.sealed) - 1, self.sealed[-1][0], self.sealed[-1][1]

    def epoch_end(self, order_hash: bytes) -> int | None:
        return None

    def epoch_facts(self, order_hash: bytes) -> None:
        return None

    def sealed_hash(self, height: int) -> bytes:
        return self.sealed[height][0]

    def submit(self, raws: list[bytes]) -> list[tuple[bytes | None, str | None]]:
        with self.lock:
            self.outgoing += raws
            self._admit(raws)
        return [(keccak256(raw), None) for raw in raws]

    def _admit(self, raws: list[bytes]) -> int:
        before = len(self.pool)
        for raw in raws:
            transaction = keccak256(raw)
            if transaction not in self.raws:
                self.pool[transaction] = self.raws[transaction] = raw
        return len(self.pool) - before

    def take_outgoing(self, max_bytes: int) -> bytes | None:
        with self.lock:
            taken, self.outgoing = self.outgoing, []
        return bundle_encode(taken) if taken else None

    def add_bundle(self, origin: int, bundle: bytes) -> tuple[int, int]:
        raws = bundle_decode(bundle)
        with self.lock:
            admitted = self._admit(raws)
        return admitted, len(raws) - admitted

    def pending_hashes_since(self, cursor: int) -> tuple[int, bytes]:
        with self.lock:
            hashes = list(self.pool)
        return len(hashes), b"".join(hashes[cursor:])

    def status_of(self, transaction: bytes) -> tuple[str, str | None]:
        return ("pending" if transaction in self.pool else "final"), None

    def expire(self, now_ms: int) -> int:
        return 0

    def pool_status(self) -> tuple[int, int]:
        return len(self.pool), 0

    def _above(self, ancestors: list[bytes]) -> set[bytes]:
        taken: set[bytes] = set()
        for ancestor in ancestors:
            _, refs = self.bodies.get(ancestor, (b"", b""))
            taken |= set(split(refs))
        return taken

    def has_executable(self, ancestors: list[bytes]) -> bool:
        with self.lock:
            return bool(self.pool.keys() - self._above(ancestors))

    def propose(self, ancestors: list[bytes], gas: int, max_count: int, max_bytes: int) -> tuple[bytes, int, int]:
        with self.lock:
            above = self._above(ancestors)
            chosen = [transaction for transaction in self.pool if transaction not in above][:max_count]
        return b"".join(chosen), len(chosen), 21_000 * len(chosen)

    def missing(self, refs: bytes) -> bytes:
        return b"".join(transaction for transaction in split(refs) if transaction not in self.raws)

    def payload(self, hashes: bytes) -> bytes:
        return bundle_encode([self.raws[transaction] for transaction in split(hashes) if transaction in self.raws])

    def add_body(self, order: bytes, refs: bytes) -> bytes:
        block = decode_order(order)
        with self.lock:
            if block.height <= len(self.sealed) - 1:
                raise NativeError("BODY-SEALED", "sealed already", "")
            if self.missing(refs):
                raise NativeError("BODY-MISSING", "a transaction is not held", "")
            self.bodies[keccak256(order)] = (order, refs)
        return keccak256(order)

    def order_block(self, order_hash: bytes) -> tuple[bytes, bytes] | None:
        return self.bodies.get(order_hash)

    def unsealed_bodies(self) -> list[tuple[bytes, bytes]]:
        sealed = {order_hash for _, order_hash, _ in self.sealed}
        return [(order_hash, order) for order_hash, (order, _) in self.bodies.items() if order_hash not in sealed]

    def sync(self) -> None:
        self.syncs += 1

    def execute(self, order_hash: bytes) -> tuple[int, bytes, int, int]:
        block = decode_order(self.bodies[order_hash][0])
        return block.height, keccak256(b"header" + order_hash), block.gas, block.tx_count

    def seal(self, height: int, certificate: bytes) -> None:
        sealed_hash = certificate_decode(certificate)[2]
        with self.lock:
            assert height == len(self.sealed), "blocks are sealed in order"
            (order_hash,) = [h for h in self.bodies if keccak256(b"header" + h) == sealed_hash]
            self.sealed.append((sealed_hash, order_hash, certificate))
            for transaction in split(self.bodies[order_hash][1]):
                self.pool.pop(transaction, None)

    def oldest_exported(self) -> int:
        return 1

    def export_blocks(self, first: int, max_count: int, max_bytes: int) -> list[bytes]:
        found = []
        for _, order_hash, certificate in self.sealed[first : first + max_count]:
            order, refs = self.bodies[order_hash]
            parts = (order, refs, certificate, self.payload(refs))
            found.append(b"".join(len(part).to_bytes(4) + part for part in parts))
        return found

    def import_block(self, block: bytes) -> tuple[int, bytes, bytes]:
        parts: list[bytes] = []
        while block:
            size = int.from_bytes(block[:4])
            parts.append(block[4 : 4 + size])
            block = block[4 + size :]
        order, refs, certificate, bundle = parts
        height = decode_order(order).height
        with self.lock:
            if height < len(self.sealed):
                return height, self.sealed[height][0], certificate
            self._admit(bundle_decode(bundle))
            self.bodies[keccak256(order)] = (order, refs)
            self.seal(height, certificate)
        return height, self.sealed[-1][0], certificate

    def set_checkpoint_turn(self, index: int) -> None:
        pass

    def check_checkpoint(self) -> None:
        pass

    def checkpoint_status(self) -> tuple[int, int, bool, int, int, int]:
        return 0, 0, False, 0, 0, 0

    def close(self) -> None:
        pass

    def __getattr__(self, name: str) -> Any:
        raise AssertionError(f"the loop asked for chain.{name}, which the stand-in lacks")


def split(refs: bytes) -> list[bytes]:
    """The hashes in a payload reference."""
    return [refs[at : at + 32] for at in range(0, len(refs), 32)]
