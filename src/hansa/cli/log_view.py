"""Reading the nodes' structured logs for people."""

import fnmatch
import time
from pathlib import Path
from typing import Any

import msgspec

from hansa.cli.screen import Screen

_POLL_S = 0.2
_READ_BYTES_MAX = 4 << 20  # of each file, from its end
_SHOWN_APART = frozenset(("ts", "level", "code", "org", "node", "height", "view", "what", "trace"))


def show_logs(files: dict[str, Path], lines: int, code: str | None, screen: Screen) -> dict[str, int]:
    """Print the latest lines of all files by time; the offsets up to which they were read."""
    offsets: dict[str, int] = {}
    found: list[dict[str, Any]] = []
    for node, path in files.items():
        entries, offsets[node] = read_entries(path, node, code)
        found += entries
    found.sort(key=lambda entry: str(entry["ts"]))  # stable: lines without a time stay with their neighbours
    for entry in found[len(found) - lines :] if lines else []:
        _show(entry, screen)
    return offsets


def read_entries(path: Path, node: str, code: str | None = None) -> tuple[list[dict[str, Any]], int]:
    """The last lines of a node's log, and the offset up to which it was read."""
    size = path.stat().st_size if path.exists() else 0
    text, offset = _read_whole_lines(path, max(0, size - _READ_BYTES_MAX))
    return [entry for line in text.splitlines() if (entry := _parse(line, node, code)) is not None], offset


def follow_logs(files: dict[str, Path], offsets: dict[str, int], code: str | None, screen: Screen) -> None:
    """Print what comes, until interrupted."""
    while True:
        found: list[dict[str, Any]] = []
        for node, path in files.items():
            text, offsets[node] = _read_whole_lines(path, offsets[node])
            found += [entry for line in text.splitlines() if (entry := _parse(line, node, code)) is not None]
        for entry in sorted(found, key=lambda entry: str(entry["ts"])):
            _show(entry, screen)
        time.sleep(_POLL_S)


def _read_whole_lines(path: Path, offset: int) -> tuple[str, int]:
    """Text from `offset` to the last end of a line, and where that is; from the start again when the file shrank."""
    try:
        with path.open("rb") as file:
            offset = 0 if offset > path.stat().st_size else offset
            file.seek(offset)
            data = file.read(_READ_BYTES_MAX)
    except FileNotFoundError:
        return "", 0
    data = data[: data.rfind(b"\n") + 1]
    return data.decode(errors="replace"), offset + len(data)


def _parse(line: str, node: str, code: str | None) -> dict[str, Any] | None:
    try:
        entry = msgspec.json.decode(line)
    except msgspec.DecodeError:
        entry = None
    if not isinstance(entry, dict):
        entry = {"what": line, "level": "", "ts": ""}  # a crash's own words
    entry.setdefault("ts", "")
    entry["node"] = node
    if code is not None and not fnmatch.fnmatch(str(entry.get("code") or ""), code):
        return None
    return entry


def _show(entry: dict[str, Any], screen: Screen) -> None:
    if screen.json:
        print(msgspec.json.encode(entry).decode(), flush=True)
        return
    when = str(entry["ts"])[11:23]
    extras = " ".join(f"{key}={value}" for key, value in entry.items() if key not in _SHOWN_APART and value is not None)
    code = entry.get("code") or ""
    at = f"h={entry['height']} v={entry['view']}" if "height" in entry else ""
    words = [
        when,
        f"{entry.get('level', ''):7}",
        f"{entry['node']:12}",
        f"{at:12}",
        str(code),
        str(entry.get("what", "")),
    ]
    print("  ".join(word for word in [*words, extras] if word).rstrip(), flush=True)
    if entry.get("trace"):
        print(entry["trace"], flush=True)
