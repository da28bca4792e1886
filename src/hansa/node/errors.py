"""Why a node does not start, or stops.

InvalidNodeConfig, NotLoopback          node.toml is against the rules
ForeignGenesis                          the folder's genesis, ledger and keys do not belong together
"""

from hansa.errors import Conflict, Corrupt, InvalidInput, Refused


class InvalidNodeConfig(InvalidInput):
    """node.toml is missing, malformed or contradicts genesis.json."""

    code = "NODE-4"


class NotLoopback(Refused):
    """A development alliance listens on and dials loopback addresses only."""

    code = "NODE-5"


class ForeignGenesis(Conflict):
    """genesis.json is not the one that this folder's data or keys were made for."""

    code = "NODE-6"


class NodeHalted(Corrupt):
    """The consensus machine met what must never happen and stopped rather than lie."""

    code = "NODE-7"
