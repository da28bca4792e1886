"""Founding with the disk in hand: what `hansa init`, `hansa genesis` and `hansa up` do."""

import datetime
import os
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import msgspec

from hansa import _native
from hansa.alliance.chain_id import check_chain_id, draw_chain_id
from hansa.alliance.draft import draft_alliance, encode_alliance
from hansa.alliance.errors import FolderTaken, InvalidPublicPart, NoAlliance
from hansa.alliance.files import read_public, write_public
from hansa.alliance.founding import (
    found_organisation,
    install_nodes,
    load_genesis,
    load_parts,
    local_organisations,
    write_dev_users,
)
from hansa.alliance.genesis import assemble_genesis
from hansa.alliance.layout import AllianceFolder, NodeFolder
from hansa.alliance.model import Alliance, Organisation, parse_alliance
from hansa.alliance.public_part import PublicPart, decode_public_part, encode_public_part
from hansa.io.key_file import load_consensus_key, sign_birth
from hansa.io.vote_log_file import create_vote_log
from hansa.node.genesis import decode_genesis


@dataclass(frozen=True, slots=True)
class Founded:
    """What was made, for people."""

    alliance: Alliance
    folder: Path
    seconds: float

    def summary(self) -> str:
        """One line: how many of what."""
        nodes = len(self.alliance.nodes())
        users = sum(len(organisation.users) for organisation in self.alliance.organisations)
        organisations = len(self.alliance.organisations)
        return f"{organisations} CAs, {nodes} node keys, {users} user keys (dev only)"


def describe_alliance(name: str, chain_id: int | None, dev: bool, orgs: str = "", port: int | None = None) -> Alliance:
    """A new alliance from what the command line was given.

    Parameters
    ----------
    chain_id: None draws a private one. orgs: names separated by commas, "" = the demo's four.

    Raises
    ------
    PublicChainId, InvalidAllianceFile: what was given does not hold.
    """
    if chain_id is None:
        chain_id = draw_chain_id()
    check_chain_id(chain_id, dev)
    names = tuple(part.strip() for part in orgs.split(",") if part.strip())
    alliance = draft_alliance(name, chain_id, round(time.time() * 1_000), dev, names, port)
    return parse_alliance(encode_alliance(alliance), "command line")


def found_alliance(folder: AllianceFolder, alliance: Alliance) -> Founded:
    """Make all organisations' keys at once, and genesis: a development alliance.

    A new folder appears whole or not at all, whatever interrupts this.

    Raises
    ------
    PublicChainId: the chain id is a public network's.
    FolderTaken: keys are there already.
    """
    began = time.monotonic()
    check_chain_id(alliance.chain_id, alliance.dev)
    taken = local_organisations(folder, alliance)
    if taken:
        raise FolderTaken(f"{folder.root} holds the keys of {taken[0].name} already", "choose another folder with -d")
    if folder.root.exists():
        _found_in(folder, alliance)
        return Founded(alliance, folder.root, time.monotonic() - began)
    unfinished = folder.root.absolute().with_name(f".{folder.root.name}.{os.getpid()}.founding")
    try:
        _found_in(AllianceFolder(unfinished), alliance)
        unfinished.rename(folder.root)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return Founded(alliance, folder.root, time.monotonic() - began)


def _found_in(folder: AllianceFolder, alliance: Alliance) -> None:
    accounts = write_dev_users(folder, alliance)
    now = datetime.datetime.now(datetime.UTC)
    for organisation in alliance.organisations:
        found_organisation(folder, alliance, organisation.name, accounts.get(organisation.name, []), now)
    genesis = assemble_genesis(load_parts(folder))
    write_public(folder.genesis, genesis)
    for organisation in alliance.organisations:
        install(folder, alliance, genesis, organisation)
    if not folder.description.exists():
        write_public(folder.description, encode_alliance(alliance).encode())


def collect_parts(folder: AllianceFolder, files: list[Path]) -> list[PublicPart]:
    """The parts named, and those in the folder already; the named ones are kept in the folder.

    Raises
    ------
    InvalidPublicPart: one does not hold.
    NoAlliance: a file does not exist.
    """
    for file in files:
        part = decode_public_part(read_public(file), str(file))
        write_public(folder.part(part.organisation), encode_public_part(part))
    return load_parts(folder)


def install(folder: AllianceFolder, alliance: Alliance, genesis: bytes, organisation: Organisation) -> None:
    """Set up an organisation's nodes for a genesis: node.toml, and the birth records of their vote logs.

    Doing it again for the same genesis only writes node.toml anew, say after an address changed: a vote log that was
    lost meanwhile is not born a second time, since that would hide the loss (rules 1.13).

    Raises
    ------
    FolderTaken: a node was born for another genesis; nothing was changed.
    UnusableKeyFile: a consensus key is not the one that genesis knows, or others can read it.
    """
    alliance = as_founded(alliance, genesis)
    organisation = alliance.organisation(organisation.name)
    unborn: list[tuple[int, NodeFolder]] = []
    for index, (owner, node) in enumerate(alliance.nodes()):
        where = folder.node(owner.name, node.name)
        if owner.name != organisation.name:
            continue
        if any(where.votes.glob("*.seg")) or where.genesis.exists():
            is_same = where.genesis.exists() and read_public(where.genesis) == genesis
        else:
            is_same = True
            unborn.append((index, where))
        if not is_same:
            raise FolderTaken(f"{where.root} was set up for another genesis", "found a new alliance, with new keys")
    genesis_hash = genesis_hash_of(genesis)
    public_keys = decode_genesis(genesis).public_keys()
    install_nodes(folder, alliance, genesis, organisation)
    for index, where in unborn:
        pair = load_consensus_key(where.consensus_key, public_keys[index])
        create_vote_log(where.votes, sign_birth(pair, genesis_hash, index))


def as_founded(alliance: Alliance, genesis: bytes) -> Alliance:
    """An alliance without the nodes that joined after genesis: the place of each node is its index."""
    names = {validator.name for validator in decode_genesis(genesis).validators}
    founders = [
        msgspec.structs.replace(one, nodes=tuple(node for node in one.nodes if node.name in names))
        for one in alliance.organisations
    ]
    return msgspec.structs.replace(alliance, organisations=tuple(one for one in founders if one.nodes))


def genesis_hash_of(genesis: bytes) -> bytes:
    """The hash of the first block's header; 32 bytes. It binds everything in genesis.json.

    Raises
    ------
    InvalidPublicPart: the chain finds it malformed.
    """
    try:
        return _native.genesis_hash(genesis)
    except _native.NativeError as error:
        _, message, hint = error.args
        raise InvalidPublicPart(f"genesis.json does not hold: {message}", hint) from None


def load_founded(folder: AllianceFolder, alliance: Alliance) -> tuple[bytes, list[Organisation]]:
    """genesis.json and the organisations whose keys lie here.

    Raises
    ------
    NoAlliance: no genesis yet, or no organisation's keys.
    """
    organisations = local_organisations(folder, alliance)
    if not organisations:
        raise NoAlliance(f"{folder.root} holds no organisation's keys", "hansa init --org NAME first")
    return load_genesis(folder), organisations
