"""A second node for a validator: its key and votes move to a signer that both nodes share."""

import errno
import json
import os
import re
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import msgspec

from hansa.alliance.errors import InvalidAllianceFile, NoSuchMember
from hansa.alliance.files import (
    make_private_folder,
    read_public,
    read_text,
    sync_path,
    write_private,
    write_public,
)
from hansa.alliance.layout import AllianceFolder, NodeFolder
from hansa.alliance.model import Alliance, Node, split_address
from hansa.alliance.node_config import encode_signer_config
from hansa.alliance.strict_toml import decode_toml
from hansa.io.key_file import load_consensus_key
from hansa.io.private_files import read_private
from hansa.io.tls import open_own_tls
from hansa.node.config import NodeConfig, SharedSigner, load_node_config, parse_address
from hansa.node.errors import InvalidNodeConfig
from hansa.node.genesis import decode_genesis
from hansa.node.signing.client import SignerClient
from hansa.node.signing.errors import AlreadyPaired, CannotPair, NotPaired, TakeoverPending
from hansa.node.signing.wire import ALPN_PROTOCOL, State

PORT_STEP = 1_000  # from a node's own ports to those of its standby and signer, unless others are named
_POLL_S = 0.05


@dataclass(frozen=True, slots=True)
class Places:
    """Where the standby listens, and the signer."""

    standby: Node
    signer: str  # host:port


def choose_places(
    alliance: Alliance, name: str, listen: str | None, rpc: str | None, ws: str | None, signer: str | None
) -> Places:
    """Addresses for a standby and a signer: those given, else the node's host and ports of their own.

    Raises
    ------
    NoSuchMember: the alliance has no such node.
    """
    found = next((node for _, node in alliance.nodes() if node.name == name), None)
    if found is None:
        raise NoSuchMember(f"no node {name!r} is in the alliance", "hansa ps lists them")
    standby = Node(name, listen or _beside(found.listen), rpc or _beside(found.rpc), ws or _beside(found.ws))
    return Places(standby, signer or _beside(found.listen, 2 * PORT_STEP))


def _beside(address: str, step: int = PORT_STEP) -> str:
    host, port = split_address(address)
    return f"[{host}]:{port + step}" if ":" in host else f"{host}:{port + step}"


def make_standby(
    folder: AllianceFolder, alliance: Alliance, organisation: str, name: str, places: Places
) -> tuple[NodeFolder, NodeFolder]:
    """Write the folders of a stopped node's standby and signer, and have the node use the signer; returns both.

    Key and votes are moved, never copied, the key first: whatever happens in between, at most one process can sign,
    and none before all is done. Doing it again goes on where it ended. The node's own settings stay as they are, and
    the standby gets the same.

    Raises
    ------
    AlreadyPaired: it has a standby. CannotPair: its key is not the one that genesis names, or its votes are not there.
    InvalidNodeConfig: its node.toml is written in a way that cannot be changed without rewriting it.
    """
    node = folder.node(organisation, name)
    config = load_node_config(node)
    if config.signer is not None:
        raise AlreadyPaired(f"{name} has a standby already", f"see {folder.standby(organisation, name).root}")
    _check_key(node, config.index)
    signer = folder.signer(organisation, name)
    standby = folder.standby(organisation, name)
    votes = node.root / config.data / "votes"
    _check_votes(votes, signer.votes)
    active_text = _active_text(node, config, places)
    standby_text = _standby_text(node, config, places)
    for place in (signer, standby):
        _copy_identity(node, place)
    _copy_rpc_files(config, node, standby)
    write_public(signer.signer_config, encode_signer_config(alliance, name, config.index, places.signer).encode())
    if node.consensus_key.exists():
        if not signer.consensus_key.exists():
            write_private(signer.consensus_key, read_private(node.consensus_key))
        node.consensus_key.unlink()
    if not _holds_votes(signer.votes):
        _move_votes(votes, signer.votes)
    write_public(standby.config, standby_text.encode())
    write_public(node.config, active_text.encode())
    return standby, signer


def _holds_votes(folder: Path) -> bool:
    return any(folder.glob("*.seg"))


def _check_votes(votes: Path, of_signer: Path) -> None:
    """They lie with the node or, if this was interrupted, with the signer; never with both."""
    if _holds_votes(votes) == _holds_votes(of_signer):
        raise CannotPair(
            f"votes lie in {votes} and in {of_signer}" if _holds_votes(votes) else f"no votes lie in {votes}",
            "is `data` in node.toml right? A signer without the votes could contradict them",
        )


