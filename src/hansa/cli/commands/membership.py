"""`hansa org` and `hansa proposal`: who belongs to the alliance, and what its organisations vote on."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hansa.cli.options import As, Folder, PasswordFile, Rpc, screen_of

if TYPE_CHECKING:
    from hansa.cli.members.contract import Members, Proposal
    from hansa.crypto.suite import KeyPair

OrgName = Annotated[str, typer.Argument(help="Name of the organisation.")]
NodeName = Annotated[str, typer.Argument(help="Name of the node.")]
Hours = Annotated[float, typer.Option("--hours", help="Hours until it expires.")]
ProposalHours = Annotated[
    float | None,
    typer.Option("--hours", help="Hours until it expires; 24, or 336 with two organisations.", show_default=False),
]
Number = Annotated[int, typer.Argument(help="Number of the proposal.")]
EXPIRY_HOURS = 24.0
NOTICE_EXPIRY_HOURS = 336.0  # a week in which the other one may object, and another one


def invite(
    context: typer.Context,
    name: OrgName,
    role: Annotated[str, typer.Option("--role", help="What it is, said to people.")] = "member",
    observer: Annotated[bool, typer.Option("--observer", help="Its node is to have no vote.")] = False,
    output: Annotated[
        Path | None, typer.Option("-o", "--out", help="The file; NAME.invite otherwise.", show_default=False)
    ] = None,
    hours: Hours = EXPIRY_HOURS,
    sender: As = None,
    rpc: Rpc = None,
    folder: Folder = None,
    password_file: PasswordFile = None,
) -> None:
    """Propose to invite an organisation, and write the file by which its node joins."""
    from hansa.alliance.draft import encode_alliance
    from hansa.alliance.founding import load_genesis
    from hansa.alliance.membership import STATUS_OBSERVER, STATUS_VALIDATOR
    from hansa.cli.keys import resolve_key
    from hansa.cli.members.invitation import Invitation, addresses_for_guests, reserve_invitation
    from hansa.cli.network import open_network
    from hansa.crypto.suite import generate_key_pair

    screen = screen_of(context)
    network = open_network(folder)
    genesis = load_genesis(network.folder).decode()
    members = _open(rpc, folder)
    voter = resolve_key(sender, folder, password_file, screen)
    guest = generate_key_pair()
    status = STATUS_OBSERVER if observer else STATUS_VALIDATOR
    expires_at = _expiry(members, hours)
    urls = addresses_for_guests(network.alliance, members.client.url)
    file = output or Path(f"{name}.invite")
    text = encode_alliance(network.alliance)
    with reserve_invitation(file) as fill:
        events = members.send(voter, "invite", name, role, guest.address, status, expires_at)
        number = int(events["Opened"]["proposal"])
        fill(Invitation(1, text, genesis, name, role, number, "0x" + guest.secret.hex(), urls, expires_at))
    screen.step("invited", f"{name} → {file}", f"expires in {hours:g} h, one use")
    if not urls:
        screen.say("  It names no node, as all that are known here are on loopback: tell the guest one, for --rpc.")
    _say_votes(context, members.proposal(number))
    screen.data({"file": str(file), "proposal": number, "expires_at": expires_at}, "")


def remove(
    context: typer.Context,
    name: OrgName,
    hours: ProposalHours = None,
    sender: As = None,
    rpc: Rpc = None,
    folder: Folder = None,
    password_file: PasswordFile = None,
) -> None:
    """Propose to remove an organisation and its nodes."""
    from hansa.cli.keys import resolve_key

    members = _open(rpc, folder)
    subject = members.organisation(name).index
    key = resolve_key(sender, folder, password_file, screen_of(context))
    _propose(context, members, "removeOrganisation", (subject,), hours, key)


def account(
    context: typer.Context,
    name: OrgName,
    new: Annotated[str, typer.Argument(help="Votes for it from then on: an account of this folder, or an address.")],
    hours: ProposalHours = None,
    sender: As = None,
    rpc: Rpc = None,
    folder: Folder = None,
    password_file: PasswordFile = None,
) -> None:
    """Let an organisation vote by another account: at once by its present one, else by vote of the others."""
    from hansa.cli.keys import resolve_address, resolve_key

    screen = screen_of(context)
    members = _open(rpc, folder)
    subject = members.organisation(name)
    address = resolve_address(new, folder)
    key = resolve_key(sender, folder, password_file, screen)
    if bytes.fromhex(subject.account[2:]) != key.address:
        _propose(context, members, "setAccount", (subject.index, address), hours, key)
        return
    members.send(key, "changeAccount", address)
    screen.step("account", f"0x{address.hex()} votes for {name}", "at once")
    screen.data({"organisation": name, "account": "0x" + address.hex()}, "")


def list_(context: typer.Context, rpc: Rpc = None, folder: Folder = None) -> None:
    """Show the organisations and their nodes."""
    from hansa.cli.screen import table

    members = _open(rpc, folder)
    organisations = members.organisations()
    nodes = members.nodes()
    rows = [["organisation", "role", "votes by", "nodes"]]
    for one in organisations:
        own = [f"{node.name} ({node.status})" for node in nodes if node.organisation == one.index]
        rows.append([one.name, one.role, one.account if one.is_active else "removed", ", ".join(own)])
    facts = [
        {
            "name": one.name,
            "role": one.role,
            "account": one.account,
            "active": one.is_active,
            "nodes": [
                {"index": node.index, "name": node.name, "status": node.status, "address": node.endpoint}
                for node in nodes
                if node.organisation == one.index
            ],
        }
        for one in organisations
    ]
    screen_of(context).data(facts, table(rows))


def proposals(context: typer.Context, rpc: Rpc = None, folder: Folder = None) -> None:
    """Show all proposals with their votes."""
    from hansa.cli.screen import table

    members = _open(rpc, folder)
    rows = [["proposal", "what", "votes", "state", "expires"]]
    found = members.proposals()
    for one in found:
        votes = f"{one.votes}/{one.needed}"
        state = one.state
        if state == "open" and one.notice_until is not None:
            state += f", objection until {_time(one.notice_until)}"
        rows.append([str(one.number), _what(members, one), votes, state, _time(one.expires_at)])
    facts = [
        {
            "number": one.number,
            "what": row[1],
            "votes": one.votes,
            "needed": one.needed,
            "state": one.state,
            "notice_until": one.notice_until,
        }
        for one, row in zip(found, rows[1:], strict=True)
    ]
    screen_of(context).data(facts, table(rows))


def approve(
    context: typer.Context,
    number: Number,
    sender: As = None,
    rpc: Rpc = None,
    folder: Folder = None,
    password_file: PasswordFile = None,
) -> None:
    """Vote for a proposal as an organisation."""
    _answer(context, "approve", number, sender, rpc, folder, password_file)


def object_(
    context: typer.Context,
    number: Number,
    sender: As = None,
    rpc: Rpc = None,
    folder: Folder = None,
    password_file: PasswordFile = None,
) -> None:
    """Refuse what the other one of two organisations proposes about one's own."""
    _answer(context, "object", number, sender, rpc, folder, password_file)


