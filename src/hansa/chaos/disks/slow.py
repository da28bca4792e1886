"""`python -m hansa.chaos.disks.slow FOLDER`: the node of a folder, whose syncs take longer while it is told so."""

import os
import sys
import time
from pathlib import Path
from unittest.mock import patch

from hansa.node.ledger_work import LedgerWork
from hansa.node.supervise import run_node

MODULE = "hansa.chaos.disks.slow"
_FILE = "slow-ms"


def slow_down(root: Path, amount_ms: int) -> None:
    """Have each sync of the node of a folder take so much longer from now on; 0 = as long as it takes."""
    (root / _FILE).write_text(str(amount_ms))


def wait_slowly(root: Path) -> None:
    """Wait as long as the file says; called before a sync."""
    try:
        amount_ms = int((root / _FILE).read_text() or "0")
    except FileNotFoundError:
        return
    time.sleep(amount_ms / 1_000)


def run_slow(folder: str) -> int:
    """Run the node of a folder with the syncs of both logs slowed down; the exit code."""
    root = Path(folder)
    sync_votes, sync_blocks = os.fdatasync, LedgerWork.sync_blocks

    def sync_votes_slowly(descriptor: int) -> None:
        wait_slowly(root)
        sync_votes(descriptor)

    def sync_blocks_slowly(work: LedgerWork) -> None:
        wait_slowly(root)
        sync_blocks(work)

    with patch.object(os, "fdatasync", sync_votes_slowly), patch.object(LedgerWork, "sync_blocks", sync_blocks_slowly):
        return run_node(folder)


if __name__ == "__main__":
    sys.exit(run_slow(sys.argv[1]))
