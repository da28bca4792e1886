"""`hansa --help` stays quick: it loads the list of commands and nothing that a command does."""

import os
import subprocess
import sys

from tests.architecture.sources import ROOT

MODULES_MAX = 220  # those of a bare Python and typer are about 150
HEAVY = {
    "asyncio", "cryptography", "hansa._native", "hansa.alliance", "hansa.api", "hansa.bench", "hansa.chaos",
    "hansa.consensus",
    "hansa.io", "hansa.network", "hansa.node", "hansa.sdk", "hansa.sim", "http", "httptools", "msgspec",
    "multiprocessing",
    "rich", "ssl", "sqlite3", "uvicorn", "uvloop", "websockets", "web3", "xml",
}  # fmt: skip
PROGRAM = """
import sys
sys.argv = ["hansa", "--help"]
from hansa.cli import main
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
print("\\n".join(sys.modules), file=sys.stderr)
"""


def test_help_loads_nothing_heavy() -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, env=environment
    )
    loaded = set(result.stderr.split())
    assert not HEAVY & loaded, sorted(HEAVY & loaded)
    assert len(loaded) <= MODULES_MAX
    assert "Commands:" in result.stdout
