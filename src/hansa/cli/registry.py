"""Contracts by name: `contracts.json` of an alliance folder says where each stands and where its ABI lies."""

import re
from importlib import resources
from pathlib import Path
from typing import Literal

import msgspec

from hansa.alliance.errors import InvalidAllianceFile, NoAlliance
from hansa.alliance.files import read_public, write_public
from hansa.alliance.layout import AllianceFolder
from hansa.cli.errors import Usage
from hansa.cli.words import parse_address
from hansa.errors import NotFound
from hansa.sdk.contract import Artefact, parse_artefact

VOUCHER_BOOK = "VoucherBook"
_BUNDLED = {VOUCHER_BOOK: "voucher_book.json"}
_NAMED_CALL = re.compile(r"^(?P<contract>[A-Za-z_][A-Za-z0-9_-]*)\.(?P<function>[A-Za-z_][A-Za-z0-9_]*)$")


class NoSuchContract(NotFound):
    """No contract of that name is registered in the folder."""

    code = "CLI-11"


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One contract."""

    address: str  # 0x and 40 hex digits
    artefact: str  # a file in contracts/, or `bundled:NAME`


class Registry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole of contracts.json."""

    version: Literal[1] = 1
    contracts: dict[str, Entry] = {}


def bundled_artefact(name: str) -> Artefact:
    """A contract that comes with Hansa."""
    data = resources.files("hansa.cli").joinpath("artefacts", _BUNDLED[name]).read_bytes()
    return parse_artefact(data, name)


def load_registry(folder: AllianceFolder) -> Registry:
    """The contracts of a folder; none when it has no contracts.json.

    Raises
    ------
    InvalidAllianceFile: the file does not hold.
    """
    path = folder.root / "contracts.json"
    try:
        return msgspec.json.decode(read_public(path), type=Registry)
    except NoAlliance:
        return Registry()
    except msgspec.DecodeError as error:
        raise InvalidAllianceFile(f"{path}: {error}", "mend it, or move it away") from None


def register(folder: AllianceFolder, name: str, address: bytes, source: bytes | str) -> None:
    """Remember where a contract stands.

    Parameters
    ----------
    source: the bytes of its artefact, or the name of a bundled one.
    """
    if isinstance(source, str):
        where = f"bundled:{source}"
    else:
        where = f"contracts/{name}.json"
        write_public(folder.root / where, source)
    contracts = load_registry(folder).contracts | {name: Entry("0x" + address.hex(), where)}
    write_public(
        folder.root / "contracts.json", msgspec.json.format(msgspec.json.encode(Registry(1, contracts))) + b"\n"
    )


def find_contract(folder: AllianceFolder, name: str) -> tuple[bytes, Artefact]:
    """Address and artefact of a contract by name.

    Raises
    ------
    NoSuchContract: none of that name is registered.
    """
    known = load_registry(folder).contracts
    entry = known.get(name)
    if entry is None:
        names = ", ".join(known) or "none; hansa deploy FILE --name NAME registers one"
        raise NoSuchContract(f"there is no contract {name!r} here", f"contracts: {names}")
    if entry.artefact.startswith("bundled:"):
        return parse_address(entry.address), bundled_artefact(entry.artefact.removeprefix("bundled:"))
    path = folder.root / entry.artefact
    return parse_address(entry.address), parse_artefact(read_public(path), str(path))


def split_named_call(text: str) -> tuple[str, str] | None:
    """`Contract.function` in its two parts; None for anything else."""
    found = _NAMED_CALL.match(text)
    return (found["contract"], found["function"]) if found else None


def read_artefact(text: str) -> tuple[Artefact, bytes | str]:
    """An artefact from a file, or a bundled one by name; with the file's bytes, or that name.

    Raises
    ------
    Usage: neither.
    InvalidCall: the file holds no compiled contract.
    """
    if text in _BUNDLED:
        return bundled_artefact(text), text
    path = Path(text)
    if not path.is_file():
        names = ", ".join(_BUNDLED)
        raise Usage(f"there is no file {text}", f"give a compiled contract (JSON with abi and bytecode), or {names}")
    data = read_public(path)
    return parse_artefact(data, text), data
