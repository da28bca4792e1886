"""`hansa upgrade status` and `apply`: another release on every node, and who is ready for another protocol."""

from typing import Annotated, Any

import typer

from hansa.cli.commands.lifecycle import Names
from hansa.cli.options import Folder, Rpc, screen_of


def status(context: typer.Context, folder: Folder = None, rpc: Rpc = None) -> None:
    """Show which protocol the chain follows, and how many validators can run a later one."""
    from hansa.cli.network import open_client
    from hansa.cli.screen import table

    client = open_client(rpc, folder)
    now, validators = client.call("hansa_status"), client.call("hansa_validators")
    ready = count_ready(validators, now["protocol"])
    rows = [["validator", "can run up to protocol", "linked"]]
    rows += [[one["name"], str(one["protocolMax"] or "?"), "yes" if one["connected"] else "no"] for one in validators]
    lines = [f"protocol {now['protocol']} is active; {now['name']} runs hansa {now['version']}", table(rows)]
    lines += [f"protocol {protocol}: {count} of {len(validators)} are ready" for protocol, count in ready.items()]
    facts = {"protocol": now["protocol"], "ready": {str(k): v for k, v in ready.items()}, "validators": validators}
    screen_of(context).data(facts, "\n".join(lines))


def count_ready(validators: list[dict[str, Any]], active: int) -> dict[int, int]:
    """How many validators can run each protocol above the active one, as far as the node that was asked knows."""
    known = [one["protocolMax"] or 0 for one in validators]
    return {protocol: sum(one >= protocol for one in known) for protocol in range(active + 1, max(known) + 1)}


def apply(
    context: typer.Context,
    names: Names = None,
    folder: Folder = None,
    timeout: Annotated[float, typer.Option("--timeout", help="Seconds for each node to vote again.")] = 120.0,
) -> None:
    """Restart this machine's nodes one by one on the release that is installed now.

    Each gives leadership away before it stops, and the next one is stopped only once it votes again.
    """
    from hansa.cli.network import open_network
    from hansa.cli.starting import renew_nodes

    screen = screen_of(context)
    network = open_network(folder)
    done = []
    for one in renew_nodes(network.alliance, network.chosen(names), timeout):
        screen.step(one.name, f"runs hansa {one.version} and votes", f"{one.seconds:.1f} s")
        done.append({"name": one.name, "version": one.version, "seconds": round(one.seconds, 3)})
    screen.data(done, "")
