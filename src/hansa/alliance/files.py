"""The only place of this room that touches the disk. Private files are made 0600; `io.private_files` reads them."""

import os
from pathlib import Path

from hansa.alliance.errors import FolderTaken, InvalidAllianceFile, NoAlliance

TEXT_BYTES_MAX = 64 << 20  # a genesis may carry many accounts; nothing of ours is larger


def write_private(path: Path, data: bytes) -> None:
    """Create `path` with mode 0600, durable when this returns.

    Raises
    ------
    FolderTaken: it exists; a private key is never overwritten.
    """
    _create(path, data, 0o600)


def write_public(path: Path, data: bytes) -> None:
    """Write or replace a file that anyone may read, in one step: a reader sees the old or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.new")
    temporary.unlink(missing_ok=True)
    _create(temporary, data, 0o644)
    os.replace(temporary, path)


def _create(path: Path, data: bytes, mode: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except FileExistsError:
        raise FolderTaken(f"{path} exists already", "choose another folder, or move that file away") from None
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, mode)
        file.write(data)
        file.flush()
        os.fsync(descriptor)


def sync_path(path: Path) -> None:
    """Make a file's content durable, or the names that a folder holds."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_private_folder(path: Path) -> None:
    """Create a folder that only its owner may enter."""
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(0o700)


def read_public(path: Path) -> bytes:
    """Read a file that is no secret.

    Raises
    ------
    NoAlliance: it does not exist.
    InvalidAllianceFile: it is larger than anything of ours.
    """
    try:
        if path.stat().st_size > TEXT_BYTES_MAX:
            raise InvalidAllianceFile(f"{path} is larger than {TEXT_BYTES_MAX >> 20} MiB", "is it the right file?")
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise NoAlliance(f"{path} does not exist", "run `hansa init` first, or name the folder with -d") from None


def read_text(path: Path) -> str:
    """Read a public UTF-8 file.

    Raises
    ------
    NoAlliance: it does not exist.
    InvalidAllianceFile: too large, or not UTF-8.
    """
    try:
        return read_public(path).decode()
    except UnicodeDecodeError:
        raise InvalidAllianceFile(f"{path} is not UTF-8 text", "is it the right file?") from None
