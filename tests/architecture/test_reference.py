"""The generated pages of docs/reference say what the code says, and every error code means one thing."""

import os
import re
import subprocess
import sys
from collections import defaultdict

from tests.architecture.sources import ROOT, modules

CODE = re.compile(r'^    code(?:: ClassVar\[str\])? = "([A-Z0-9]+-[A-Z0-9-]+)"', re.MULTILINE)


def test_generated_pages_are_fresh() -> None:
    result = subprocess.run(
        [sys.executable, str(ROOT / "tools/write_reference.py"), "--check"],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
    )
    assert result.returncode == 0, f"run `make docs`\n{result.stdout[-4000:]}{result.stderr[-4000:]}"


def test_a_code_means_one_thing() -> None:
    places: dict[str, set[str]] = defaultdict(set)
    for module in modules():
        for code in CODE.findall(module.path.read_text()):
            places[code].add(module.relative)
    shared = {code: sorted(where) for code, where in places.items() if len(where) > 1}
    assert not shared


def test_a_room_gives_a_code_once() -> None:
    for module in modules():
        codes = CODE.findall(module.path.read_text())
        assert len(codes) == len(set(codes)), f"{module.relative}: {sorted(c for c in codes if codes.count(c) > 1)}"


def test_every_code_is_documented() -> None:
    page = (ROOT / "docs/reference/errors.md").read_text()
    codes = {code for module in modules() for code in CODE.findall(module.path.read_text())}
    missing = sorted(code for code in codes if f"| {code} |" not in page and not code.startswith("HANSA-0"))
    kinds = {"INPUT-1", "REFUSED-1", "UNAVAILABLE-1", "NOTFOUND-1", "CONFLICT-1", "CORRUPT-1"}
    assert not set(missing) - kinds, missing
