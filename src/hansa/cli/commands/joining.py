"""`hansa node join` and `hansa key rotate node`: what one organisation does with its own nodes."""

from pathlib import Path
from typing import Annotated

import typer

from hansa.cli.options import As, Folder, PasswordFile, Rpc, screen_of


def join(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="The invitation.")],
    folder: Annotated[
        Path | None, typer.Option("-d", "--dir", help="New folder; ./ORGANISATION otherwise.", show_default=False)
    ] = None,
    listen: Annotated[
        str | None, typer.Option("--listen", help="host:port for the other nodes.", show_default=False)
    ] = None,
    rpc_listen: Annotated[
        str | None,
        typer.Option("--rpc-listen", help="host:port for JSON-RPC; WebSocket one above.", show_default=False),
    ] = None,
    password_file: PasswordFile = None,
    timeout: Annotated[float, typer.Option("--timeout", help="Seconds to wait for each step.")] = 120.0,
) -> None:
    """Join an alliance by an invitation: make the keys, become an observer, catch up, become a validator."""
    from hansa.alliance.membership import STATUS_VALIDATOR
    from hansa.cli.keys import read_password
    from hansa.cli.members import joining
    from hansa.cli.members.invitation import read_invitation
    from hansa.cli.network import open_network
    from hansa.cli.starting import start_nodes

    screen = screen_of(context)
    invitation = read_invitation(file)
    members = joining.reach_member(invitation)
    is_dev = joining.is_dev(invitation)
    password = None if is_dev else read_password(password_file, screen, "new password of the voting account", True)
    root = folder or Path(invitation.organisation)
    guest = joining.make_guest(invitation, root, joining.choose_addresses(is_dev, listen, rpc_listen), password)
    screen.step("keys", f"authority, node and voting key of {invitation.organisation} in {root}")
    screen.step(f"proposal {invitation.proposal}", joining.wait_accepted(members, invitation, timeout))
    index = joining.send_join(members, guest)
    epoch = joining.wait_in_force(members, index, "observer", timeout)
    joining.install_joined(members, guest, index)
    screen.step("observer", f"node {index} from epoch {epoch} on")
    network = open_network(root)
    started = start_nodes(network.alliance, network.chosen([guest.node.name]), timeout)
    for failure in started.failures:
        raise failure
    height, seconds = joining.wait_caught_up(members, network.nodes[0].rpc, timeout)
    screen.step("caught up", f"{height:,} blocks", f"{seconds:.1f} s")
    status = "observer"
    if members.proposal(invitation.proposal).status == STATUS_VALIDATOR:
        members.send(guest.voter, "activate", index)
        joining.wait_in_force(members, index, "validator", timeout)
        status = "validator"
        first = joining.wait_voting(network.nodes[0].rpc, timeout)
        screen.step("validator", f"votes from block {first:,} on")
    screen.data({"folder": str(root), "index": index, "status": status, "rpc": network.nodes[0].rpc}, "")


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
    key = resolve_key(sender or joining.voter_of(network, node.organisation), folder, password_file, screen)
    fresh = joining.make_next_keys(network, node, found)
    joining.send_rotation(members, key, found, fresh, network.alliance.chain_id)
    epoch = joining.wait_rotated(members, found.index, fresh.pair.public, timeout)
    screen.step("rotated", f"{name}: new keys from epoch {epoch} on")
    screen.data({"node": name, "epoch": epoch, "public_key": "0x" + fresh.pair.public.hex()}, "")
