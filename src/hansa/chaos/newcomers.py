"""Nodes that come later: the keys and the folder of an organisation that is invited, and keys that replace others."""

import datetime
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
from cryptography.hazmat.primitives.serialization import Encoding

from hansa import _native
from hansa.alliance.authority import create_authority, issue_node_certificate, load_authority
from hansa.alliance.files import make_private_folder, read_public, write_private, write_public
from hansa.alliance.founding import encode_secret
from hansa.alliance.layout import NodeFolder
from hansa.chaos.alliance import ChaosAlliance
from hansa.chaos.streets import P2P_PORT
from hansa.crypto.suite import KeyPair, generate_key_pair
from hansa.io.key_file import sign_birth
from hansa.io.private_files import read_private
from hansa.io.vote_log_file import create_vote_log
from hansa.node.genesis import decode_genesis
from hansa.types.epoch import EpochNode


@dataclass(frozen=True, slots=True, repr=False)
class Newcomer:
    """An organisation that is to join, with its one node."""

    index: int
    name: str  # of the organisation and of its node
    endpoint: str  # where all others find it
    pair: KeyPair  # of the node; its account votes for the organisation as well
    authority_der: bytes
    authority_pem: str
    certificate: bytes  # SHA-256


@dataclass(frozen=True, slots=True, repr=False)
class NextKeys:
    """Keys of a node for the next epoch."""

    pair: KeyPair
    certificate: bytes  # SHA-256


def make_newcomer(alliance: ChaosAlliance, index: int) -> Newcomer:
    """Make the keys of an organisation that is to join, and what of its node's folder needs nobody's consent."""
    place = alliance.identity.index(index)
    name, folder = alliance.nodes[place].name, alliance.nodes[place].folder
    now = datetime.datetime.now(datetime.UTC)
    authority = create_authority(name, alliance.description.name, now)
    certificate = issue_node_certificate(authority, name, alliance.streets.home(place), alliance.description.name, now)
    pair = generate_key_pair()
    make_private_folder(folder.root)
    write_private(folder.tls_key, certificate.key_pem)
    write_public(folder.tls_certificate, certificate.certificate_pem)
    write_private(folder.consensus_key, encode_secret(pair.secret))
    write_public(folder.genesis, alliance.nodes[0].folder.genesis.read_bytes())
    der = authority.certificate.public_bytes(Encoding.DER)
    endpoint = f"{alliance.streets.guest(index)}:{P2P_PORT}"
    return Newcomer(index, name, endpoint, pair, der, authority.certificate_pem.decode(), certificate.fingerprint)


def install_newcomer(alliance: ChaosAlliance, newcomer: Newcomer, epoch: int, first_height: int) -> None:
    """Write what a node needs that has joined: who was there in its first epoch, and its vote log."""
    folder = alliance.nodes[alliance.identity.index(newcomer.index)].folder
    genesis = folder.genesis.read_bytes()
    known = decode_genesis(genesis).epoch()
    own = EpochNode(
        newcomer.index, newcomer.name, newcomer.name, newcomer.pair.public, newcomer.pair.address,
        newcomer.certificate, newcomer.authority_pem, newcomer.endpoint, 0,
    )  # fmt: skip
    facts = msgspec.structs.replace(known, number=epoch, first_height=first_height, nodes=(*known.nodes, own))
    write_public(folder.members, msgspec.json.encode(facts) + b"\n")
    create_vote_log(folder.votes, sign_birth(newcomer.pair, _native.genesis_hash(genesis), newcomer.index))


def make_next_keys(alliance: ChaosAlliance, index: int, folders: Sequence[NodeFolder]) -> NextKeys:
    """Make a consensus key and a certificate for a node's next epoch, and lay them beside those in force.

    Parameters
    ----------
    folders: of all processes that speak as this validator.
    """
    description = alliance.description
    organisation = description.organisations[index]
    name, node = organisation.name, organisation.nodes[0]
    root = alliance.root
    authority = load_authority(name, read_private(root.ca_key(name)), read_public(root.ca_certificate(name)))
    now = datetime.datetime.now(datetime.UTC)
    host = node.listen.rpartition(":")[0]
    certificate = issue_node_certificate(authority, node.name, host, description.name, now)
    pair = generate_key_pair()
    label = pair.address.hex()[:8]
    for folder in folders:
        write_private(folder.next_consensus_key(label), encode_secret(pair.secret))
        write_private(folder.next_tls_key(label), certificate.key_pem)
        write_public(folder.next_tls_certificate(label), certificate.certificate_pem)
    return NextKeys(pair, certificate.fingerprint)
