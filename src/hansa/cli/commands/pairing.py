"""`hansa node standby`, `takeover`, `signer`, `step-down`: a validator on two nodes, and planned moves."""

from pathlib import Path
from typing import Annotated

import typer

from hansa.cli.options import Folder, screen_of

NodeName = Annotated[str, typer.Argument(help="Name of a node whose folder lies here.")]
Address = typer.Option(help="HOST:PORT; else the node's host with another port.", show_default=False)


def standby(
    context: typer.Context,
    name: NodeName,
    folder: Folder = None,
    listen: Annotated[str | None, Address] = None,
    rpc: Annotated[str | None, Address] = None,
    ws: Annotated[str | None, Address] = None,
    signer: Annotated[str | None, Address] = None,
) -> None:
    """Give a stopped node a standby: a second node of the same validator.

    The key and the votes move to a signer process that both nodes share; whichever holds the right to sign is active,
    the other one follows it.
    """
    from hansa.cli.network import open_network
    from hansa.cli.recovery.healing import check_stopped
    from hansa.node.signing.pairing import choose_places, make_standby

    network = open_network(folder)
    node = network.chosen([name])[0]
    places = choose_places(network.alliance, name, listen, rpc, ws, signer)
    check_stopped(node.folder)
    second, signs = make_standby(network.folder, network.alliance, node.organisation, name, places)
    screen = screen_of(context)
    screen.step("signer", f"{signs.root} on {places.signer}: has the key and the votes now")
    screen.step("standby", f"{second.root} on {places.standby.listen}, RPC {places.standby.rpc}")
    screen.step("active", f"{node.folder.root}: signs through the signer")
    screen.say("  Move standby and signer each to a machine of its own, and correct the addresses in node.toml and")
    screen.say("  signer.toml. Start the signer first: hansa node signer FOLDER; here, hansa up starts all three.")
    facts = {"signer": str(signs.root), "standby": str(second.root), "active": str(node.folder.root)}
    screen.data(facts | {"listen": places.standby.listen, "rpc": places.standby.rpc, "signerListen": places.signer}, "")


def takeover(
    context: typer.Context,
    name: NodeName,
    folder: Folder = None,
    timeout: Annotated[float, typer.Option("--timeout", help="Seconds until it must have happened.")] = 15.0,
) -> None:
    """Have the standby of a validator take over.

    The active node gives leadership up first, so that no other validator waits for a timeout; then it is the standby.
    """
    from hansa.cli.network import open_network
    from hansa.node.signing.pairing import open_signer_client, take_over

    node = open_network(folder).chosen([name])[0]
    client = open_signer_client(node.folder)
    try:
        before, after, seconds = take_over(client, timeout)
    finally:
        client.close()
    screen_of(context).step("taken over", f"{before.holder or 'nobody'} → {after.holder}", f"{seconds:.1f} s")
    screen_of(context).data({"before": before.holder, "after": after.holder, "seconds": round(seconds, 3)}, "")


def signer(directory: Annotated[Path, typer.Argument(help="A signer's folder.")]) -> None:
    """Run the signer of one validator until it is told to stop."""
    from hansa.node.signing.process import run_signer

    code = run_signer(directory)
    if code:
        raise typer.Exit(code)


def step_down(context: typer.Context, name: NodeName, folder: Folder = None) -> None:
    """Have a running node give leadership to the next validator, now and without a timeout."""
    from hansa.cli.network import open_network
    from hansa.cli.processes import ask_to_step_down

    node = open_network(folder).chosen([name])[0]
    ask_to_step_down(node.folder, name)
    screen_of(context).step("asked", f"{name} to give leadership up, if it leads")
    screen_of(context).data({"node": name}, "")
