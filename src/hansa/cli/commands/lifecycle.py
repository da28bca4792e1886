"""`hansa up` and `hansa down`: the nodes of this machine."""

from typing import TYPE_CHECKING, Annotated

import typer

from hansa.cli.options import Folder, screen_of

if TYPE_CHECKING:
    from hansa.cli.network import Network
    from hansa.cli.screen import Screen
    from hansa.cli.starting import Started

Names = Annotated[list[str] | None, typer.Argument(help="Names of nodes; all otherwise.", show_default=False)]
Demo = Annotated[
    bool | None,
    typer.Option("--demo/--no-demo", help="Play a voucher; else only while no block is there.", show_default=False),
]


def up(
    context: typer.Context,
    names: Names = None,
    folder: Folder = None,
    demo: Demo = None,
    port: Annotated[
        int | None, typer.Option("--port", help="New alliance: first of three ports per node.", show_default=False)
    ] = None,
    chain_id: Annotated[
        int | None, typer.Option("--chain-id", help="New alliance: chain id.", show_default=False)
    ] = None,
    timeout: Annotated[float, typer.Option("--timeout", help="Seconds until all nodes must serve.")] = 60.0,
) -> None:
    """Start the nodes of this machine.

    Where there is no alliance yet, one of four organisations is founded for development, and a voucher is played.
    """
    from hansa.cli.network import choose_folder, open_network
    from hansa.cli.setup import describe_alliance, found_alliance
    from hansa.cli.starting import check_ports, start_companions, start_nodes
    from hansa.cli.voucher_demo import can_play, play_voucher

    screen = screen_of(context)
    where = choose_folder(folder)
    is_new = not where.description.exists()
    if is_new:
        described = describe_alliance("demo", chain_id, dev=True, port=port)
        check_ports(described, [node.name for _, node in described.nodes()])  # before anything is written
        founded = found_alliance(where, described)
    network = open_network(where.root)
    _print_head(network, screen)
    if is_new:
        screen.step("keys and genesis", founded.summary(), f"{founded.seconds:.1f} s")
    chosen = network.chosen(names)
    companions = start_companions(network.signers(names), timeout)
    started = start_nodes(network.alliance, chosen, timeout)
    companions += start_companions(network.standbys(names), timeout)  # last: the nodes are to be the active ones
    _print_nodes(started, screen)
    if companions:
        screen.step("beside them", "  ".join(companions))
    if started.failures:
        for failure in started.failures[:-1]:
            screen.failure(failure)
        raise started.failures[-1]
    is_empty = max(started.heights.values(), default=0) == 0
    if demo or (demo is None and is_empty and can_play(network)):
        play_voucher(network, screen)
    _print_links(network, screen)
    screen.data(_facts(network, started), "")


def _print_head(network: "Network", screen: "Screen") -> None:
    from hansa import __version__

    alliance = network.alliance
    parts = [
        f"hansa {__version__}",
        f'alliance "{alliance.name}"',
        alliance.consensus.kind.upper(),
        f"{len(alliance.organisations)} orgs",
        f"chain {alliance.chain_id}",
        str(network.folder.root) if network.folder.root.is_absolute() else f"./{network.folder.root}",
    ]
    screen.say(" · ".join(parts) + ("  (development: keys known to everybody)" if alliance.dev else ""))


def _print_nodes(started: "Started", screen: "Screen") -> None:
    if not started.serving:
        return
    names = "  ".join(node.name for node in started.serving)
    height = max(started.heights.values(), default=0)
    at = f"  at block {height}" if height else ""
    running = "" if started.fresh else "  (ran already)"
    detail = f"{names}   {started.linked}/{len(started.serving)} linked{at}{running}"
    screen.step("nodes", detail, f"{started.seconds:.1f} s")


def _print_links(network: "Network", screen: "Screen") -> None:
    from hansa.cli.processes import read_ready

    for node in network.nodes:
        ready = read_ready(node.folder)
        if ready is not None:
            ws = f"   ws://{ready.ws}" if ready.ws else ""
            screen.say(f"  RPC {node.name:<10} http://{ready.rpc}{ws}")
    where = "" if str(network.folder.root) in ("hansa-demo", ".") else f" -d {network.folder.root}"
    commands = [f"hansa status{where}", f"hansa logs -f{where}", f"hansa account list{where}", f"hansa down{where}"]
    screen.say("Next  " + "   ·   ".join(commands))


def _facts(network: "Network", started: "Started") -> dict[str, object]:
    return {
        "folder": str(network.folder.root),
        "chain_id": network.alliance.chain_id,
        "started": list(started.fresh),
        "linked": started.linked,
        "seconds": round(started.seconds, 3),
        "nodes": [
            {
                "name": node.name,
                "organisation": node.organisation,
                "rpc": node.rpc,
                "height": started.heights[node.name],
            }
            for node in started.serving
        ],
    }


def down(
    context: typer.Context,
    names: Names = None,
    folder: Folder = None,
    wipe: Annotated[bool, typer.Option("--wipe", help="Delete the folder too, with every key in it.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="With --wipe: do not ask.")] = False,
) -> None:
    """Stop what `up` started; the data stays."""
    from hansa.cli.errors import StillRunning, Usage
    from hansa.cli.network import open_network
    from hansa.cli.processes import ProcessRecord, read_ready, running_process, stop_nodes

    screen = screen_of(context)
    network = open_network(folder)
    if wipe and names:
        raise Usage("--wipe deletes the whole alliance, not single nodes", "hansa down --wipe")
    if wipe and not yes and not screen.confirm(f"delete {network.folder.root} with every key and block in it?"):
        raise typer.Exit(1)
    nodes = network.chosen(names)
    processes: dict[str, ProcessRecord] = {}
    killed: list[str] = []
    # Standbys first, or they would take over; the nodes sign while they stop, so signers go last.
    for group in (network.standbys(names), nodes, network.signers(names)):
        found = {node.name: running_process(node.folder) for node in group}
        running = {name: record for name, record in found.items() if record is not None}
        killed += stop_nodes(running)
        processes |= running
        for node in group:
            node.folder.pid.unlink(missing_ok=True)
    if killed:
        screen.say(f"  {', '.join(killed)} did not end in time and were killed; nothing final is lost")
    screen.step("stopped", ", ".join(processes) or "nothing ran")
    others = [node for node in nodes if node.name not in processes and read_ready(node.folder) is not None]
    for node in others:
        screen.say(f"  {node.name} runs, but not by `hansa up`: stop it where it was started")
    if wipe and others:
        raise StillRunning(f"{others[0].name} still runs, so nothing was deleted", "stop it, then wipe again")
    if wipe:
        _wipe(network, screen)
    screen.data({"stopped": list(processes), "killed": killed, "wiped": wipe}, "")


def _wipe(network: "Network", screen: "Screen") -> None:
    """Delete what we made, and nothing else: a file of the user's in the folder stays."""
    import shutil

    root = network.folder.root
    for name in ("orgs", "parts", "contracts"):
        shutil.rmtree(root / name, ignore_errors=True)
    for name in ("alliance.toml", "genesis.json", "contracts.json"):
        (root / name).unlink(missing_ok=True)
    if not any(root.iterdir()) and root.resolve() != root.cwd():
        root.rmdir()
    screen.step("deleted", str(root))
