"""`hansa ps`, `hansa status`, `hansa logs`: what runs, and what it says."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from hansa.cli.options import Folder, Rpc, screen_of

if TYPE_CHECKING:
    from hansa.cli.network import LocalNode


def ps(context: typer.Context, folder: Folder = None) -> None:
    """List the nodes of this machine."""
    from hansa.cli.network import open_network
    from hansa.cli.screen import table

    network = open_network(folder)
    nodes = [_describe(node) for node in (*network.nodes, *network.companions)]
    columns = ["name", "organisation", "state", "pid", "height", "view", "peers", "rpc"]
    rows = [columns] + [
        [str(node.get(column, "") if node.get(column) is not None else "") for column in columns] for node in nodes
    ]
    screen_of(context).data(nodes, table(rows))


def _describe(node: "LocalNode") -> dict[str, Any]:
    from hansa.cli.network import read_token
    from hansa.cli.processes import read_ready, running_process
    from hansa.sdk.client import Client
    from hansa.sdk.errors import NodeUnreachable, RpcFailed

    facts: dict[str, Any] = {"name": node.name, "organisation": node.organisation, "rpc": node.rpc, "state": "stopped"}
    ready = read_ready(node.folder)
    process = running_process(node.folder)
    if ready is None and process is None:
        return facts
    facts |= {"pid": ready.pid if ready else process.pid if process else None, "state": "starting"}
    rpc = node.rpc or (f"http://{ready.rpc}" if ready and ready.rpc else "")
    if not rpc:
        return facts | {"state": "running" if ready else "starting"}
    try:
        with Client(rpc, 5, read_token(node.folder)) as client:
            status = client.call("hansa_status")
    except (NodeUnreachable, RpcFailed):
        return facts
    state = next((word for word in ("halted", "paused", "quarantine", "standby", "syncing") if status[word]), "running")
    return (
        facts
        | {"state": state, "rpc": rpc}
        | {key: status[key] for key in ("height", "view", "leader", "peers", "voting")}
    )


def status(
    context: typer.Context,
    folder: Folder = None,
    rpc: Rpc = None,
    stages: Annotated[bool, typer.Option("--stages", help="Where the node's processor time went instead.")] = False,
) -> None:
    """Show where the alliance stands."""
    from hansa.cli.network import open_client
    from hansa.cli.screen import table

    client = open_client(rpc, folder)
    if stages:
        report = client.call("hansa_stages")
        screen_of(context).data(report, table(_stage_rows(report)))
        return
    now = client.call("hansa_status")
    validators = client.call("hansa_validators")
    names = {one["index"]: one["name"] for one in validators}
    leader = names.get(now["leader"], "?")
    place = f"epoch {now['epoch']}, view {now['view']}, leader {leader}"
    rows = [
        ["node", f"{now['name']} ({now['organisation']})  {client.url}"],
        ["chain", f"{int(now['chainId'], 16)}  genesis {now['genesisHash']}" + ("  development" if now["dev"] else "")],
        ["height", f"{now['height']} final, {now['orderedHeight']} ordered" + ("  syncing" if now["syncing"] else "")],
        [
            "consensus",
            f"{place}, {'voting' if now['voting'] else 'not voting'}",
        ],
        ["pool", f"{now['poolExecutable']} ready, {now['poolWaiting']} waiting for an earlier nonce"],
        ["peers", ", ".join(_peer(one) for one in validators if one["name"] != now["name"]) or "none"],
        ["protocol", _protocols(now["protocol"], validators)],
        ["uptime", f"{now['uptimeSeconds']} s, hansa {now['version']}"],
    ]
    if now.get("passedOver"):
        passed = ", ".join(names.get(index, "?") for index in now["passedOver"])
        rows.append(["passed over", f"{passed}: nothing is heard from there, so others lead"])
    rows += [[word, now[word]] for word in ("paused", "quarantine", "standby", "halted") if now[word]]
    screen_of(context).data(now | {"validators": validators}, table(rows))


def _protocols(active: int, validators: list[dict[str, Any]]) -> str:
    """The active protocol, and how many validators are ready for each later one."""
    from hansa.cli.commands.upgrading import count_ready

    later = [f"{one}: {count} of {len(validators)} ready" for one, count in count_ready(validators, active).items()]
    return ", ".join([str(active), *later])


def _stage_rows(report: dict[str, Any]) -> list[list[str]]:
    """A row for each stage and one for their sum, which is the processor time of the process."""
    whole, transactions = max(1, report["processCpuUs"]), max(1, report["transactions"])
    entries = [(one["name"], str(one["calls"] or ""), one["cpuUs"]) for one in report["stages"]]
    entries.append((f"the process, {report['transactions']:,} transactions", "", report["processCpuUs"]))
    rows = [["stage", "calls", "us per transaction", "seconds", "share"]]
    for name, calls, cpu_us in entries:
        rows.append([name, calls, f"{cpu_us / transactions:.2f}", f"{cpu_us / 1e6:.2f}", f"{cpu_us / whole:.1%}"])
    return rows


def _peer(validator: dict[str, Any]) -> str:
    if not validator["connected"]:
        return f"{validator['name']} (not linked)"
    rtt = validator["rttMs"]
    return validator["name"] if rtt is None else f"{validator['name']} ({rtt:.1f} ms)"


def logs(
    context: typer.Context,
    nodes: Annotated[list[str] | None, typer.Argument(help="Names of nodes; all otherwise.")] = None,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on with what comes.")] = False,
    lines: Annotated[int, typer.Option("-n", "--lines", help="How many of the latest lines.", min=0, max=100_000)] = 20,
    code: Annotated[
        str | None, typer.Option("--code", help="Only this code; NET-* for a family.", show_default=False)
    ] = None,
    folder: Folder = None,
) -> None:
    """Show the nodes' logs, merged by time."""
    from hansa.cli.log_view import follow_logs, show_logs
    from hansa.cli.network import open_network

    files = {node.name: node.folder.log for node in open_network(folder).chosen(nodes)}
    screen = screen_of(context)
    offsets = show_logs(files, lines, code, screen)
    if follow:
        follow_logs(files, offsets, code, screen)
