"""The committed tables of this room: contracts that genesis holds, and chain ids of public networks."""

from functools import cache
from importlib import resources
from typing import Literal

import msgspec


class Predeployed(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A contract that stands in the first block at the address where every tool looks for it."""

    name: str
    address: str  # 0x and 40 lower-case hex digits
    source: str  # where its code is published
    code_hash: str  # keccak-256 of the code, as published
    code: str  # runtime code, 0x and hex


class _PredeployedTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    version: Literal[1]
    contracts: tuple[Predeployed, ...]


class _ChainIdTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    version: Literal[1]
    source: str
    chains: dict[int, str]


def _read(name: str) -> bytes:
    return resources.files("hansa.alliance").joinpath("artefacts", name).read_bytes()


@cache
def predeployed_contracts() -> tuple[Predeployed, ...]:
    """The CREATE2 deployer, Multicall3 and the fork's system contracts (EIP-2935, EIP-4788).

    Those of EIP-7002 and EIP-7251 are left out: they only serve to leave a proof-of-stake chain, and our blocks carry
    no requests.
    """
    return msgspec.json.decode(_read("predeployed.json"), type=_PredeployedTable).contracts


@cache
def public_chain_ids() -> dict[int, str]:
    """Chain ids that public networks use, with their names."""
    return msgspec.json.decode(_read("public_chain_ids.json"), type=_ChainIdTable).chains
