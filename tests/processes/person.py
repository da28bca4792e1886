"""What people do to an alliance that runs: commands of one who holds all keys, a steady load, looking at nodes."""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from tests.processes.alliance import ROOT, Node, RunningAlliance
from tests.waiting import wait_until

DEADLINE_S = 60.0
PORTION = 5


class CommandLine:
    """The command line of a person who holds all keys of the development alliance."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.joined: Node | None = None
        self.added: Node | None = None

    def run(self, *arguments: str, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "hansa.cli", *arguments, "-d", str(folder or self.folder), "--json"]
        environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
        return subprocess.run(
            command, capture_output=True, text=True, env=environment, timeout=DEADLINE_S * 2, check=False,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip

    def hansa(self, *arguments: str, folder: Path | None = None) -> Any:
        done = self.run(*arguments, folder=folder)
        assert done.returncode == 0, (arguments, done.stderr)
        return json.loads(done.stdout)

    def approve(self, proposal: int, *voters: str) -> None:
        for voter in voters:
            self.hansa("proposal", "approve", str(proposal), "--as", voter)


class SteadyLoad:
    """A few transfers all the time, sent to one node; every one is remembered."""

    def __init__(self, alliance: RunningAlliance, node: Node) -> None:
        self.alliance = alliance
        self.node = node
        self.sent: list[str] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.wait(0.1):
            self.sent += self.alliance.send(self.node, PORTION)

    def stop(self) -> list[str]:
        self._stop.set()
        self._thread.join()
        return self.sent


def status(node: Node) -> dict[str, Any]:
    return dict(node.rpc("hansa_status"))


def wait_epoch(nodes: list[Node], epoch: int) -> None:
    wait_until(
        lambda: all(status(node)["epoch"] >= epoch and status(node)["voting"] for node in nodes),
        DEADLINE_S,
        f"epoch {epoch}",
    )
