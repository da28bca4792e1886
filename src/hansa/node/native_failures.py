"""The native core's errors, `(code, message, hint)`, as classes of our tree."""

from hansa._native import NativeError
from hansa.errors import Corrupt, HansaError
from hansa.io.errors import DiskFailed, DiskFull, FolderLocked
from hansa.node.errors import ForeignGenesis, InvalidNodeConfig


class LedgerFailure(Corrupt):
    """The native core failed where it must not; `data["native"]` is its own code."""

    code = "NODE-8"


_CLASSES: dict[str, type[HansaError]] = {
    "CHAIN-LOCKED": FolderLocked,
    "GENESIS-INVALID": InvalidNodeConfig,
    "GENESIS-MISMATCH": ForeignGenesis,
    "LOG-FOREIGN": ForeignGenesis,
    "LOG-FULL": DiskFull,
    "LOG-FATAL": DiskFailed,
    "LOG-STOPPED": DiskFailed,
}


def native_code(error: NativeError) -> str:
    """The stable code of a native error."""
    return str(error.args[0])


def explain_native(error: NativeError) -> HansaError:
    """The typed error for a native one; what has no class of its own stops the node as LedgerFailure."""
    code, message, hint = (str(part) for part in error.args)
    return _CLASSES.get(code, LedgerFailure)(message, hint, native=code)
