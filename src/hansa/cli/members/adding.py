"""How an organisation adds another node of its own: its keys, signed by the authority here, and its folder."""

import datetime

import msgspec
from cryptography import x509

from hansa.alliance.authority import fingerprint_of, issue_node_certificate, load_authority
from hansa.alliance.draft import encode_alliance
from hansa.alliance.files import make_private_folder, read_public, write_private, write_public
from hansa.alliance.founding import encode_secret, load_genesis
from hansa.alliance.membership import prove_key
from hansa.alliance.model import Node, parse_alliance, split_address
from hansa.cli.errors import Usage
from hansa.cli.members.contract import Members
from hansa.cli.members.joining import NewNode, choose_addresses, find_own
from hansa.cli.network import Network
from hansa.cli.starting import check_ports
from hansa.crypto.suite import KeyPair, generate_key_pair
from hansa.io.key_file import read_consensus_key
from hansa.io.private_files import read_private


def owner_of(network: Network, name: str) -> str:
    """The organisation that a new node's name begins with, a hyphen behind it.

    Raises
    ------
    Usage: no organisation of this alliance, or its authority is not here.
    """
    owners = [one.name for one in network.alliance.organisations if name.startswith(f"{one.name}-")]
    for owner in sorted(owners, key=len, reverse=True):
        if network.folder.ca_key(owner).exists():
            return owner
    raise Usage(
        f"{name!r} is no name of another node, or its organisation's authority is not here",
        "its organisation's name, a hyphen and more, in the folder where orgs/ORGANISATION/ca lies",
    )


def registered_address(members: Members, name: str, listen: str | None) -> str | None:
    """Where a node listens for the others: as an earlier run has told the alliance, else the address given.

    Raises
    ------
    Usage: another address was given than that of the earlier run.
    """
    for node in members.coming_nodes():
        if node.name == name:
            if listen not in (None, node.endpoint):
                raise Usage(f"{name} was added with the address {node.endpoint}, not {listen}", "leave --listen out")
            return node.endpoint
    return listen


def make_node(network: Network, owner: str, name: str, listen: str | None, rpc_listen: str | None) -> NewNode:
    """Make a node's keys and certificate; what an earlier run made is taken as it is.

    Raises
    ------
    Usage: it is there already, or no address was given. PortInUse: nobody can listen there.
    InvalidAllianceFile, NotLoopback: an address does not fit the alliance.
    """
    folder = network.folder
    where = folder.node(owner, name)
    if where.config.exists():
        raise Usage(f"{name} is there already", f"start it: hansa up {name}")
    node = Node(name, *choose_addresses(network.alliance.dev, listen, rpc_listen))
    organisations = tuple(
        msgspec.structs.replace(one, nodes=(*one.nodes, node)) if one.name == owner else one
        for one in network.alliance.organisations
    )
    alliance = msgspec.structs.replace(network.alliance, organisations=organisations)
    alliance = parse_alliance(encode_alliance(alliance), "the alliance with its new node")
    check_ports(alliance, [name])
    if not where.tls_certificate.exists():  # the last file that is written
        where.consensus_key.unlink(missing_ok=True)
        where.tls_key.unlink(missing_ok=True)
        authority = load_authority(owner, read_private(folder.ca_key(owner)), read_public(folder.ca_certificate(owner)))
        now = datetime.datetime.now(datetime.UTC)
        issued = issue_node_certificate(authority, name, split_address(node.listen)[0], alliance.name, now)
        make_private_folder(where.root)
        write_private(where.consensus_key, encode_secret(generate_key_pair().secret))
        write_private(where.tls_key, issued.key_pem)
        write_public(where.tls_certificate, issued.certificate_pem)
    certificate = fingerprint_of(x509.load_pem_x509_certificate(read_public(where.tls_certificate)))
    consensus = read_consensus_key(where.consensus_key)
    return NewNode(alliance, node, where, consensus, certificate, load_genesis(folder))


def send_node(members: Members, voter: KeyPair, new: NewNode) -> int:
    """Add the node by its organisation's vote, unless that was done; its index."""
    known = find_own(members, new)
    if known is not None:
        return known.index
    proof = prove_key(new.consensus, new.node.name, new.alliance.chain_id)
    events = members.send(voter, "addNode", new.node.name, *proof, new.certificate, new.node.listen)
    return int(events["NodeAdded"]["node"])


def note_node(network: Network, new: NewNode) -> None:
    """Let alliance.toml list the node, so that commands find it here."""
    write_public(network.folder.description, encode_alliance(new.alliance).encode())
