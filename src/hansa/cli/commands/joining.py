"""`hansa node join`, `hansa node add` and `hansa key rotate node`: what one organisation does with its own nodes."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hansa.cli.options import As, Folder, PasswordFile, Rpc, TokenFile, screen_of

if TYPE_CHECKING:
    from hansa.cli.members.contract import Members
    from hansa.cli.members.invitation import Invitation
    from hansa.cli.members.joining import Guest
    from hansa.cli.screen import Screen
    from hansa.sdk.client import Client


Listen = Annotated[str | None, typer.Option("--listen", help="host:port for the other nodes.", show_default=False)]
RpcListen = Annotated[
    str | None, typer.Option("--rpc-listen", help="host:port for JSON-RPC; WebSocket one above.", show_default=False)
]
Timeout = Annotated[float, typer.Option("--timeout", help="Seconds to wait for each step.")]


def join(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="The invitation.")],
    folder: Annotated[
        Path | None, typer.Option("-d", "--dir", help="New folder; ./ORGANISATION otherwise.", show_default=False)
    ] = None,
    listen: Listen = None,
    rpc_listen: RpcListen = None,
    rpc: Rpc = None,
    token_file: TokenFile = None,
    password_file: PasswordFile = None,
    timeout: Timeout = 120.0,
) -> None:
    """Join an alliance by an invitation: make the keys, become an observer, catch up, become a validator.

    Whatever ended it before the node votes: run it again with the same folder, and it goes on from there.
    """
    from hansa.cli.members import joining
    from hansa.cli.members.invitation import read_invitation
    from hansa.cli.network import open_network
    from hansa.cli.starting import start_nodes

    screen = screen_of(context)
    invitation = read_invitation(file)
    members = joining.reach_member(invitation, rpc, _token(rpc, token_file))
    root = folder or Path(invitation.organisation)
    guest = joining.make_guest(invitation, root, listen, rpc_listen, _password(screen, invitation, root, password_file))
    screen.step("keys", f"authority, node and voting key of {invitation.organisation} in {root}")
    index = _become_observer(screen, members, guest, timeout)
    network = open_network(root)
    (node,) = network.chosen([guest.node.name])
    started = start_nodes(network.alliance, [node], timeout)
    for failure in started.failures:
        raise failure
    with node.open_client() as own:
        height, seconds = joining.wait_caught_up(members, own, timeout)
        screen.step("caught up", f"{height:,} blocks", f"{seconds:.1f} s")
        status = _become_validator(screen, members, guest, own, timeout)
    screen.data({"folder": str(root), "index": index, "status": status, "rpc": node.rpc}, "")


def add(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Name of the node: its organisation's, a hyphen and more.")],
    listen: Listen = None,
    rpc_listen: RpcListen = None,
    sender: As = None,
    rpc: Rpc = None,
    folder: Folder = None,
    password_file: PasswordFile = None,
    timeout: Timeout = 120.0,
) -> None:
    """Add another node of one's own organisation: an observer, until the others vote for more.

    Its keys are made and signed here. Whatever ended it: run it again.
    """
    from hansa.cli.keys import resolve_key
    from hansa.cli.members import adding, joining
    from hansa.cli.members.contract import Members
    from hansa.cli.network import open_client, open_network

    screen = screen_of(context)
    network = open_network(folder)
    owner = adding.owner_of(network, name)
    members = Members(open_client(rpc, folder, owner))
    key = resolve_key(sender or joining.voter_of(network, members, owner), folder, password_file, screen)
    address = adding.registered_address(members, name, listen)
    new = adding.make_node(network, owner, name, address, rpc_listen)
    index = adding.send_node(members, key, new)
    epoch = joining.wait_in_force(members, index, ("observer", "validator"), timeout)
    joining.install_joined(members, new, index)
    adding.note_node(network, new)
    screen.step("observer", f"node {index} from epoch {epoch} on", str(new.where.root))
    screen.say(f"  Start it: hansa up {name}; or move its folder to its machine, and there hansa node run FOLDER.")
    screen.say(f"  That it may vote: hansa proposal node {name} validator")
    screen.data({"folder": str(new.where.root), "index": index, "status": "observer"}, "")


def _token(rpc: str | None, token_file: Path | None) -> str | None:
    from hansa.cli.errors import Usage
    from hansa.io.private_files import read_private

    if token_file is None:
        return None
    if rpc is None:
        raise Usage("a token is of one node: which one?", "--rpc URL --token-file FILE")
    return read_private(token_file).decode(errors="replace").strip()


def _password(screen: "Screen", invitation: "Invitation", root: Path, password_file: Path | None) -> str | None:
    from hansa.cli.keys import read_password
    from hansa.cli.members import joining

    if joining.is_dev(invitation):
        return None
    if joining.is_begun(invitation, root):
        return read_password(password_file, screen, "password of the voting account")
    return read_password(password_file, screen, "new password of the voting account", True)


def _become_observer(screen: "Screen", members: "Members", guest: "Guest", timeout: float) -> int:
    from hansa.cli.members import joining

    invitation = guest.invitation
    own = joining.find_own(members, guest)
    if own is None:
        screen.step(f"proposal {invitation.proposal}", joining.wait_accepted(members, invitation, timeout))
        index = joining.send_join(members, guest)
    else:
        index = own.index
    epoch = joining.wait_in_force(members, index, ("observer", "validator"), timeout)
    joining.install_joined(members, guest, index)
    screen.step("observer" if own is None else "joined already", f"node {index} from epoch {epoch} on")
    return index


def _become_validator(screen: "Screen", members: "Members", guest: "Guest", own: "Client", timeout: float) -> str:
    from hansa.alliance.membership import STATUS_VALIDATOR
    from hansa.cli.members import joining

    coming = joining.find_own(members, guest)
    if members.proposal(guest.invitation.proposal).status != STATUS_VALIDATOR or coming is None:
        return "observer"
    if coming.status != "validator":
        joining.wait_ready(own, timeout)
        members.send(guest.voter, "activate", coming.index)
    joining.wait_in_force(members, coming.index, ("validator",), timeout)
    screen.step("validator", f"votes from block {joining.wait_voting(own, timeout):,} on")
    return "validator"


def rotate(
    context: typer.Context,
    what: Annotated[str, typer.Argument(help="node")],
    name: Annotated[str, typer.Argument(help="Name of the node; its keys lie in this folder.")],
    sender: As = None,
    rpc: Rpc = None,
    folder: Folder = None,
    password_file: PasswordFile = None,
    timeout: Annotated[float, typer.Option("--timeout", help="Seconds to wait for the epoch's end.")] = 120.0,
) -> None:
    """Give a node of one's own a new consensus key and a new TLS certificate, while it runs."""
    from hansa.cli.errors import Usage
    from hansa.cli.keys import resolve_key
    from hansa.cli.members import joining
    from hansa.cli.members.contract import Members
    from hansa.cli.network import open_client, open_network
    from hansa.errors import Refused
    from hansa.node.config import load_node_config

    if what != "node":
        raise Usage(f"keys of {what!r} are not rotated by this command", "hansa key rotate node NAME")
    screen = screen_of(context)
    network = open_network(folder)
    (node,) = network.chosen([name])
    if load_node_config(node.folder).signer is not None:
        raise Refused(f"{name} has a standby, and their signer knows one key", "see docs/operate/standby.md")
    members = Members(open_client(rpc, folder, node.organisation))
    found = members.node_named(name)
    key = resolve_key(sender or joining.voter_of(network, members, node.organisation), folder, password_file, screen)
    fresh = joining.make_next_keys(network, node, found)
    joining.send_rotation(members, key, found, fresh, network.alliance.chain_id)
    epoch = joining.wait_rotated(members, found.index, fresh.pair.public, timeout)
    screen.step("rotated", f"{name}: new keys from epoch {epoch} on")
    screen.data({"node": name, "epoch": epoch, "public_key": "0x" + fresh.pair.public.hex()}, "")
