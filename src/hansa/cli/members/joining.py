"""How an invited organisation's first node joins: its keys, the transaction, its folder, and its way to a vote."""

import contextlib
import datetime
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from hansa.alliance.authority import create_authority, fingerprint_of, issue_node_certificate, load_authority
from hansa.alliance.draft import encode_alliance
from hansa.alliance.errors import FolderTaken
from hansa.alliance.files import make_private_folder, read_public, write_private, write_public
from hansa.alliance.founding import DEV_PASSWORD, encode_secret, load_alliance
from hansa.alliance.layout import AllianceFolder, NodeFolder
from hansa.alliance.membership import prove_key
from hansa.alliance.model import Alliance, Node, Organisation, parse_alliance, split_address
from hansa.alliance.node_config import encode_joined_config
from hansa.cli.errors import NoSuchKey, NotReady, Usage
from hansa.cli.keys import address_in, keystores
from hansa.cli.members.contract import Members
from hansa.cli.members.contract import Node as ContractNode
from hansa.cli.members.invitation import Invitation
from hansa.cli.network import LocalNode, Network
from hansa.cli.setup import genesis_hash_of
from hansa.cli.starting import check_ports
from hansa.crypto.keystore import SCRYPT_LIGHT, SCRYPT_STRONG, decrypt_key, encrypt_key
from hansa.crypto.suite import KeyPair, generate_key_pair, key_pair
from hansa.io.key_file import read_consensus_key, sign_birth
from hansa.io.private_files import read_private
from hansa.io.vote_log_file import create_vote_log
from hansa.sdk.client import Client
from hansa.sdk.errors import InvalidAnswer, NodeUnreachable, RpcFailed

_POLL_S = 0.05


@dataclass(frozen=True, slots=True, repr=False)
class NewNode:
    """A node that joins, with its keys."""

    alliance: Alliance  # with the node in it
    node: Node
    where: NodeFolder
    consensus: KeyPair
    certificate: bytes  # SHA-256
    genesis: bytes  # genesis.json


@dataclass(frozen=True, slots=True, repr=False)
class Guest(NewNode):
    """The first node of an organisation that joins."""

    invitation: Invitation
    voter: KeyPair
    authority_der: bytes


def reach_member(invitation: Invitation, url: str | None = None, token: str | None = None) -> Members:
    """The first of the invitation's nodes that answers and is of its alliance; the one named, if one is.

    Parameters
    ----------
    token: what the node at `url` asks for, if it does; shown to no other.

    Raises
    ------
    NodeUnreachable: none does; the cause says what each of them did.
    """
    wanted = "0x" + genesis_hash_of(invitation.genesis.encode()).hex()
    reasons = []
    for one in invitation.rpc if url is None else (url,):
        client = Client(one, token=None if url is None else token)
        try:
            status = client.call("hansa_status")
        except (NodeUnreachable, InvalidAnswer, RpcFailed) as error:
            reasons.append(f"{one}: {error.cause}")
        else:
            if isinstance(status, dict) and status.get("genesisHash") == wanted:
                return Members(client)
            reasons.append(f"{one}: a node of another alliance")
        client.close()
    raise NodeUnreachable(
        f"no member answers: {'; '.join(reasons) or 'the invitation names none'}",
        "ask the inviting member which JSON-RPC address you can reach: --rpc URL, and --token-file if it asks for one",
    )


def is_begun(invitation: Invitation, root: Path) -> bool:
    """Whether an earlier run made the guest's keys in a folder."""
    return AllianceFolder(root).ca_key(invitation.organisation).exists()


