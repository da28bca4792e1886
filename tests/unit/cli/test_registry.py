"""Contracts by name: bundled ones and those from files come back with their ABI."""

import json
from pathlib import Path

import pytest

from hansa.alliance.errors import InvalidAllianceFile
from hansa.alliance.layout import AllianceFolder
from hansa.cli.errors import Usage
from hansa.cli.registry import NoSuchContract, find_contract, read_artefact, register, split_named_call
from hansa.sdk.errors import InvalidCall

ADDRESS = b"\x05" * 20


def test_a_bundled_contract_under_another_name(tmp_path: Path) -> None:
    folder = AllianceFolder(tmp_path)
    artefact, origin = read_artefact("VoucherBook")
    register(folder, "Mine", ADDRESS, origin)
    assert find_contract(folder, "Mine") == (ADDRESS, artefact)


def test_a_contract_from_a_file_is_kept(tmp_path: Path) -> None:
    folder = AllianceFolder(tmp_path)
    source = tmp_path / "Counter.json"
    source.write_text(json.dumps({"abi": [], "bytecode": "0x6001"}))
    artefact, origin = read_artefact(str(source))
    register(folder, "Counter", ADDRESS, origin)
    register(folder, "Other", b"\x06" * 20, origin)
    source.unlink()
    assert find_contract(folder, "Counter") == (ADDRESS, artefact)
    with pytest.raises(NoSuchContract) as caught:
        find_contract(folder, "Missing")
    assert caught.value.hint == "contracts: Counter, Other"


def test_what_is_no_artefact_or_registry_is_named(tmp_path: Path) -> None:
    with pytest.raises(Usage):
        read_artefact(str(tmp_path / "missing.json"))
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(InvalidCall):
        read_artefact(str(tmp_path / "bad.json"))
    (tmp_path / "contracts.json").write_text('{"version": 2}')
    with pytest.raises(InvalidAllianceFile):
        find_contract(AllianceFolder(tmp_path), "x")


@pytest.mark.parametrize(
    ("text", "parts"),
    [("A.f", ("A", "f")), ("Voucher-2._x", ("Voucher-2", "_x")), ("0x12", None), ("a.b.c", None), ("127.0", None)],
)
def test_named_calls(text: str, parts: tuple[str, str] | None) -> None:
    assert split_named_call(text) == parts
