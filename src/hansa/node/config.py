"""`node.toml`: what one node may set for itself. Parsed once, here; nobody else reads it.

Everything that all members must agree on stands in genesis.json instead.
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from hansa.alliance.errors import InvalidAllianceFile, NoAlliance
from hansa.alliance.files import read_text
from hansa.alliance.layout import NodeFolder
from hansa.alliance.model import is_loopback, split_address
from hansa.alliance.strict_toml import decode_toml
from hansa.io.link import Address
from hansa.node.errors import InvalidNodeConfig, NotLoopback

PEERS_MAX = 100
WORKERS_MAX = 64
KEEP_BLOCKS_MIN = 1_024  # replays of type 0x48, and members that catch up, need that many
NAMES_MAX = 64

HostPort = Annotated[str, Meta(max_length=260)]


class PeerEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where another validator is reached."""

    name: str
    organisation: str
    index: Annotated[int, Meta(ge=0, le=PEERS_MAX)]
    address: HostPort


class RpcConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The table `[rpc]` of node.toml: who may speak JSON-RPC to this node. Paths are relative to its folder."""

    hosts: Annotated[tuple[HostPort, ...], Meta(max_length=NAMES_MAX)] = ()  # further names in the Host header
    origins: Annotated[tuple[HostPort, ...], Meta(max_length=NAMES_MAX)] = ()  # web pages besides those of loopback
    token_file: str | None = None  # mode 0600; every request must carry the token
    certificate: str | None = None  # PEM; serve by TLS
    key: str | None = None
    clients_ca: str | None = None  # PEM; serve only clients with a certificate of this authority


class SharedSigner(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The table `[signer]` of node.toml: this validator has two nodes, and a signer process holds its key for both."""

    address: HostPort  # of the signer
    other: HostPort  # where the other node listens for its peers: while that one may sign, it is followed


class NodeConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole of `node.toml`."""

    version: Literal[1]
    name: str
    organisation: str
    index: Annotated[int, Meta(ge=0, le=PEERS_MAX)]  # place in genesis.json's validator list
    listen: HostPort  # for the other nodes
    rpc_listen: HostPort  # JSON-RPC over HTTP and WebSocket
    ws_listen: HostPort | None = None  # JSON-RPC over WebSocket alone
    data: str = "data"  # relative to the node's folder
    peers: Annotated[tuple[PeerEntry, ...], Meta(max_length=PEERS_MAX)] = ()
    rpc: RpcConfig = RpcConfig()
    signer: SharedSigner | None = None  # None = the consensus key lies in this folder
    dev: bool = False  # keys that others may know: loopback only
    workers: Annotated[int, Meta(ge=0, le=WORKERS_MAX)] = 0  # threads of the native core; 0 = by cores
    keep_blocks: Annotated[int, Meta(ge=0)] = 0  # newest blocks kept with bodies and receipts; 0 = all
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    def addresses(self) -> list[str]:
        """Every address in the file."""
        own = [self.listen, self.rpc_listen, *([self.ws_listen] if self.ws_listen else [])]
        if self.signer is not None:
            own += [self.signer.address, self.signer.other]
        return own + [peer.address for peer in self.peers]

    def peer_addresses(self) -> dict[int, Address]:
        """The other validators' addresses by index."""
        return {peer.index: parse_address(peer.address) for peer in self.peers}


def parse_address(text: str) -> Address:
    """`host:port` or `[ipv6]:port`; port 0 lets the system choose.

    Raises
    ------
    InvalidNodeConfig: neither form.
    """
    host, _, port = text.rpartition(":")
    if port == "0":
        return Address(host.strip("[]"), 0)
    try:
        return Address(*split_address(text, "node.toml"))
    except InvalidAllianceFile as error:
        raise InvalidNodeConfig(error.cause, error.hint) from error


def load_node_config(folder: NodeFolder) -> NodeConfig:
    """Read and check a folder's `node.toml`.

    Raises
    ------
    InvalidNodeConfig: missing, malformed, an unknown key (the nearest one is named), a contradiction.
    NotLoopback: `dev = true` with an address that other machines can reach.
    """
    try:
        config = decode_toml(read_text(folder.config), NodeConfig, str(folder.config))
    except InvalidAllianceFile as error:
        raise InvalidNodeConfig(error.cause, error.hint, **error.data) from error
    except NoAlliance as error:
        raise InvalidNodeConfig(error.cause, "name a node folder made by `hansa init`") from error
    check_node_config(config)
    return config


def check_node_config(config: NodeConfig) -> None:
    """Check what types alone cannot say.

    Raises
    ------
    InvalidNodeConfig: an address that is none, an index used twice, too few blocks to keep.
    NotLoopback: a dev node with an address that other machines can reach.
    """
    indexes = [config.index, *(peer.index for peer in config.peers)]
    if len(set(indexes)) != len(indexes):
        raise InvalidNodeConfig("node.toml: two nodes have the same index", "each validator has its own, from genesis")
    if (config.rpc.certificate is None) != (config.rpc.key is None):
        raise InvalidNodeConfig("node.toml: [rpc] names a certificate or a key alone", "name both, or neither")
    if config.rpc.clients_ca is not None and config.rpc.key is None:
        raise InvalidNodeConfig("node.toml: [rpc] clients_ca needs TLS", "name certificate and key as well")
    if 0 < config.keep_blocks < KEEP_BLOCKS_MIN:
        raise InvalidNodeConfig(
            f"node.toml: keep_blocks is {config.keep_blocks}", f"at least {KEEP_BLOCKS_MIN:,}, or 0 to keep all"
        )
    for text in config.addresses():
        address = parse_address(text)
        if config.dev and not is_loopback(address.host):
            raise NotLoopback(
                f"{text} can be reached from other machines, and this is a development alliance",
                "found a real alliance with `hansa init --org`, or use 127.0.0.1",
            )