def make_guest(
    invitation: Invitation, root: Path, listen: str | None, rpc_listen: str | None, password: str | None
) -> Guest:
    """Make authority, node and voting keys, and the folder that describes the alliance with its new member.

    What an earlier run made for this alliance is taken as it is.

    Parameters
    ----------
    listen, rpc_listen: where the node listens for nodes and for JSON-RPC.
    password: of the voting key; None in a development alliance.

    Raises
    ------
    FolderTaken: keys are there already, and they are another alliance's, or not all of them.
    InvalidAllianceFile, NotLoopback: an address does not fit the alliance. PortInUse: nobody can listen there.
    Usage: no address was given, or another one than that of the earlier run.
    WrongPassword: it is not that of the earlier run.
    """
    if is_begun(invitation, root):
        return _load_guest(invitation, root, listen, rpc_listen, password)
    name = invitation.organisation
    folder = AllianceFolder(root)
    alliance = parse_alliance(invitation.alliance, "the invitation")
    node = Node(name, *choose_addresses(alliance.dev, listen, rpc_listen))
    joined = Organisation(name, (node,), invitation.role, (name,))
    alliance = msgspec.structs.replace(alliance, organisations=(*alliance.organisations, joined))
    alliance = parse_alliance(encode_alliance(alliance), "the alliance with its new member")
    check_ports(alliance, [name])
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
    write_private(_keystore(folder, name), keystore)
    write_public(folder.genesis, invitation.genesis.encode())
    write_public(folder.description, encode_alliance(alliance).encode())  # the last one: now all are there
    der = authority.certificate.public_bytes(serialization.Encoding.DER)
    genesis = invitation.genesis.encode()
    return Guest(alliance, node, where, consensus, certificate.fingerprint, genesis, invitation, voter, der)


def _load_guest(
    invitation: Invitation, root: Path, listen: str | None, rpc_listen: str | None, password: str | None
) -> Guest:
    name = invitation.organisation
    folder = AllianceFolder(root)
    if not folder.description.exists():
        raise FolderTaken(
            f"{root} holds some keys of {name}, not all", "none was used yet: remove it, or choose another"
        )
    if read_public(folder.genesis) != invitation.genesis.encode():
        raise FolderTaken(f"{root} holds keys of {name} for another alliance", "choose another folder")
    alliance = load_alliance(folder)
    node = alliance.organisation(name).nodes[0]
    for given, known in ((listen, node.listen), (rpc_listen, node.rpc)):
        if given is not None and given != known:
            raise Usage(
                f"{root} was made for {known}, not {given}", "leave the addresses out, or choose another folder"
            )
    where = folder.node(name, node.name)
    authority = load_authority(name, read_private(folder.ca_key(name)), read_public(folder.ca_certificate(name)))
    certificate = x509.load_pem_x509_certificate(read_public(where.tls_certificate))
    voter = decrypt_key(read_private(_keystore(folder, name)), password or DEV_PASSWORD)
    der = authority.certificate.public_bytes(serialization.Encoding.DER)
    consensus = read_consensus_key(where.consensus_key)
    fingerprint, genesis = fingerprint_of(certificate), invitation.genesis.encode()
    return Guest(alliance, node, where, consensus, fingerprint, genesis, invitation, voter, der)


def _keystore(folder: AllianceFolder, name: str) -> Path:
    return folder.users(name) / f"{name}.json"


def find_own(members: Members, new: NewNode) -> ContractNode | None:
    """The node as it will be in the next epoch; None where it did not join yet."""
    for node in members.coming_nodes():
        if node.public_key == new.consensus.public and node.status != "removed":
            return node
    return None


