"""Logs of several nodes merge by time; what is no structured line is shown as it is."""

import json
from pathlib import Path

import pytest

from hansa.cli.log_view import show_logs
from hansa.cli.screen import Screen


def entry(second: int, what: str, code: str | None = None) -> str:
    return json.dumps({"ts": f"2026-11-01T00:00:{second:02}.000+00:00", "level": "info", "code": code, "what": what})


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    (tmp_path / "a").write_text("\n".join([entry(1, "one"), entry(3, "three", "NET-1"), "Traceback"]) + "\nunfinished")
    (tmp_path / "b").write_text(entry(2, "two", "NET-2") + "\n")
    return {"a": tmp_path / "a", "b": tmp_path / "b", "c": tmp_path / "missing"}


def test_lines_merge_by_time(files: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    offsets = show_logs(files, 10, None, Screen())
    lines = capsys.readouterr().out.splitlines()
    assert [word for line in lines for word in ("one", "two", "three") if line.endswith(word)] == [
        "one",
        "two",
        "three",
    ]
    assert "unfinished" not in "".join(lines)
    assert offsets["c"] == 0
    assert offsets["a"] == files["a"].stat().st_size - len("unfinished")


def test_codes_are_chosen_by_pattern(files: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    show_logs(files, 10, "NET-*", Screen(json=True))
    assert [json.loads(line)["what"] for line in capsys.readouterr().out.splitlines()] == ["two", "three"]


def test_only_the_latest_are_shown(files: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    show_logs(files, 1, None, Screen())
    assert capsys.readouterr().out.rstrip().endswith("three")
    show_logs(files, 0, None, Screen())
    assert capsys.readouterr().out == ""