def propose_node(
    context: typer.Context,
    name: NodeName,
    status: Annotated[str, typer.Argument(help="validator, observer or removed.")],
    hours: ProposalHours = None,
    sender: As = None,
    rpc: Rpc = None,
    folder: Folder = None,
    password_file: PasswordFile = None,
) -> None:
    """Propose what a node is to be from the next epoch on."""
    from hansa.alliance.membership import STATUS_NAMES
    from hansa.cli.errors import Usage
    from hansa.cli.keys import resolve_key

    numbers = {word: number for number, word in STATUS_NAMES.items()}
    if status not in numbers:
        raise Usage(f"{status!r} is nothing that a node can be", f"one of: {', '.join(numbers)}")
    members = _open(rpc, folder)
    subject = members.node_named(name).index
    key = resolve_key(sender, folder, password_file, screen_of(context))
    _propose(context, members, "setStatus", (subject, numbers[status]), hours, key)


def propose_consensus(
    context: typer.Context,
    view_timeout: Annotated[
        int | None, typer.Option("--view-timeout", help="Milliseconds of patience with a leader.", show_default=False)
    ] = None,
    block_interval: Annotated[
        int | None, typer.Option("--block-interval", help="Least milliseconds between blocks.", show_default=False)
    ] = None,
    protocol: Annotated[
        int | None, typer.Option("--protocol", help="Rules of the chain; see hansa upgrade status.", show_default=False)
    ] = None,
    hours: ProposalHours = None,
    sender: As = None,
    rpc: Rpc = None,
    folder: Folder = None,
    password_file: PasswordFile = None,
) -> None:
    """Propose how consensus is set from the next epoch on. What is not given stays as it is."""
    from hansa.cli.keys import resolve_key

    members = _open(rpc, folder)
    wished = (view_timeout, block_interval, protocol)
    settings = [
        str(now if wish is None else wish) for wish, now in zip(wished, members.ask("consensusInForce")[0], strict=True)
    ]
    settings_text = f"({','.join(settings)})"
    key = resolve_key(sender, folder, password_file, screen_of(context))
    _propose(context, members, "setConsensus", (settings_text,), hours, key)


