"""How a node refuses to start: the code, the cause, the next step, the exit code; and that a stop is clean."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processes.alliance import DEADLINE_S, Node, RunningAlliance, found


@pytest.fixture
def alliance(tmp_path: Path) -> Iterator[RunningAlliance]:
    founded = found(tmp_path / "alliance")
    yield founded
    founded.close()


def refusal(node: Node) -> tuple[int, str, str]:
    """Start a node that must not start: (exit code, error code, cause)."""
    node.start()
    assert node.process is not None
    exit_code = node.process.wait(DEADLINE_S)
    last = node.words()[-1]
    assert not node.ready_record()
    return exit_code, str(last.get("code")), str(last.get("what"))


def test_a_key_that_others_may_read(alliance: RunningAlliance) -> None:
    node = alliance.nodes[0]
    node.folder.consensus_key.chmod(0o644)
    exit_code, code, cause = refusal(node)
    assert (exit_code, code) == (2, "NODE-3")
    assert "consensus.key has mode 0644" in cause


def test_a_missing_key(alliance: RunningAlliance) -> None:
    node = alliance.nodes[0]
    node.folder.tls_key.unlink()
    assert refusal(node)[:2] == (2, "NODE-3")


def test_another_validators_key(alliance: RunningAlliance) -> None:
    node, other = alliance.nodes[:2]
    node.folder.consensus_key.write_bytes(other.folder.consensus_key.read_bytes())
    exit_code, code, cause = refusal(node)
    assert (exit_code, code) == (2, "NODE-3")
    assert other.folder.consensus_key.read_text().strip().removeprefix("0x") not in node.folder.log.read_text()
    assert "another validator's key" in cause


def test_another_nodes_certificate(alliance: RunningAlliance) -> None:
    node, other = alliance.nodes[:2]
    for own, theirs in (
        (node.folder.tls_key, other.folder.tls_key),
        (node.folder.tls_certificate, other.folder.tls_certificate),
    ):
        own.write_bytes(theirs.read_bytes())
    assert refusal(node)[:2] == (2, "TLS-1")


def test_another_alliances_genesis(alliance: RunningAlliance) -> None:
    node = alliance.nodes[0]
    genesis = json.loads(node.folder.genesis.read_bytes())
    node.folder.genesis.write_text(json.dumps(genesis | {"gas_limit": genesis["gas_limit"] + 1}))
    exit_code, code, _ = refusal(node)
    assert (exit_code, code) == (9, "VOTES-2")


def test_a_port_in_use(alliance: RunningAlliance) -> None:
    node = alliance.nodes[0]
    host, port = alliance.alliance.organisations[0].nodes[0].listen.split(":")
    with socket.create_server((host, int(port))):
        exit_code, code, cause = refusal(node)
    assert (exit_code, code) == (6, "NODE-1")
    assert f"{host}:{port} is already in use" in cause


def test_an_address_that_others_can_reach(alliance: RunningAlliance) -> None:
    node = alliance.nodes[0]
    node.folder.config.write_text(node.folder.config.read_text().replace("127.0.0.1", "0.0.0.0"))
    assert refusal(node)[:2] == (4, "NODE-5")


def test_a_second_process_on_the_same_folder(alliance: RunningAlliance) -> None:
    node = alliance.nodes[0]
    node.start()
    node.wait_ready()
    second = Node(node.folder, node.name)
    second.start()
    assert second.process is not None
    assert second.process.wait(DEADLINE_S) == 6
    assert "NODE-2" in node.folder.log.read_text()
    assert node.process is not None
    assert node.ready_record()["pid"] == node.process.pid


def test_a_stop_is_clean_and_the_next_start_goes_on(alliance: RunningAlliance) -> None:
    alliance.start()
    hashes = alliance.send(alliance.nodes[0], 20)
    for node in alliance.nodes:
        alliance.wait_final(node, hashes)
    heights = [node.height() for node in alliance.nodes]
    assert [node.stop() for node in alliance.nodes] == [0, 0, 0, 0]
    assert not any(node.ready_record() for node in alliance.nodes)
    alliance.start()
    assert all(node.height() >= height for node, height in zip(alliance.nodes, heights, strict=True))
    alliance.wait_final(alliance.nodes[2], alliance.send(alliance.nodes[3], 5))
    alliance.check_agreement()
