"""A measurement that is told to end takes its temporary folder with it."""

import argparse
import asyncio
import os
import signal
from pathlib import Path

from hansa.bench.command import EXIT_TERMINATED, _in_folder


def test_a_measurement_that_is_terminated_leaves_nothing() -> None:
    folders: list[Path] = []
    ended: list[bool] = []

    async def measure(folder: Path) -> int:
        folders.append(folder)
        (folder / "ledger").write_bytes(b"much")
        os.kill(os.getpid(), signal.SIGTERM)
        try:
            await asyncio.Event().wait()
        finally:
            ended.append((folder / "ledger").stat().st_size == 4)  # noqa: ASYNC240 - nodes are stopped here, while their folder still stands
        return 0

    assert _in_folder(argparse.Namespace(dir=None), measure) == EXIT_TERMINATED
    assert ended == [True] and not folders[0].exists()
