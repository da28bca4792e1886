"""Secret files are read only when nobody else can read them."""

import stat
from pathlib import Path

from hansa.io.errors import UnusableKeyFile

SECRET_BYTES_MAX = 64 * 1024


def check_private(path: Path) -> None:
    """Check that a secret file exists and that only its owner may read it (mode 0600 or 0400).

    Raises
    ------
    UnusableKeyFile: it is missing, no regular file, or open to group or others.
    """
    try:
        status = path.stat()
    except FileNotFoundError:
        raise UnusableKeyFile(f"{path} is missing", "restore it from your backup, or run `hansa init`") from None
    except OSError as error:
        raise UnusableKeyFile(f"{path} cannot be examined: {error.strerror}") from error
    if not stat.S_ISREG(status.st_mode):
        raise UnusableKeyFile(f"{path} is not a regular file")
    if stat.S_IMODE(status.st_mode) & 0o077:
        mode = f"{stat.S_IMODE(status.st_mode):04o}"
        raise UnusableKeyFile(f"{path} has mode {mode}: others may read this secret", f"chmod 600 {path}")


def read_private(path: Path) -> bytes:
    """Return the content of a secret file that only its owner can read.

    Raises
    ------
    UnusableKeyFile: as `check_private`, or it is unreadable or longer than SECRET_BYTES_MAX.
    """
    check_private(path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UnusableKeyFile(f"{path} cannot be read: {error.strerror}") from error
    if len(content) > SECRET_BYTES_MAX:
        raise UnusableKeyFile(f"{path} is too long for a key")
    return content
