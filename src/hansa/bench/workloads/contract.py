"""Contracts that workloads call: their artefacts, their storage as Vyper lays it out, their call data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import resources

import msgspec

from hansa import _native

WORD = 32
VOUCHER_BOOK = "cli/artefacts/voucher_book.json"


class BenchArtefact(msgspec.Struct, frozen=True):
    """What a workload needs of a compiled contract."""

    name: str
    bytecode: str  # 0x and hex; run once to create the contract
    runtime_bytecode: str  # 0x and hex

    @property
    def creation_code(self) -> bytes:
        return bytes.fromhex(self.bytecode.removeprefix("0x"))


@cache
def load_artefact(name: str) -> BenchArtefact:
    """Read an artefact that ships in the package.

    Parameters
    ----------
    name: of a file among the artefacts of this room without its ending, or a path from the package's root.
    """
    path = name if "/" in name else f"bench/artefacts/{name}.json"
    return msgspec.json.decode(resources.files("hansa").joinpath(path).read_bytes(), type=BenchArtefact)


@dataclass(frozen=True, slots=True)
class Contract:
    """A contract that must stand before the run begins.

    In an alliance of our own it stands in genesis, storage included. On a network that runs already it is deployed.
    """

    artefact: BenchArtefact
    arguments: Sequence[int] = ()  # of the constructor, one word each
    deployer: int = 0  # which of the senders deploys it where it is deployed
    storage: Mapping[int, int] = field(default_factory=dict)  # slot -> value
    holdings: Mapping[int, int] = field(
        default_factory=dict
    )  # slot of a mapping from addresses -> what each account has

    @property
    def creation_code(self) -> bytes:
        return self.artefact.creation_code + b"".join(word(argument) for argument in self.arguments)


def word(value: int) -> bytes:
    """One ABI word; negative numbers in two's complement."""
    return (value % 2**256).to_bytes(WORD)


@cache
def selector(signature: str) -> bytes:
    """The first four bytes of a call of this function."""
    return _native.keccak256(signature.encode())[:4]


def encode_call(signature: str, *arguments: int | bytes) -> bytes:
    """Call data of a function whose parameters are one word each.

    Parameters
    ----------
    arguments: numbers, or bytes that are filled up with zeros on the left, as addresses are.
    """
    words = [word(a) if isinstance(a, int) else a.rjust(WORD, b"\0") for a in arguments]
    return selector(signature) + b"".join(words)


def encode_list_call(signature: str, items: Sequence[bytes], amount: int) -> bytes:
    """Call data of a function of a list of addresses and a number."""
    words = [word(2 * WORD), word(amount), word(len(items)), *(item.rjust(WORD, b"\0") for item in items)]
    return selector(signature) + b"".join(words)


def mapping_slot(slot: int, key: bytes) -> int:
    """Where Vyper keeps the entry of a mapping: keccak-256(slot, key), both as words."""
    return int.from_bytes(_native.keccak256(word(slot) + key.rjust(WORD, b"\0")))
