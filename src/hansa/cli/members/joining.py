"""How an invited organisation's first node joins: its keys, the transaction, its folder, and its way to a vote."""

import datetime
import socket
import time
from dataclasses import dataclass
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives import serialization

from hansa.alliance.authority import create_authority, issue_node_certificate, load_authority
from hansa.alliance.draft import encode_alliance
from hansa.alliance.errors import FolderTaken
from hansa.alliance.files import make_private_folder, read_public, write_private, write_public
from hansa.alliance.founding import DEV_PASSWORD, encode_secret
from hansa.alliance.layout import AllianceFolder, NodeFolder
from hansa.alliance.membership import prove_key
from hansa.alliance.model import Alliance, Node, Organisation, parse_alliance, split_address
from hansa.alliance.node_config import encode_joined_config
from hansa.cli.errors import NoSuchKey, NotReady, Usage
from hansa.cli.members.contract import Members
from hansa.cli.members.contract import Node as ContractNode
from hansa.cli.members.invitation import Invitation
from hansa.cli.network import LocalNode, Network
from hansa.cli.setup import genesis_hash_of
from hansa.crypto.keystore import SCRYPT_LIGHT, SCRYPT_STRONG, encrypt_key
from hansa.crypto.suite import KeyPair, generate_key_pair, key_pair
from hansa.io.key_file import sign_birth
from hansa.io.private_files import read_private
from hansa.io.vote_log_file import create_vote_log
from hansa.sdk.client import Client
from hansa.sdk.errors import NodeUnreachable

_POLL_S = 0.05


@dataclass(frozen=True, slots=True, repr=False)
class Guest:
    """The organisation that joins, with the keys that were just made."""

    invitation: Invitation
    alliance: Alliance  # with the organisation in it
    folder: AllianceFolder
    node: Node
    where: NodeFolder
    consensus: KeyPair
    voter: KeyPair
    authority_der: bytes
    certificate: bytes  # SHA-256


def reach_member(invitation: Invitation) -> Members:
    """The first of the invitation's nodes that answers.

    Raises
    ------
    NodeUnreachable: none does.
    """
    for url in invitation.rpc:
        client = Client(url)
        try:
            client.call("eth_chainId")
        except NodeUnreachable:
            continue
        return Members(client)
    raise NodeUnreachable(
        f"no member answers at {', '.join(invitation.rpc)}", "ask the inviting member for its address"
    )


def make_guest(invitation: Invitation, root: Path, addresses: tuple[str, str, str], password: str | None) -> Guest:
    """Make authority, node and voting keys, and the folder that describes the alliance with its new member.

    Parameters
    ----------
    addresses: where the node listens for nodes, for JSON-RPC, and for JSON-RPC over WebSocket alone.
    password: of the voting key; None in a development alliance.

    Raises
    ------
    FolderTaken: keys are there already.
    InvalidAllianceFile, NotLoopback: an address does not fit the alliance.
    """
    name = invitation.organisation
    folder = AllianceFolder(root)
    if folder.ca_key(name).exists():
        raise FolderTaken(f"{name} has its keys in {root} already", "they are never replaced: choose another folder")
    alliance = parse_alliance(invitation.alliance, "the invitation")
    node = Node(name, *addresses)
    joined = Organisation(name, (node,), invitation.role, (name,))
    alliance = msgspec.structs.replace(alliance, organisations=(*alliance.organisations, joined))
    alliance = parse_alliance(encode_alliance(alliance), "the alliance with its new member")
    now = datetime.datetime.now(datetime.UTC)
    authority = create_authority(name, alliance.name, now)
    certificate = issue_node_certificate(authority, name, split_address(node.listen)[0], alliance.name, now)
    consensus, voter = generate_key_pair(), generate_key_pair()
    where = folder.node(name, name)
    make_private_folder(folder.organisation(name))
    make_private_folder(where.root)
    write_private(folder.ca_key(name), authority.key_pem)
    write_public(folder.ca_certificate(name), authority.certificate_pem)
    write_private(where.tls_key, certificate.key_pem)
    write_public(where.tls_certificate, certificate.certificate_pem)
    write_private(where.consensus_key, encode_secret(consensus.secret))
    keystore = encrypt_key(voter.secret, password or DEV_PASSWORD, SCRYPT_STRONG if password else SCRYPT_LIGHT)
    write_private(folder.users(name) / f"{name}.json", keystore)
    write_public(folder.genesis, invitation.genesis.encode())
    write_public(folder.description, encode_alliance(alliance).encode())
    der = authority.certificate.public_bytes(serialization.Encoding.DER)
    return Guest(invitation, alliance, folder, node, where, consensus, voter, der, certificate.fingerprint)


def wait_accepted(members: Members, invitation: Invitation, timeout_s: float) -> str:
    """Wait until the organisations have accepted the invitation; its votes, for people.

    Raises
    ------
    NotReady: they have not in time.
    Usage: it was used already.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        proposal = members.proposal(invitation.proposal)
        if proposal.state == "accepted":
            return f"yes {proposal.votes}/{proposal.needed}"
        if proposal.state == "done":
            raise Usage(f"invitation {proposal.number} was used already", "ask for another one")
        if time.monotonic() > deadline:
            raise NotReady(
                f"proposal {proposal.number} has {proposal.votes} of {proposal.needed} votes",
                f"the others: hansa proposal approve {proposal.number}",
            )
        time.sleep(_POLL_S)


def send_join(members: Members, guest: Guest) -> int:
    """Complete the invitation; the node's index."""
    invitation = guest.invitation
    proof = prove_key(guest.consensus, guest.node.name, guest.alliance.chain_id)
    events = members.send(
        key_pair(bytes.fromhex(invitation.key[2:])), "join", invitation.proposal, guest.voter.address,
        guest.authority_der, guest.node.name, *proof, guest.certificate, guest.node.listen,
    )  # fmt: skip
    return int(events["Joined"]["node"])


