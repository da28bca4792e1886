"""Members change, all nodes drop old blocks, and a wiped validator still comes back from genesis alone."""

import shutil
from pathlib import Path

from hansa import _native
from tests.processes.alliance import DEADLINE_S, Node, found
from tests.processes.person import CommandLine, status, wait_epoch
from tests.processes.test_snapshot import copy_ledger, write_ledger
from tests.waiting import wait_until

BLOCKS = 2_030
PRUNE_AT = 2_048  # every 1,024 blocks old ones are dropped
LARGE = 200  # blocks that fill more than one file of the block log
KEEP = 1_024


def keep_few_blocks(node: Node) -> None:
    """What node.toml says; settings of no table stand before the first one."""
    node.folder.config.write_text(f"keep_blocks = {KEEP}\n" + node.folder.config.read_text())


def test_a_wiped_validator_comes_back_in_a_later_epoch_whose_first_blocks_nobody_holds(tmp_path: Path) -> None:
    alliance = found(tmp_path / "alliance")
    person = CommandLine(tmp_path / "alliance")
    try:
        write_ledger(alliance, BLOCKS, LARGE)
        for node in alliance.nodes[1:]:
            copy_ledger(alliance.nodes[0].folder, node.folder)
        for node in alliance.nodes:
            keep_few_blocks(node)
        wiped = alliance.nodes[3]
        alliance.start()
        alliance.take_fresh_accounts()
        assert person.hansa("key", "rotate", "node", "bank")["epoch"] == 1
        wait_epoch(alliance.nodes[:3], 1)

        def has_dropped() -> bool:
            alliance.send(alliance.nodes[0], 5)
            return all((node.folder.data / "base").exists() for node in alliance.nodes[:3])

        wait_until(has_dropped, DEADLINE_S, "blocks dropped in epoch 1")
        assert alliance.nodes[0].height() >= PRUNE_AT

        wiped.kill()
        shutil.rmtree(wiped.folder.data)
        wiped.folder.log.write_text("")
        wiped.start()

        def is_level() -> bool:
            try:
                return wiped.height() >= PRUNE_AT and bool(status(wiped)["voting"])
            except OSError:
                return False  # it is beginning anew

        wait_until(is_level, DEADLINE_S, "the wiped node votes")
        assert "taking over the state after block" in wiped.folder.log.read_text()
        assert status(wiped)["epoch"] == 1
        alliance.nodes[0].stop()
        alliance.wait_final(wiped, alliance.send(wiped, 20))
        for node in (alliance.nodes[0], wiped):
            if node.is_running:
                node.stop()
            folder = node.folder
            assert _native.verify_ledger(str(folder.data), folder.genesis.read_bytes()) == []
            node.start()
            node.wait_ready()
        wait_epoch([alliance.nodes[0], wiped], 1)
        alliance.wait_final(alliance.nodes[0], alliance.send(wiped, 20))
    finally:
        alliance.close()
