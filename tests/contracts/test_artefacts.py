"""Committed artefacts are what the sources compile to, byte for byte."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
VYPER = ROOT / ".venv-vyper" / "bin" / "vyper"
ARTEFACTS = sorted((ROOT / "src" / "hansa").glob("*/artefacts/*.json"))
COMPILED = [path for path in ARTEFACTS if "source_sha256" in json.loads(path.read_bytes())]


def test_there_are_artefacts() -> None:
    assert COMPILED


@pytest.mark.parametrize("path", COMPILED, ids=lambda path: path.stem)
def test_an_artefact_names_the_source_that_stands_here(path: Path) -> None:
    artefact = json.loads(path.read_bytes())
    source = ROOT / artefact["source"]
    assert hashlib.sha256(source.read_bytes()).hexdigest() == artefact["source_sha256"], "make artefacts"


def test_recompiling_gives_the_same_bytes() -> None:
    if not VYPER.exists():
        pytest.skip(".venv-vyper is missing: make artefacts creates it")
    result = subprocess.run(
        [sys.executable, str(ROOT / "contracts" / "build.py"), "--check"], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
