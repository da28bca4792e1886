"""Every help text stays cheap: nothing heavy is imported before a command runs."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
HEAVY = (
    "hansa._native",
    "hansa.alliance",
    "hansa.api",
    "hansa.bench",
    "hansa.node",
    "hansa.sdk",
    "hansa.sim",
    "asyncio",
    "cryptography",
    "msgspec",
    "rich",
    "uvicorn",
    "uvloop",
    "web3",
)
CPU_S_MAX = 0.2  # one of several runs must stay below it, since others may use the machine too
RUNS = 5


def run_python(code: str) -> str:
    environment = {"PYTHONPATH": str(ROOT / "src"), "PATH": "/usr/bin:/bin"}
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True)
    return result.stdout


@pytest.mark.parametrize("arguments", [["--help"], ["up", "--help"], ["account", "new", "--help"], ["--version"], []])
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    code = f"import sys; from hansa.cli.app import run; run({arguments!r}); print(*sys.modules)"
    loaded = set(run_python(code).split())
    assert not {name for name in HEAVY if name in loaded}
