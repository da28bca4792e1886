"""How a run ends: exit codes, the shape of failures, and flags that hold everywhere."""

import json
from pathlib import Path

import pytest

from hansa.cli.app import run, take_common_flags

FAILURES = [
    (["nothing"], 2, "CLI-1"),
    (["up", "--nothing"], 2, "CLI-1"),
    (["init", "--chain-id", "x"], 2, "CLI-1"),
    (["init", "--chain-id", "1"], 4, "ALLIANCE-3"),
    (["init", "--orgs", "a,a"], 2, "ALLIANCE-1"),
    (["init", "--orgs", "No Name"], 2, "ALLIANCE-1"),
    (["init", "--org", "core"], 5, "ALLIANCE-7"),
    (["init", "--org", "core", "--finish"], 5, "ALLIANCE-7"),
    (["genesis", "assemble"], 5, "ALLIANCE-6"),
    (["genesis", "assemble", "missing.json"], 5, "ALLIANCE-7"),
    (["down"], 5, "ALLIANCE-7"),
    (["ps"], 5, "ALLIANCE-7"),
    (["logs"], 5, "ALLIANCE-7"),
    (["status", "--rpc", "http://127.0.0.1:1"], 3, "SDK-1"),
    (["status", "--rpc", "nonsense://"], 2, "SDK-4"),
    (["tx", "0x12", "--rpc", "http://127.0.0.1:1"], 2, "CLI-1"),
    (["block", "yesterday", "--rpc", "http://127.0.0.1:1"], 2, "CLI-1"),
    (["call", "0x12", "f()", "--rpc", "http://127.0.0.1:1"], 2, "CLI-1"),
    (["call", "Book.f", "--rpc", "http://127.0.0.1:1"], 5, "CLI-11"),
    (["send", "0x" + "11" * 20, "--as", "nobody", "--rpc", "http://127.0.0.1:1"], 5, "CLI-3"),
    (["send", "0x" + "11" * 20, "--value", "much", "--rpc", "http://127.0.0.1:1"], 2, "CLI-1"),
    (["deploy", "nothing.json", "--rpc", "http://127.0.0.1:1"], 2, "CLI-1"),
    (["account", "new", "me"], 4, "CLI-2"),
    (["account", "import", "me"], 2, "CLI-1"),
    (["account", "import", "me", "--from", "missing"], 5, "CLI-3"),
    (["account", "new", "../me"], 2, "CLI-1"),
]


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "own"))
    monkeypatch.delenv("HANSA_RPC", raising=False)


@pytest.mark.parametrize(("arguments", "exit_code", "code"), FAILURES)
def test_failures_have_exit_code_code_cause_and_hint(
    arguments: list[str], exit_code: int, code: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*arguments, "--json", "--no-input"]) == exit_code
    printed = capsys.readouterr()
    error = json.loads(printed.out)["error"]
    assert error["code"] == code
    assert error["cause"]
    assert error["hint"]
    assert f"code  {code}" in printed.err
    assert "Traceback" not in printed.err


def test_without_json_failures_are_for_people_only(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["down"]) == 5
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("✗ ")
    assert "  hint  " in printed.err


def test_nothing_typed_shows_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([]) == 0
    assert "Commands:" in capsys.readouterr().out
    assert run(["account"]) == 2


def test_common_flags_stand_anywhere_before_two_dashes() -> None:
    screen, rest = take_common_flags(["call", "--json", "x", "f(string)", "--", "--json"])
    assert screen.json
    assert rest == ["call", "x", "f(string)", "--", "--json"]
    screen, rest = take_common_flags(["--quiet", "up", "--no-input"])
    assert (screen.quiet, screen.no_input, screen.json, rest) == (True, True, False, ["up"])


def test_an_interrupt_has_its_own_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("hansa.cli.network.choose_folder", interrupted)
    assert run(["account", "list"]) == 130


def test_what_the_system_refuses_is_said_plainly(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert run(["init", "-d", "file/deeper", "--json"]) == 1
    error = json.loads(capsys.readouterr().out)["error"]
    assert error["code"] == "CLI-13"
    assert "file" in error["cause"]
    assert "-d" in error["hint"]


def test_no_colour_off_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    run(["down"])
    assert "\x1b" not in capsys.readouterr().err
