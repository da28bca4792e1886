"""Deposits of evidence: a digest, a short document, a long one."""

from collections.abc import Sequence

from hansa.bench.accounts import Accounts
from hansa.bench.errors import Disagreement
from hansa.bench.workloads.contract import Contract, encode_call, load_artefact, selector, word
from hansa.bench.workloads.shape import WATCHED, Draft, StateReader, Workload
from hansa.crypto.suite import keccak256


class Evidence(Workload):
    """Digests of documents that stay outside."""

    about = "deposits of 32-byte digests"
    gas = 120_000

    def __init__(self, accounts: Accounts, addresses: Sequence[bytes], seed: int) -> None:
        super().__init__(accounts, addresses, seed)
        self._digests: list[bytes] = []  # the first ones

    @classmethod
    def count_contracts(cls, senders: int) -> int:
        """The register."""
        return 1

    def contracts(self) -> list[Contract]:
        """The register."""
        return [Contract(load_artefact("evidence"))]

    def draft(self, count: int) -> Draft:
        """The next `count` deposits."""
        return Draft(self.senders_in_turn(count), [self.addresses[0]] * count, [self._input() for _ in range(count)])

    def _input(self) -> bytes:
        return encode_call("depositDigest(bytes32)", self._note(self.random.randbytes(32)))

    def _note(self, digest: bytes) -> bytes:
        if len(self._digests) < WATCHED:
            self._digests.append(digest)
        return digest

    async def check(self, state: StateReader) -> None:
        """The first digests are known.

        Raises
        ------
        Disagreement: one is not.
        """
        ask = [encode_call("heightOf(bytes32)", digest) for digest in self._digests]
        if 0 in await state.call([(self.addresses[0], one) for one in ask]):
            raise Disagreement("a digest that was deposited is not known")


class EvidenceShort(Evidence):
    """Documents of 1 kB."""

    about = "deposits of documents of 1 kB"
    gas = 200_000
    size = 1_024

    def _input(self) -> bytes:
        document = self.random.randbytes(self.size)
        self._note(keccak256(document))
        return selector("depositDocument(bytes)") + word(32) + word(self.size) + document


class EvidenceLong(EvidenceShort):
    """Documents of 64 kB."""

    about = "deposits of documents of 64 kB"
    gas = 4_000_000
    size = 65_536
    batch_max = 10