def _open(rpc: str | None, folder: Path | None) -> "Members":
    from hansa.cli.members.contract import Members
    from hansa.cli.network import open_client

    return Members(open_client(rpc, folder))


def _expiry(members: "Members", hours: float) -> int:
    """When something expires that many hours after the latest block or now, whichever is later."""
    import time

    block = members.client.call("eth_getBlockByNumber", "latest", False)
    return max(int(block["timestamp"], 16), int(time.time())) + round(hours * 3_600)


def _propose(
    context: typer.Context,
    members: "Members",
    function: str,
    arguments: tuple[object, ...],
    hours: float | None,
    key: "KeyPair",
) -> None:
    if hours is None:
        active = sum(one.is_active for one in members.organisations())
        hours = NOTICE_EXPIRY_HOURS if active == 2 else EXPIRY_HOURS
    events = members.send(key, function, *arguments, _expiry(members, hours))
    _show(context, members, int(events["Opened"]["proposal"]))


def _answer(
    context: typer.Context,
    function: str,
    number: int,
    sender: str | None,
    rpc: str | None,
    folder: Path | None,
    password_file: Path | None,
) -> None:
    """Say yes or no to a proposal."""
    from hansa.cli.keys import resolve_key

    members = _open(rpc, folder)
    members.proposal(number)
    members.send(resolve_key(sender, folder, password_file, screen_of(context)), function, number)
    _show(context, members, number)


def _time(seconds: int) -> str:
    import datetime

    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")


def _show(context: typer.Context, members: "Members", number: int) -> None:
    proposal = members.proposal(number)
    _say_votes(context, proposal)
    facts = {"proposal": number, "votes": proposal.votes, "needed": proposal.needed, "state": proposal.state}
    screen_of(context).data(facts, "")


def _say_votes(context: typer.Context, proposal: "Proposal") -> None:
    screen = screen_of(context)
    screen.step(f"proposal {proposal.number}", f"yes {proposal.votes}/{proposal.needed}", proposal.state)
    if proposal.state == "open" and proposal.notice_until is not None:
        until = _time(proposal.notice_until)
        screen.say(
            f"  The other one may object until {until}; then once more: hansa proposal approve {proposal.number}"
        )
    elif proposal.state == "open":
        screen.say(f"  Each other organisation: hansa proposal approve {proposal.number} --as ITS-ACCOUNT")


def _what(members: "Members", proposal: "Proposal") -> str:
    from hansa.alliance.membership import STATUS_NAMES

    if proposal.kind == "invite":
        return f"invite {proposal.name}"
    if proposal.kind == "remove":
        return f"remove {members.organisations()[proposal.subject].name}"
    if proposal.kind == "account":
        return f"{members.organisations()[proposal.subject].name} votes by {proposal.account}"
    if proposal.kind == "node":
        node = members.node(proposal.subject)
        return f"node {node.name if node else proposal.subject} → {STATUS_NAMES[proposal.status]}"
    return "consensus settings"
