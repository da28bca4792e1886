"""Why a node does not start, or stops.

InvalidNodeConfig, NotLoopback          node.toml is against the rules
ForeignGenesis                          the folder's genesis, ledger and keys do not belong together
LedgerFailure                           the native core failed where it must not
ProtocolTooNew                          the members voted for a protocol that this release does not know

`explain_native` turns the native core's `(code, message, hint)` into these and `hansa.io.errors`.
"""

from hansa._native import NativeError
from hansa.errors import Conflict, Corrupt, HansaError, InvalidInput, Refused, Unavailable
from hansa.io.errors import DiskFailed, DiskFull, FolderLocked
from hansa.types import versions


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


class ProtocolTooNew(Unavailable):
    """The members' next protocol is newer than this release: the node stops before the first block of it."""

    code = "NODE-9"
    exit_code = 1


def explain_protocol(protocol: int, first_height: int) -> ProtocolTooNew | None:
    """Why this release cannot make or judge blocks from `first_height` on; None if it can."""
    if protocol <= versions.PROTOCOL_MAX:
        return None
    return ProtocolTooNew(
        f"from block {first_height} on the chain follows protocol {protocol}, this release knows up to "
        f"{versions.PROTOCOL_MAX}",
        "install a release that knows it and start the node again: it goes on from here; nothing is lost",
        protocol=protocol,
        first_height=first_height,
    )


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
