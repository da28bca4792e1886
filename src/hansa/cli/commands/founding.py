"""`hansa init` and `hansa genesis`: from a description to keys, certificates and the first block."""

from pathlib import Path
from typing import Annotated

import typer

from hansa.cli.options import Folder, screen_of

Name = Annotated[str, typer.Option("--name", help="Name of a new alliance.")]
ChainId = Annotated[
    int | None, typer.Option("--chain-id", help="Chain id; drawn at random otherwise.", show_default=False)
]
Org = Annotated[
    str | None,
    typer.Option("--org", help="Make this organisation's keys only, and its public part.", show_default=False),
]
Orgs = Annotated[str, typer.Option("--orgs", help="Organisations of a new alliance, separated by commas.")]
Port = Annotated[
    int | None,
    typer.Option("--port", help="First of three ports per node; 30300 and 8545 otherwise.", show_default=False),
]
Accounts = Annotated[
    list[str] | None,
    typer.Option("--account", help="With --org: address of a user, may be repeated.", show_default=False),
]


def init(
    context: typer.Context,
    folder: Folder = None,
    name: Name = "demo",
    chain_id: ChainId = None,
    orgs: Orgs = "",
    port: Port = None,
    draft: Annotated[bool, typer.Option("--draft", help="Only write alliance.toml, to be agreed upon.")] = False,
    org: Org = None,
    accounts: Accounts = None,
    finish: Annotated[bool, typer.Option("--finish", help="With --org: set up its nodes for genesis.json.")] = False,
) -> None:
    """Found an alliance, or one organisation of it (--org).

    Without --org all organisations are made at once: that is for development, and its nodes stay on this machine.
    """
    if org is not None and finish:
        install(context, folder, org)
    elif org is not None:
        _init_organisation(context, folder, org, accounts or [])
    elif draft:
        _write_draft(context, folder, name, chain_id, orgs, port)
    else:
        _init_all(context, folder, name, chain_id, orgs, port)


def _init_all(
    context: typer.Context, folder: Path | None, name: str, chain_id: int | None, orgs: str, port: int | None
) -> None:
    from hansa.alliance.founding import load_alliance
    from hansa.cli.network import choose_folder
    from hansa.cli.setup import describe_alliance, found_alliance
    from hansa.errors import Refused

    where = choose_folder(folder)
    if where.description.exists():
        alliance = load_alliance(where)
        if not alliance.dev:
            raise Refused(
                f"{where.description} describes a real alliance, whose organisations each make their own keys",
                "hansa init --org NAME on each organisation's machine; or dev = true to try it here",
            )
    else:
        alliance = describe_alliance(name, chain_id, True, orgs, port)
    founded = found_alliance(where, alliance)
    screen = screen_of(context)
    screen.step("keys and genesis", founded.summary(), f"{founded.seconds:.1f} s")
    screen.say(f"  development only: its keys are known to everybody. Next: hansa up -d {where.root}")
    screen.data({"folder": str(where.root), "name": alliance.name, "chain_id": alliance.chain_id}, "")


def _write_draft(
    context: typer.Context, folder: Path | None, name: str, chain_id: int | None, orgs: str, port: int | None
) -> None:
    from hansa.alliance.draft import encode_alliance
    from hansa.alliance.errors import FolderTaken
    from hansa.alliance.files import write_public
    from hansa.alliance.layout import AllianceFolder
    from hansa.cli.setup import describe_alliance

    where = AllianceFolder(folder or Path())
    if where.description.exists():
        raise FolderTaken(f"{where.description} exists already", "edit it, or choose another folder with -d")
    alliance = describe_alliance(name, chain_id, False, orgs, port)
    write_public(where.description, encode_alliance(alliance).encode())
    screen = screen_of(context)
    screen.say(f"Wrote {where.description}. Put in the real addresses, agree on the text with all organisations, then")
    screen.say("each runs on its own machine: hansa init --org NAME")
    screen.data({"alliance": str(where.description), "chain_id": alliance.chain_id}, "")


def _init_organisation(context: typer.Context, folder: Path | None, org: str, accounts: list[str]) -> None:
    import datetime

    from hansa.alliance.founding import found_organisation, load_alliance
    from hansa.alliance.public_part import part_fingerprint
    from hansa.cli.keys import address_in
    from hansa.cli.network import choose_folder
    from hansa.cli.words import parse_address

    where = choose_folder(folder)
    alliance = load_alliance(where)
    users = [address_in(path) for path in sorted(where.users(org).glob("*.json"))]
    addresses = [parse_address(text) for text in accounts] + [address for address in users if address is not None]
    founded = found_organisation(
        where, alliance, org, list(dict.fromkeys(addresses)), datetime.datetime.now(datetime.UTC)
    )
    fingerprint = part_fingerprint(founded.part)
    screen = screen_of(context)
    screen.step("keys", f"of {org}: 1 CA, {len(founded.consensus_keys)} node keys")
    screen.say(f"  Give {where.part(org)} to every other organisation; it holds no secret.")
    screen.say(f"  Let them compare its fingerprint with you by telephone: {fingerprint}")
    screen.say("  With all parts in hand: hansa genesis assemble PART…, then hansa init --org NAME --finish")
    screen.data({"part": str(where.part(org)), "fingerprint": fingerprint}, "")


def assemble(
    context: typer.Context,
    parts: Annotated[list[Path] | None, typer.Argument(help="Public parts; those in parts/ count too.")] = None,
    folder: Folder = None,
) -> None:
    """Build genesis.json from all public parts.

    Every organisation gets the same bytes, whatever the order of the parts.
    """
    import hashlib

    from hansa.alliance.files import write_public
    from hansa.alliance.genesis import assemble_genesis
    from hansa.alliance.public_part import part_fingerprint
    from hansa.cli.network import choose_folder
    from hansa.cli.setup import collect_parts, genesis_hash_of

    where = choose_folder(folder)
    collected = collect_parts(where, parts or [])
    genesis = assemble_genesis(collected)
    write_public(where.genesis, genesis)
    screen = screen_of(context)
    for part in collected:
        screen.step(part.organisation, f"CA {part_fingerprint(part)}")
    facts = {
        "genesis": str(where.genesis),
        "genesis_hash": "0x" + genesis_hash_of(genesis).hex(),
        "sha256": hashlib.sha256(genesis).hexdigest(),
    }
    screen.say(f"  Compare with the others: genesis hash {facts['genesis_hash']}")
    screen.data(facts, "")


def install(
    context: typer.Context,
    folder: Folder = None,
    org: Annotated[str | None, typer.Option("--org", help="Only this organisation.", show_default=False)] = None,
) -> None:
    """Set up the nodes here for genesis.json."""
    from hansa.alliance.founding import load_alliance
    from hansa.cli.network import choose_folder
    from hansa.cli.setup import install as install_organisation
    from hansa.cli.setup import load_founded

    where = choose_folder(folder)
    alliance = load_alliance(where)
    genesis, organisations = load_founded(where, alliance)
    if org is not None:
        organisations = [alliance.organisation(org)]
    names = []
    for organisation in organisations:
        install_organisation(where, alliance, genesis, organisation)
        names += [node.name for node in organisation.nodes]
    screen_of(context).step("nodes", ", ".join(names))
    screen_of(context).say("  Next: hansa up")
    screen_of(context).data({"nodes": names}, "")
