"""A node whose disk has no room left: the others go on at once, it serves reads, and votes again once there is room."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processes.alliance import DEADLINE_S, Node, RunningAlliance, found
from tests.waiting import wait_until

DISK_BYTES = 96 * 1024 * 1024


@pytest.fixture
def alliance(tmp_path: Path) -> Iterator[RunningAlliance]:
    founded = found(tmp_path / "alliance")
    yield founded
    founded.close()


@pytest.fixture
def small(alliance: RunningAlliance) -> Iterator[Node]:
    """The first leader, with its data on a small disk of its own."""
    node = alliance.nodes[0]
    if os.geteuid() != 0:
        pytest.skip("needs the right to mount a file system")
    kept = node.folder.root / "kept"
    shutil.copytree(node.folder.data, kept)
    options = f"size={DISK_BYTES}"
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(node.folder.data)], check=False)
    if made.returncode:
        pytest.skip("needs the right to mount a file system")
    shutil.copytree(kept, node.folder.data, dirs_exist_ok=True)
    try:
        yield node
    finally:
        alliance.close()
        subprocess.run(["umount", str(node.folder.data)], check=True)


def fill(node: Node) -> Path:
    """Leave no byte free on the node's disk."""
    ballast = node.folder.data / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while file.write(bytes(64 * 1024)):
                pass
        except OSError:
            return ballast
    raise AssertionError("the disk never ended")


def test_it_gives_way_serves_reads_and_goes_on_by_itself(alliance: RunningAlliance, small: Node) -> None:
    alliance.start()
    others = [node for node in alliance.nodes if node is not small]
    alliance.wait_final(others[0], alliance.send(small, 20))
    ballast = fill(small)
    sent: list[str] = []

    def is_paused() -> bool:
        hashes = alliance.send(others[0], 1_000)
        sent.extend(hashes)
        alliance.wait_final(others[0], hashes)
        return small.rpc("hansa_status")["paused"] is not None

    wait_until(is_paused, DEADLINE_S, "a full disk")
    height = small.height()
    assert small.block(height)["hash"] == others[0].block(height)["hash"]
    assert alliance.leader() is not small
    assert not small.rpc("hansa_status")["voting"]
    alliance.wait_final(others[1], alliance.send(others[1], 20))
    ballast.unlink()
    wait_until(lambda: small.rpc("hansa_status")["voting"], DEADLINE_S, "votes again")
    alliance.wait_final(small, sent)
    others[0].kill()
    for node in (small, others[1]):
        alliance.wait_final(node, alliance.send(small, 20))
    alliance.check_agreement()


def test_it_starts_on_a_full_disk(alliance: RunningAlliance, small: Node) -> None:
    alliance.start()
    others = [node for node in alliance.nodes if node is not small]
    alliance.wait_final(small, alliance.send(small, 20))
    small.kill()
    fill(small)
    before = small.folder.log.stat().st_size
    small.start()

    def serves() -> bool:
        assert small.is_running, small.words()
        return "ready at height" in small.folder.log.read_text()[before:]

    wait_until(serves, DEADLINE_S, "it serves")
    alliance.wait_final(others[0], alliance.send(others[0], 20))
    assert small.is_running
    assert small.stop() in (0, 3)  # 3: what waited for room could not be written, DISK-1
