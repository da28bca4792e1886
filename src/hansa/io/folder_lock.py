"""One process per data folder: an advisory lock that the kernel drops with the process, however it ends."""

import fcntl
import os
from pathlib import Path

from hansa.io.errors import FolderLocked


class FolderLock:
    """Holds `LOCK` in a data folder until `release`."""

    def __init__(self, folder: Path) -> None:
        """Take the lock.

        Raises
        ------
        FolderLocked: another process has it.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / "LOCK"
        self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(self._descriptor, 32, 0).decode(errors="replace").strip()
            os.close(self._descriptor)
            raise FolderLocked(
                f"{folder} is in use" + (f" by process {holder}" if holder else ""),
                "a node runs on it already; `hansa ps` shows it",
            ) from None
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Give the folder back."""
        os.close(self._descriptor)
