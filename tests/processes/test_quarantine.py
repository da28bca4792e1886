"""A node that lost its votes, or came back with old ones, serves reads at once and votes again by itself."""

import shutil
from pathlib import Path

import pytest

from tests.processes.alliance import DEADLINE_S, Load, Node, RunningAlliance
from tests.waiting import wait_until


def send_some(alliance: RunningAlliance, through: Node) -> None:
    hashes = alliance.send(through, 20)
    for node in alliance.nodes:
        if node.is_running:
            alliance.wait_final(node, hashes)


def wait_voting(node: Node) -> None:
    """Wait until a node is out of quarantine and votes."""

    def votes() -> bool:
        status = node.rpc("hansa_status")
        return status["quarantine"] is None and bool(status["voting"])

    wait_until(votes, DEADLINE_S, f"{node.name} votes")


def check_needed(alliance: RunningAlliance, returned: Node) -> None:
    """Blocks go on with the votes of the one that returned: without it and another one there is no quorum."""
    other = next(node for node in alliance.nodes if node is not returned)
    other.kill()
    send_some(alliance, returned)
    other.start()
    other.wait_ready()
    send_some(alliance, other)
    alliance.check_agreement()


def damage(node: Node) -> None:
    """Both copies of the first frame rot."""
    for segment in node.folder.votes.iterdir():
        data = segment.read_bytes()
        segment.write_bytes(b"\xff" * 8192 + data[8192:])


def lose(node: Node) -> None:
    """The log is gone."""
    shutil.rmtree(node.folder.votes)


@pytest.mark.parametrize("harm", [lose, damage])
def test_votes_are_lost_while_nobody_sends(alliance: RunningAlliance, harm: object) -> None:
    send_some(alliance, alliance.nodes[0])
    node = alliance.nodes[1]
    assert node.stop() == 0
    harm(node)  # type: ignore[operator]
    height = alliance.nodes[0].height()
    node.start()
    node.wait_ready()
    assert node.height() == height  # it serves reads
    wait_voting(node)
    assert any("quarantine" in str(line) for line in node.folder.log.read_text().splitlines())
    check_needed(alliance, node)


def test_votes_are_lost_under_load_by_the_leader(alliance: RunningAlliance) -> None:
    load = Load(alliance)
    node = alliance.leader()
    other = next(one for one in alliance.nodes if one is not node)
    load.burst(other, 1.0)
    node.kill()
    lose(node)
    load.burst(other, 0.5)
    node.start()
    node.wait_ready()

    def votes() -> bool:
        load.burst(other, 0.2)
        status = node.rpc("hansa_status")
        return status["quarantine"] is None and bool(status["voting"])

    wait_until(votes, DEADLINE_S, f"{node.name} votes")
    for one in alliance.nodes:
        alliance.wait_final(one, load.sent)
    check_needed(alliance, node)


def test_the_whole_folder_is_of_yesterday(alliance: RunningAlliance, tmp_path: Path) -> None:
    send_some(alliance, alliance.nodes[0])
    node = alliance.leader()
    assert node.stop() == 0
    shutil.copytree(node.folder.data, tmp_path / "image")
    node.start()
    node.wait_ready()
    wait_voting(node)
    send_some(alliance, node)
    send_some(alliance, node)
    node.kill()
    shutil.rmtree(node.folder.data)
    shutil.copytree(tmp_path / "image", node.folder.data)
    node.start()
    node.wait_ready()
    wait_voting(node)
    assert "VOTES-5" in node.folder.log.read_text()
    check_needed(alliance, node)
