"""Accounts: secrets come from files or hidden prompts, are kept 0600, and are never shown."""

import json
import stat
from pathlib import Path

import eth_keyfile
import pytest

from hansa.cli.app import run
from hansa.crypto.keystore import SCRYPT_LIGHT, encrypt_key

SECRET = "4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318"  # web3.js's documented example
ADDRESS = "0x2c7536E3605D9C16a7a3D7b1898e529396a65c23"


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "own"))
    (tmp_path / "password").write_text("correct horse\n")
    return tmp_path


def test_a_key_is_made_listed_and_private(own_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["account", "new", "me", "--password-file", "password", "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    path = Path(made["file"])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    secret = eth_keyfile.decode_keyfile_json(json.loads(path.read_bytes()), b"correct horse")
    assert len(secret) == 32
    assert run(["account", "list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == [{"name": "me", "address": made["address"], "file": str(path)}]


def test_a_key_is_imported_and_never_shown(own_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (own_folder / "key").write_text(f"0x{SECRET}\n")
    assert run(["account", "import", "me", "--from", "key", "--password-file", "password"]) == 0
    printed = capsys.readouterr()
    assert ADDRESS in printed.out
    assert SECRET not in printed.out + printed.err


def test_a_key_is_never_replaced(own_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (own_folder / "key").write_text(SECRET)
    arguments = ["account", "import", "me", "--from", "key", "--password-file", "password"]
    assert run(arguments) == 0
    assert run(arguments) == 6
    assert "ALLIANCE-4" in capsys.readouterr().err


def test_an_empty_password_is_refused(own_folder: Path) -> None:
    (own_folder / "password").write_text("")
    assert run(["account", "new", "me", "--password-file", "password"]) == 2


def test_a_keystore_that_others_can_read_is_refused(own_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (own_folder / "k.json").write_bytes(encrypt_key(bytes.fromhex(SECRET), "correct horse", SCRYPT_LIGHT))
    (own_folder / "k.json").chmod(0o644)
    arguments = ["send", "0x" + "11" * 20, "--as", "k.json", "--password-file", "password", "--rpc", "127.0.0.1:1"]
    assert run(arguments) != 0
    assert "chmod 600" in capsys.readouterr().err
    (own_folder / "k.json").chmod(0o600)
    assert run(arguments) == 3  # now it is the node that is missing


def test_a_wrong_password_is_named(own_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (own_folder / "k.json").write_bytes(encrypt_key(bytes.fromhex(SECRET), "other", SCRYPT_LIGHT))
    (own_folder / "k.json").chmod(0o600)
    arguments = ["send", "0x" + "11" * 20, "--as", "k.json", "--password-file", "password", "--rpc", "127.0.0.1:1"]
    assert run(arguments) == 4
    assert "KEY-5" in capsys.readouterr().err
