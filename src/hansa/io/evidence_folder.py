"""`data/evidence`: one file per lie, kept for ever, bounded in number."""

import logging
import os
from pathlib import Path

log = logging.getLogger("hansa.node")

EVIDENCE_FOLDER = "evidence"  # below a node's data folder
EVIDENCE_FILES_MAX = 1_000  # a liar must not fill the disk: beyond it a lie is logged only


def keep_evidence(folder: Path, name: str, content: bytes) -> Path | None:
    """Write a file that is not there yet and sync it; returns its path.

    None if it could not be kept; a node goes on without it, as the log has said the same.
    """
    path = folder / name
    try:
        folder.mkdir(exist_ok=True)
        if path.exists():
            return path
        if sum(1 for _ in folder.iterdir()) >= EVIDENCE_FILES_MAX:
            log.error("%s holds %d files: evidence is not added", folder, EVIDENCE_FILES_MAX)
            return None
        temporary = folder / f".{name}.new"
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        log.error("evidence cannot be kept: %s", error.strerror, extra={"code": "DISK-1"})
        return None
    return path


def list_evidence(folder: Path) -> list[Path]:
    """The files, by name."""
    return sorted(folder.glob("*.json")) if folder.is_dir() else []
