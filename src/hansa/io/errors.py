"""What can go wrong at the border to sockets, disks and key files.

UnusableKeyFile, UnusableCertificate    a file of this node is missing, readable by others, malformed, or another's
AddressInUse, FolderLocked              another process has it
DiskFull, DiskFailed                    the disk refuses; full: wait for room without voting, failed: stop the node
"""

from hansa.errors import Conflict, Corrupt, InvalidInput, Unavailable


class UnusableKeyFile(InvalidInput):
    """A secret file is missing, readable by other users, malformed, or another validator's."""

    code = "NODE-3"


class UnusableCertificate(InvalidInput):
    """A certificate file is missing, malformed, or does not fit its key or the alliance."""

    code = "TLS-1"


class AddressInUse(Conflict):
    """The listening address cannot be bound."""

    code = "NODE-1"


class FolderLocked(Conflict):
    """Another process runs on this data folder."""

    code = "NODE-2"


class DiskFull(Unavailable):
    """No space is left for what must be durable before this node may speak."""

    code = "DISK-1"


class DiskFailed(Corrupt):
    """The disk did not keep what it was told to keep; the node stops at once and never retries a sync."""

    code = "DISK-2"


def disk_failed(error: OSError, what: str) -> DiskFailed:
    """A refusal that must not be tried again, of a file that the system names or else of `what`."""
    hint = "check the disk; what is final is safe with the other members, see `hansa repair`"
    return DiskFailed(f"{error.filename or what}: {error.strerror}", hint)
