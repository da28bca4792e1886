"""`alliance.toml`: one file that describes an alliance. All of it is public: it holds no key.

Organisations that found an alliance together agree on this text first; each then makes its own keys from it.
"""

import ipaddress
import re
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from hansa.alliance.errors import InvalidAllianceFile, NoSuchMember, NotLoopback
from hansa.alliance.strict_toml import decode_toml

ORGANISATIONS_MAX = 100
NODES_MAX = 100
DEV_ACCOUNTS_MAX = 1_000
GAS_LIMIT_MAX = 2_000_000_000  # the core's: what a block logs, 8 gas a byte, must fit into one record of the block log
WELL_KNOWN_MNEMONIC = "test test test test test test test test test test test junk"

Name = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9-]{0,30}$")]
Address = Annotated[str, Meta(pattern=r"^.{1,253}:\d{1,5}$")]  # host:port
Positive = Annotated[int, Meta(ge=1, le=2**53 - 1)]

_HOST_PORT = re.compile(r"^(?:\[(?P<six>[0-9a-fA-F:.]+)\]|(?P<host>[^:\[\]]+)):(?P<port>\d{1,5})$")


class Node(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One validator node."""

    name: Name  # unique in the alliance
    listen: Address  # where the other nodes reach it
    rpc: Address  # JSON-RPC over HTTP and WebSocket
    ws: Address  # JSON-RPC over WebSocket alone


class Organisation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One member of the alliance: its nodes and the people and systems that sign for it."""

    name: Name  # unique in the alliance
    nodes: Annotated[tuple[Node, ...], Meta(min_length=1, max_length=NODES_MAX)]
    role: Annotated[str, Meta(max_length=64)] = "member"  # said to people, means nothing to the chain
    users: Annotated[tuple[Name, ...], Meta(max_length=1_000)] = ()


class Rules(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How transactions run; the same for all members (rules.md 2)."""

    evm: Literal["cancun", "prague", "osaka"] = "osaka"
    fees: Literal["none", "ethereum"] = "none"
    gas_limit: Annotated[int, Meta(ge=21_000, le=GAS_LIMIT_MAX)] = 1_000_000_000  # gas per block


class Consensus(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the members agree on the order."""

    kind: Literal["pbft", "solo"] = "pbft"
    block_interval_ms: Annotated[int, Meta(ge=1, le=60_000)] = 50  # least time between two proposals
    window: Annotated[int, Meta(ge=1, le=64)] = 8  # heights under way at once
    term: Positive = 10_000  # heights for which one member leads
    view_timeout_ms: Annotated[int, Meta(ge=100, le=600_000)] = 1_000  # first patience with a silent leader


class DevAccounts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Funded accounts whose keys everybody knows; only in a `dev` alliance."""

    mnemonic: Annotated[str, Meta(max_length=1_000)] = WELL_KNOWN_MNEMONIC
    count: Annotated[int, Meta(ge=0, le=DEV_ACCOUNTS_MAX)] = 10


class Alliance(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole of `alliance.toml`."""

    version: Literal[1]
    name: Name
    chain_id: Annotated[int, Meta(ge=1, le=2**53 - 1)]
    timestamp_ms: Annotated[int, Meta(ge=0, le=2**53 - 1)]  # of the first block, since 1970
    organisations: Annotated[tuple[Organisation, ...], Meta(min_length=1, max_length=ORGANISATIONS_MAX)]
    dev: bool = False  # keys known to everybody, loopback only
    credit: Annotated[int, Meta(ge=0, le=10**12)] = 1_000_000  # coins of 10^18 units per user account
    rules: Rules = Rules()
    consensus: Consensus = Consensus()
    dev_accounts: DevAccounts | None = None

    def organisation(self, name: str) -> Organisation:
        """The member of that name.

        Raises
        ------
        NoSuchMember: there is none; the hint lists all.
        """
        for organisation in self.organisations:
            if organisation.name == name:
                return organisation
        names = ", ".join(organisation.name for organisation in self.organisations)
        raise NoSuchMember(f"the alliance {self.name} has no organisation {name!r}", f"its organisations: {names}")

    def nodes(self) -> list[tuple[Organisation, Node]]:
        """All nodes; where none joined after genesis, in the order that is their index."""
        return [(organisation, node) for organisation in self.organisations for node in organisation.nodes]


def parse_alliance(text: str, file: str = "alliance.toml") -> Alliance:
    """Read and check `alliance.toml`.

    Raises
    ------
    InvalidAllianceFile: malformed, an unknown key, a name or an address used twice.
    NotLoopback: `dev = true` with an address that other machines can reach.
    """
    alliance = decode_toml(text, Alliance, file)
    check_alliance(alliance, file)
    return alliance


def check_alliance(alliance: Alliance, file: str = "alliance.toml") -> None:
    """Check what types alone cannot say.

    Raises
    ------
    InvalidAllianceFile: a name or an address used twice, dev accounts outside a dev alliance.
    NotLoopback: `dev = true` with an address that other machines can reach.
    """
    _check_unique([o.name for o in alliance.organisations], "organisation", file)
    _check_unique([node.name for _, node in alliance.nodes()], "node", file)
    _check_unique([user for o in alliance.organisations for user in o.users], "user", file)
    addresses = [address for _, node in alliance.nodes() for address in (node.listen, node.rpc, node.ws)]
    _check_unique(addresses, "address", file)
    for address in addresses:
        host, _ = split_address(address, file)
        if alliance.dev and not is_loopback(host):
            raise NotLoopback(
                f"{address} is not on this machine, and {alliance.name} is a development alliance",
                "give each organisation its own keys: `hansa init --org NAME` on each machine, dev = false",
            )
    if alliance.dev_accounts is not None and not alliance.dev:
        raise InvalidAllianceFile(
            f"{file}: dev_accounts holds keys that everybody knows, and dev is not true", "remove [dev_accounts]"
        )
    if alliance.consensus.kind == "solo" and len(addresses) > 3:
        raise InvalidAllianceFile(f"{file}: consensus.kind is solo, which has exactly one node", 'use kind = "pbft"')


def _check_unique(values: list[str], what: str, file: str) -> None:
    seen: set[str] = set()
    for value in values:
        if value in seen:
            raise InvalidAllianceFile(f"{file}: the {what} {value} stands there twice", f"give each {what} its own")
        seen.add(value)


def split_address(address: str, file: str = "alliance.toml") -> tuple[str, int]:
    """`host:port` or `[ipv6]:port` in its two parts.

    Raises
    ------
    InvalidAllianceFile: neither form, or a port outside 1 … 65535.
    """
    found = _HOST_PORT.match(address)
    if not found or not 1 <= int(found["port"]) <= 65_535:
        raise InvalidAllianceFile(f"{file}: {address!r} is not an address", "write host:port, port 1 to 65535")
    return found["six"] or found["host"], int(found["port"])


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach `host`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