def wait_accepted(members: Members, invitation: Invitation, timeout_s: float) -> str:
    """Wait until the organisations have accepted the invitation; its votes, for people.

    Raises
    ------
    NotReady: they have not in time.
    Usage: it was used already, or it has expired.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        proposal = members.proposal(invitation.proposal)
        if proposal.state == "accepted":
            return f"yes {proposal.votes}/{proposal.needed}"
        if proposal.state == "done":
            raise Usage(f"invitation {proposal.number} was used already", "ask for another one")
        if int(members.client.call("eth_getBlockByNumber", "latest", False)["timestamp"], 16) > proposal.expires_at:
            raise Usage(f"invitation {proposal.number} has expired", "ask the inviting member for another one")
        if time.monotonic() > deadline:
            raise NotReady(
                f"proposal {proposal.number} has {proposal.votes} of {proposal.needed} votes",
                f"the others: hansa proposal approve {proposal.number}; then run this command again",
            )
        time.sleep(_POLL_S)


def send_join(members: Members, guest: Guest) -> int:
    """Complete the invitation; the node's index.

    Raises
    ------
    PortInUse: nobody can listen where the node is to; nothing was sent.
    """
    invitation = guest.invitation
    check_ports(guest.alliance, [guest.node.name])
    proof = prove_key(guest.consensus, guest.node.name, guest.alliance.chain_id)
    events = members.send(
        key_pair(bytes.fromhex(invitation.key[2:])), "join", invitation.proposal, guest.voter.address,
        guest.authority_der, guest.node.name, *proof, guest.certificate, guest.node.listen,
    )  # fmt: skip
    return int(events["Joined"]["node"])


def wait_in_force(members: Members, index: int, statuses: tuple[str, ...], timeout_s: float) -> int:
    """Wait until a node is one of these in force; the epoch since which it is.

    Raises
    ------
    NotReady: it is not in time.
    """
    hint = "do the alliance's nodes run? Once they do, run this command again"
    late = NotReady(f"node {index} is no {statuses[0]} yet", hint)
    return _wait_until(members, index, lambda node: node.status in statuses, timeout_s, late)


def _wait_until(
    members: Members, index: int, is_reached: Callable[[ContractNode], bool], timeout_s: float, late: NotReady
) -> int:
    """Wait for what is in force of a node; the epoch since which it is. Raises `late` after the time."""
    deadline = time.monotonic() + timeout_s
    while True:
        node = members.node(index)
        if node is not None and is_reached(node):
            return node.since
        if time.monotonic() > deadline:
            raise late
        time.sleep(_POLL_S)


def install_joined(members: Members, new: NewNode, index: int) -> None:
    """Write what the node needs beside its keys: genesis.json, the members as they are, its vote log, node.toml.

    Only with the last one the node can run, and from then on nothing here is written anew: it may have voted.
    """
    if new.where.config.exists():
        return
    write_public(new.where.genesis, new.genesis)
    write_public(new.where.members, msgspec.json.encode(members.epoch()) + b"\n")
    with contextlib.suppress(FileExistsError):  # of an earlier run, in which the node did not start
        create_vote_log(new.where.votes, sign_birth(new.consensus, genesis_hash_of(new.genesis), index))
    write_public(new.where.config, encode_joined_config(new.alliance, new.node.name, index).encode())


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


def wait_caught_up(members: Members, own: Client, timeout_s: float) -> tuple[int, float]:
    """Wait until the new node holds what a member held when asked; its height, and the seconds that it took.

    Raises
    ------
    NotReady: it does not in time.
    """
    began = time.monotonic()
    aim = int(members.client.call("eth_blockNumber"), 16)
    while True:
        height = int(own.call("eth_blockNumber"), 16)
        if height >= aim:
            return height, time.monotonic() - began
        if time.monotonic() > began + timeout_s:
            hint = "it goes on by itself; run this command again, and it asks for its vote"
            raise NotReady(f"the node is at block {height} of {aim}", hint)
        time.sleep(_POLL_S)


def wait_ready(own: Client, timeout_s: float) -> None:
    """Wait until the new node, which has caught up, can vote as soon as it may: among few validators nothing goes on
    without it. That it says to be syncing is no reason to wait: one member that claims blocks which are not there
    could keep every newcomer from its vote.

    Raises
    ------
    NotReady: it cannot in time.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        status = own.call("hansa_status")
        why = status["halted"] or status["quarantine"]
        if why is None:
            return
        if time.monotonic() > deadline:
            raise NotReady(f"the node is not ready for a vote: {why}", "hansa doctor says more; run this command again")
        time.sleep(_POLL_S)


def wait_voting(own: Client, timeout_s: float) -> int:
    """Wait until the node votes; the first block that it may vote for.

    Raises
    ------
    NotReady: it does not in time.
    """
    deadline = time.monotonic() + timeout_s
    while not own.call("hansa_status")["voting"]:
        if time.monotonic() > deadline:
            raise NotReady("the node does not vote yet", "hansa doctor says why")
        time.sleep(_POLL_S)
    return int(own.call("eth_blockNumber"), 16) + 1


@dataclass(frozen=True, slots=True, repr=False)
class NextKeys:
    """Keys of a node for the next epoch; they lie beside those in force, and the node takes them when it begins."""

    pair: KeyPair
    certificate: bytes  # SHA-256


def voter_of(network: Network, members: Members, organisation: str) -> str:
    """The name of the keystore here that votes for an organisation.

    Raises
    ------
    NoSuchKey: its voting account is not here.
    """
    account = members.organisation(organisation).account
    for name, path in keystores(network.folder).items():
        if address_in(path) == bytes.fromhex(account.removeprefix("0x")):
            return name
    raise NoSuchKey(f"{account}, which votes for {organisation}, is not here", "say who votes for it: --as NAME")


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
    late = NotReady("the epoch has not ended yet", "the new keys stay beside the old ones: hansa org list")
    return _wait_until(members, index, lambda node: node.public_key == public_key, timeout_s, late)