def wait_in_force(members: Members, index: int, status: str, timeout_s: float) -> int:
    """Wait until a node is that in force; the epoch since which it is.

    Raises
    ------
    NotReady: it is not in time.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        node = members.node(index)
        if node is not None and node.status == status:
            return node.since
        if time.monotonic() > deadline:
            raise NotReady(f"node {index} is no {status} yet", "do the alliance's nodes run? hansa status")
        time.sleep(_POLL_S)


def install_joined(members: Members, guest: Guest, index: int) -> None:
    """Write what the node needs beside its keys: node.toml, genesis.json, the members as they are, its vote log."""
    genesis = guest.invitation.genesis.encode()
    write_public(guest.where.genesis, genesis)
    write_public(guest.where.members, msgspec.json.encode(members.epoch()) + b"\n")
    write_public(guest.where.config, encode_joined_config(guest.alliance, guest.node.name, index).encode())
    create_vote_log(guest.where.votes, sign_birth(guest.consensus, genesis_hash_of(genesis), index))


def is_dev(invitation: Invitation) -> bool:
    """Whether the alliance is a development alliance."""
    return parse_alliance(invitation.alliance, "the invitation").dev


def choose_addresses(is_development: bool, listen: str | None, rpc: str | None) -> tuple[str, str, str]:
    """Where the node listens for nodes, for JSON-RPC, and for JSON-RPC over WebSocket alone.

    Raises
    ------
    Usage: no address was given, and only a development alliance takes free ports of this machine.
    """
    if listen is None or rpc is None:
        if not is_development:
            raise Usage("the others must reach this node", "--listen HOST:PORT --rpc-listen HOST:PORT")
        first, second, third = (f"127.0.0.1:{port}" for port in free_ports(3))
        return listen or first, rpc or second, third
    host, port = split_address(rpc)
    return listen, rpc, f"{host}:{port + 1}"


def free_ports(count: int) -> list[int]:
    """Ports of this machine that nobody listens on now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(one.getsockname()[1]) for one in sockets]
    for one in sockets:
        one.close()
    return ports


def wait_caught_up(members: Members, rpc: str, timeout_s: float) -> tuple[int, float]:
    """Wait until the new node holds what a member held when asked; its height, and the seconds that it took.

    Raises
    ------
    NotReady: it does not in time.
    """
    began = time.monotonic()
    aim = int(members.client.call("eth_blockNumber"), 16)
    with Client(rpc) as client:
        while True:
            height = int(client.call("eth_blockNumber"), 16)
            if height >= aim:
                return height, time.monotonic() - began
            if time.monotonic() > began + timeout_s:
                raise NotReady(f"the node is at block {height} of {aim}", "it goes on by itself: hansa status")
            time.sleep(_POLL_S)


def wait_voting(rpc: str, timeout_s: float) -> int:
    """Wait until the node votes; the first block that it may vote for.

    Raises
    ------
    NotReady: it does not in time.
    """
    deadline = time.monotonic() + timeout_s
    with Client(rpc) as client:
        while not client.call("hansa_status")["voting"]:
            if time.monotonic() > deadline:
                raise NotReady("the node does not vote yet", "hansa doctor says why")
            time.sleep(_POLL_S)
        return int(client.call("eth_blockNumber"), 16) + 1


@dataclass(frozen=True, slots=True, repr=False)
class NextKeys:
    """Keys of a node for the next epoch; they lie beside those in force, and the node takes them when it begins."""

    pair: KeyPair
    certificate: bytes  # SHA-256


def voter_of(network: Network, organisation: str) -> str:
    """The name of the keystore that votes for an organisation of this folder: its first user.

    Raises
    ------
    NoSuchKey: no user of it is known here.
    """
    users = network.alliance.organisation(organisation).users
    if not users:
        raise NoSuchKey(f"no user of {organisation} is known here", "say who votes for it: --as NAME")
    return users[0]


def make_next_keys(network: Network, node: LocalNode, current: ContractNode) -> NextKeys:
    """Make a consensus key and a TLS certificate for a node, signed by its organisation's authority here.

    Raises
    ------
    UnusableKeyFile: the authority's key is not here.
    """
    authority = load_authority(
        node.organisation,
        read_private(network.folder.ca_key(node.organisation)),
        read_public(network.folder.ca_certificate(node.organisation)),
    )
    host, _ = split_address(current.endpoint)
    now = datetime.datetime.now(datetime.UTC)
    certificate = issue_node_certificate(authority, node.name, host, network.alliance.name, now)
    pair = generate_key_pair()
    label = pair.address.hex()[:8]
    write_private(node.folder.next_consensus_key(label), encode_secret(pair.secret))
    write_private(node.folder.next_tls_key(label), certificate.key_pem)
    write_public(node.folder.next_tls_certificate(label), certificate.certificate_pem)
    return NextKeys(pair, certificate.fingerprint)


def send_rotation(members: Members, voter: KeyPair, node: ContractNode, fresh: NextKeys, chain_id: int) -> None:
    """Tell the alliance the new keys."""
    members.send(voter, "rotate", node.index, *prove_key(fresh.pair, node.name, chain_id), fresh.certificate)


def wait_rotated(members: Members, index: int, public_key: bytes, timeout_s: float) -> int:
    """Wait until a node's new key is in force; since which epoch.

    Raises
    ------
    NotReady: it is not in time.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        node = members.node(index)
        if node is not None and node.public_key == public_key:
            return node.since
        if time.monotonic() > deadline:
            raise NotReady("the epoch has not ended yet", "the new keys stay beside the old ones: hansa org list")
        time.sleep(_POLL_S)
