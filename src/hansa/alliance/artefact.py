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


class Field(msgspec.Struct, frozen=True):
    """Where a variable of a contract lies in its storage."""

    slot: int
    slots: int


class MembershipContract(msgspec.Struct, frozen=True):
    """The compiled membership contract, as far as genesis needs it."""

    runtime_bytecode: str  # 0x and hex
    layout: dict[str, Field]  # variable by variable, from the compiler


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
def membership_contract() -> MembershipContract:
    """The contract by which an alliance changes (`contracts/system/Membership.vy`)."""
    return msgspec.json.decode(_read("membership.json"), type=MembershipContract)


def membership_artefact() -> bytes:
    """The whole compiled file, for those who call the contract."""
    return _read("membership.json")


@cache
def public_chain_ids() -> dict[int, str]:
    """Chain ids that public networks use, with their names."""
    return msgspec.json.decode(_read("public_chain_ids.json"), type=_ChainIdTable).chains
