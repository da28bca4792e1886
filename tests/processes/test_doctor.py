"""`hansa doctor` asks a node that runs: peers, clocks, quarantine."""

import json
import subprocess
import sys
from typing import Any

from tests.processes.alliance import DEADLINE_S, Node, RunningAlliance
from tests.waiting import wait_until


def examine(node: Node) -> dict[str, list[dict[str, Any]]]:
    """The findings by check."""
    command = [sys.executable, "-m", "hansa.cli", "doctor", str(node.folder.root), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_S, check=False)
    answer = json.loads(done.stdout)
    found: dict[str, list[dict[str, Any]]] = {}
    for finding in answer.get("error", answer)["findings"]:
        found.setdefault(finding["check"], []).append(finding)
    return found


def test_a_running_alliance(alliance: RunningAlliance) -> None:
    node, other = alliance.nodes[:2]

    def is_linked() -> bool:
        found = examine(node)
        return found["peers"][0]["level"] == "good" and "ms from the others" in found["clock"][0]["what"]

    wait_until(is_linked, DEADLINE_S, "links and clocks")
    assert {finding["level"] for rows in examine(node).values() for finding in rows} == {"good"}
    other.kill()
    wait_until(lambda: examine(node)["peers"][0]["level"] == "warning", DEADLINE_S, "the lost peer")
    (finding,) = examine(node)["peers"]
    assert other.name in finding["what"] and finding["cure"]
    for segment in other.folder.votes.glob("*.seg"):
        segment.unlink()
    assert "quarantine" in examine(other)["votes"][0]["cure"]
