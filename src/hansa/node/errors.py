"""Why a node does not start, or stops.

InvalidNodeConfig, NotLoopback          node.toml is against the rules
ForeignGenesis                          the folder's genesis, ledger and keys do not belong together
LedgerFailure                           the native core failed where it must not

`explain_native` turns the native core's `(code, message, hint)` into these and `hansa.io.errors`.
"""

from hansa._native import NativeError
from hansa.errors import Conflict, Corrupt, HansaError, InvalidInput, Refused
from hansa.io.errors import DiskFailed, DiskFull, FolderLocked


class InvalidNodeConfig(InvalidInput):
    """node.toml is missing, malformed or contradicts genesis.json."""

    code = "NODE-4"


class NotLoopback(Refused):
    """A development alliance listens on and dials loopback addresses only."""

    code = "NODE-5"


class ForeignGenesis(Conflict):
    """genesis.json is not the one that this folder's data or keys were made for."""

    code = "NODE-6"


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