def _move_votes(source: Path, target: Path) -> None:
    """Put the vote log in place under its name at once, on whichever disk it is to lie."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.exists():
        target.rmdir()
    try:
        os.rename(source, target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        incoming = target.with_name(".votes.partial")
        shutil.rmtree(incoming, ignore_errors=True)
        shutil.copytree(source, incoming)
        for path in [*incoming.iterdir(), incoming]:
            sync_path(path)
        os.rename(incoming, target)
        sync_path(target.parent)
        shutil.rmtree(source)
    sync_path(target.parent)
    sync_path(source.parent)


def _active_text(node: NodeFolder, config: NodeConfig, places: Places) -> str:
    signer = SharedSigner(places.signer, places.standby.listen)
    return _edited(read_text(node.config), {}, msgspec.structs.replace(config, signer=signer))


def _standby_text(node: NodeFolder, config: NodeConfig, places: Places) -> str:
    """The node's settings, but addresses and a ledger of its own."""
    own = {"listen": places.standby.listen, "rpc_listen": places.standby.rpc}
    if config.ws_listen is not None:
        own["ws_listen"] = places.standby.ws
    if config.data != "data":
        own["data"] = "data"
    wanted = msgspec.structs.replace(config, signer=SharedSigner(places.signer, config.listen), **own)
    return _edited(read_text(node.config), own, wanted)


def _edited(text: str, changes: dict[str, str], wanted: NodeConfig) -> str:
    """The file with other values for some keys of its first table, and with `[signer]`; all else to the letter."""
    found = re.search(r"(?m)^\s*\[", text)
    head, rest = (text, "") if found is None else (text[: found.start()], text[found.start() :])
    for key, value in changes.items():
        line = f"{key} = {json.dumps(value)}"  # an address or a name: no backslash
        head = re.sub(rf"(?m)^[ \t]*{key}[ \t]*=.*$", line, head, count=1)
    assert wanted.signer is not None
    table = f'[signer]\naddress = "{wanted.signer.address}"\nother = "{wanted.signer.other}"\n'
    edited = f"{(head + rest).rstrip()}\n\n{table}"
    try:
        is_right = decode_toml(edited, NodeConfig, "node.toml") == wanted
    except InvalidAllianceFile:
        is_right = False
    if not is_right:
        raise InvalidNodeConfig(
            "node.toml cannot be given a [signer] as it is written",
            "write each setting on a line of its own, the tables below them; nothing was changed",
        )
    return edited


def _check_key(node: NodeFolder, index: int) -> None:
    """The signer knows one key, for all epochs."""
    known = decode_genesis(read_public(node.genesis)).public_keys()
    if index >= len(known) or any(node.root.glob("consensus-*.key")):
        raise CannotPair(
            "a signer serves validators that stand in genesis and have the key they began with",
            "run this validator on one node",
        )
    if node.consensus_key.exists():
        load_consensus_key(node.consensus_key, known[index])


def _copy_identity(source: NodeFolder, target: NodeFolder) -> None:
    make_private_folder(target.root)
    if not target.tls_key.exists():
        write_private(target.tls_key, read_private(source.tls_key))
    for name in ("tls.crt", "genesis.json", "ca-bundle.pem"):
        write_public(target.root / name, read_public(source.root / name))


def _copy_rpc_files(config: NodeConfig, source: NodeFolder, target: NodeFolder) -> None:
    """What `[rpc]` names beside node.toml: the standby serves whom the node serves. Absolute paths stay the same."""
    rpc = config.rpc
    for name in (rpc.token_file, rpc.key):
        if name is not None and not (target.root / name).exists():
            write_private(target.root / name, read_private(source.root / name))
    for name in (rpc.certificate, rpc.clients_ca):
        if name is not None and not (target.root / name).exists():
            write_public(target.root / name, read_public(source.root / name))


def open_signer_client(folder: NodeFolder) -> SignerClient:
    """A connection to the signer of a node's validator.

    Raises
    ------
    NotPaired: the validator has one node only. SignerUnreachable: the signer does not answer.
    """
    config = load_node_config(folder)
    if config.signer is None:
        raise NotPaired(f"{config.name} has no standby", f"hansa node standby {config.name}")
    tls = open_own_tls(folder.tls_certificate, folder.tls_key, ALPN_PROTOCOL)
    return SignerClient(parse_address(config.signer.address), tls.client, tls.certificate)


def take_over(client: SignerClient, timeout_s: float) -> tuple[State, State, float]:
    """Have the node that waits take over; the states before and after, and the seconds between.

    Raises
    ------
    NoStandbyWaits: nobody waits. TakeoverPending: it did not happen in time. RightLost: the signer went away.
    """
    before = client.look()
    began = time.monotonic()
    client.ask_takeover()
    while time.monotonic() < began + timeout_s:
        after = client.look()
        if after.number > before.number and after.holder is not None:
            return before, after, time.monotonic() - began
        time.sleep(_POLL_S)
    raise TakeoverPending(
        f"{before.holder} did not pass the right to sign on within {timeout_s:.0f} s", "hansa doctor, on both nodes"
    )
