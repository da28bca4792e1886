"""Epochs as the node reads them from the membership contract, and whom links may lead to in them."""

import logging
import ssl
from typing import TYPE_CHECKING

import msgspec

from hansa.alliance.authority import check_authority_certificate
from hansa.alliance.errors import InvalidAllianceFile, InvalidPublicPart, NoAlliance
from hansa.alliance.files import read_public, write_public
from hansa.alliance.layout import NodeFolder
from hansa.io.errors import UnusableCertificate
from hansa.io.link import Address
from hansa.io.tls import Member, check_trustable
from hansa.node.config import NodeConfig, parse_address
from hansa.node.errors import InvalidNodeConfig
from hansa.node.genesis import Genesis
from hansa.types.epoch import EpochFacts, EpochNode

if TYPE_CHECKING:
    from hansa._native import Chain

log = logging.getLogger("hansa.node")


def read_epoch(chain: "Chain", order_hash: bytes) -> EpochFacts | None:
    """What is in force above the sealed head or an executed block; None where genesis names no membership contract."""
    found = chain.epoch_facts(order_hash)
    if found is None:
        return None
    number, first_height, rows, view_timeout_ms, block_interval_ms, protocol = found
    nodes = tuple(
        EpochNode(
            index, name, organisation, public, account, fingerprint, ssl.DER_cert_to_PEM_cert(authority), address,
            weight, is_linked,
        )
        for index, (
            name, organisation, public, account, fingerprint, authority, address, weight, is_linked,
        ) in enumerate(rows)
    )  # fmt: skip
    return EpochFacts(number, first_height, nodes, view_timeout_ms, block_interval_ms, protocol)


def read_boundary(chain: "Chain", height: int, order_hash: bytes) -> tuple[int | None, EpochFacts | None]:
    """The end of the epoch of a block, if one is known after it; at the end itself also the next epoch."""
    end = chain.epoch_end(order_hash)
    return end, read_epoch(chain, order_hash) if end == height else None


def read_known(folder: NodeFolder) -> EpochFacts | None:
    """Who was in the alliance when this node joined it; None for the nodes of genesis.

    Raises
    ------
    InvalidNodeConfig: the file is damaged.
    """
    if not folder.members.exists():
        return None
    try:
        return msgspec.json.decode(read_public(folder.members), type=EpochFacts)
    except msgspec.DecodeError as error:
        raise InvalidNodeConfig(f"{folder.members}: {error}", "restore it from your backup") from None


class NotedEpoch(msgspec.Struct, frozen=True):
    """What `epoch.json` holds."""

    genesis_hash: bytes  # 32 bytes: of which chain
    epoch: EpochFacts


def read_latest(folder: NodeFolder, genesis: Genesis, genesis_hash: bytes) -> EpochFacts:
    """The latest epoch of which a node's folder knows, without its ledger.

    Raises
    ------
    InvalidNodeConfig: genesis.json or members.json is damaged.
    """
    found = (genesis.epoch(), read_known(folder), read_noted(folder, genesis_hash))
    return max((facts for facts in found if facts is not None), key=lambda facts: facts.number)


def read_noted(folder: NodeFolder, genesis_hash: bytes) -> EpochFacts | None:
    """The epoch that was noted last; None where none of this chain can be read: the node notes the next one anew."""
    try:
        noted = msgspec.json.decode(read_public(folder.epoch), type=NotedEpoch)
    except (NoAlliance, InvalidAllianceFile, OSError, msgspec.DecodeError):
        return None
    return noted.epoch if noted.genesis_hash == genesis_hash else None


def note_epoch(folder: NodeFolder, facts: EpochFacts, genesis_hash: bytes) -> None:
    """Note the epoch in which a node is, unless a later one is noted. Where it cannot be written, the node goes on."""
    kept = read_noted(folder, genesis_hash)
    if kept is not None and kept.number >= facts.number:
        return
    try:
        write_public(folder.epoch, msgspec.json.encode(NotedEpoch(genesis_hash, facts)) + b"\n")
    except OSError as error:
        log.warning("cannot note epoch %d in %s: %s", facts.number, folder.epoch, error.strerror)


def members_of(epoch: EpochFacts) -> list[Member]:
    """The nodes that may hold links, as TLS knows them; one whose authority is no use has none."""
    members: list[Member] = []
    for node in epoch.nodes:
        if not node.is_linked:
            continue
        try:
            check_authority_certificate(node.organisation, node.ca_certificate_pem)
            check_trustable(node.ca_certificate_pem)
        except (InvalidPublicPart, UnusableCertificate) as error:
            log.warning("node %s can have no links: %s", node.name, error.cause, extra={"code": error.code})
            continue
        members.append(Member(node.index, node.name, node.organisation, node.ca_certificate_pem, node.tls_fingerprint))
    return members


def peers_of(epoch: EpochFacts, config: NodeConfig) -> dict[int, Address]:
    """Where the other nodes of an epoch are reached: node.toml says it, else the contract."""
    addresses = config.peer_addresses()
    for member in members_of(epoch):
        if member.index == config.index or member.index in addresses:
            continue
        try:
            addresses[member.index] = parse_address(epoch.nodes[member.index].address)
        except InvalidNodeConfig as error:
            log.warning("node %s cannot be reached: %s", member.name, error.cause, extra={"code": error.code})
    linked = {member.index for member in members_of(epoch)}
    return {index: address for index, address in sorted(addresses.items()) if index in linked}
