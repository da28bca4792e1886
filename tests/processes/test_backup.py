"""A backup is made while the node works, proves itself, and brings a node back that then votes again."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.processes.alliance import DEADLINE_S, Load, Node, RunningAlliance
from tests.waiting import wait_until


def hansa(*arguments: object, exit_code: int = 0) -> Any:
    """Run a command; returns what --json prints."""
    command = [sys.executable, "-m", "hansa.cli", *map(str, arguments), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_S, check=False)
    assert done.returncode == exit_code, done.stderr
    return json.loads(done.stdout)


def backup_under_load(alliance: RunningAlliance, node: Node, target: Path) -> Any:
    load = Load(alliance)
    load.burst(alliance.nodes[0], 1.0)
    made = hansa("backup", "create", node.folder.root, "--to", target)
    load.burst(alliance.nodes[0], 1.0)
    alliance.wait_final(alliance.nodes[0], load.sent)
    return made


def test_a_lost_disk_is_restored_and_the_node_votes_again(alliance: RunningAlliance, tmp_path: Path) -> None:
    node = alliance.nodes[2]
    target = tmp_path / "backups" / "one"
    made = backup_under_load(alliance, node, target)
    assert made["height"] > 0
    assert target.stat().st_mode & 0o077 == 0
    assert made["sealed_hash"] == node.block(made["height"])["hash"]
    assert not [path for path in target.rglob("*") if "votes" in path.name or path.suffix in (".key", ".pem")]
    assert hansa("backup", "verify", target)["height"] == made["height"]
    assert hansa("backup", "restore", target, node.folder.root, "--yes", exit_code=6)["error"]["code"] == "CLI-7"

    node.kill()
    shutil.rmtree(node.folder.data)
    node.folder.data.mkdir()
    hansa("backup", "restore", target, node.folder.root, "--yes")
    node.start()
    node.wait_ready()
    assert node.height() >= made["height"]

    def votes() -> bool:
        status = node.rpc("hansa_status")
        return bool(status["voting"]) and status["quarantine"] is None

    wait_until(votes, DEADLINE_S, "it votes")
    assert "quarantine" in node.folder.log.read_text()
    alliance.nodes[0].kill()
    alliance.wait_final(alliance.nodes[1], alliance.send(node, 10))
    alliance.check_agreement()


def test_an_old_ledger_and_its_votes_are_put_aside(alliance: RunningAlliance, tmp_path: Path) -> None:
    node = alliance.nodes[1]
    target = tmp_path / "one"
    backup_under_load(alliance, node, target)
    assert node.stop() == 0
    hansa("backup", "restore", target, node.folder.root, "--yes")
    assert not list(node.folder.votes.glob("*.seg"))
    aside = sorted(path.name for path in (node.folder.data / "quarantine").iterdir())
    assert aside == ["replaced-1", "votes-1"]
    assert hansa("verify", node.folder.root, exit_code=9)["error"]["findings"][0]["file"] == "votes"


@pytest.mark.parametrize("harm", ["change", "remove", "add"])
def test_a_backup_that_was_touched_is_refused(alliance: RunningAlliance, tmp_path: Path, harm: str) -> None:
    target = tmp_path / "one"
    backup_under_load(alliance, alliance.nodes[1], target)
    victim = next((target / "data" / "blocks").glob("*.seg"))
    if harm == "change":
        data = bytearray(victim.read_bytes())
        data[len(data) // 3] ^= 1
        victim.write_bytes(data)
    elif harm == "remove":
        victim.unlink()
    else:
        (target / "data" / "strange").write_bytes(b"")
    assert hansa("backup", "verify", target, exit_code=9)["error"]["code"] == "CLI-14"
    assert hansa("backup", "create", alliance.nodes[1].folder.root, "--to", target, exit_code=6)
