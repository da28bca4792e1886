"""Bringing the nodes of a folder up together, and seeing that they are linked."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from hansa.alliance.model import Alliance
from hansa.cli.errors import NodeDied, NotReady
from hansa.cli.network import LocalNode
from hansa.cli.processes import (
    ProcessRecord,
    check_port_free,
    read_ready,
    running_process,
    start_node,
    stop_nodes,
    wait_ready,
)
from hansa.errors import HansaError
from hansa.sdk.errors import NodeUnreachable, RpcFailed

_POLL_S = 0.02


@dataclass(frozen=True, slots=True)
class Started:
    """How the start went."""

    fresh: tuple[str, ...]  # names of the nodes that were started now
    serving: tuple[LocalNode, ...]
    linked: int  # of these, how many see all others that serve here
    failures: tuple[HansaError, ...]  # of nodes that did not come up
    heights: dict[str, int]  # by node name
    seconds: float


def start_nodes(alliance: Alliance, nodes: Sequence[LocalNode], timeout_s: float) -> Started:
    """Start what does not run yet, wait until every node serves or failed, and those that serve are linked.

    One that fails does not stop the others: they go on without it, as long as enough of them are left.

    Raises
    ------
    PortInUse: another process listens where a node should; nothing was started.
    NotReady: the nodes that serve do not find one another in time.
    """
    began = time.monotonic()
    deadline = began + timeout_s
    stopped = [node for node in nodes if running_process(node.folder) is None and read_ready(node.folder) is None]
    check_ports(alliance, [node.name for node in stopped])
    processes = {node.name: start_node(node.folder) for node in stopped}
    heights: dict[str, int] = {}
    failures: list[HansaError] = []
    for node in nodes:
        try:
            heights[node.name] = _wait_serving(node, processes.get(node.name), deadline)
        except (NodeDied, NotReady) as failure:
            failures.append(failure)
    serving = tuple(node for node in nodes if node.name in heights)
    linked = _wait_linked(serving, deadline)
    seconds = time.monotonic() - began
    return Started(tuple(processes), serving, linked, tuple(failures), heights, seconds)


@dataclass(frozen=True, slots=True)
class Renewed:
    """One node that was stopped and started again."""

    name: str
    version: str  # what runs now
    seconds: float  # from stopping it to its voting again


def renew_nodes(alliance: Alliance, nodes: Sequence[LocalNode], timeout_s: float) -> Iterator[Renewed]:
    """Stop and start one node after the other, each only once the one before votes and is level; the leader last.

    A stopped leader gives leadership away first. So the others never wait, as long as all of them run.

    Raises
    ------
    NotReady: one does not come back in time; the others go on as they are.
    """
    for node in sorted(nodes, key=_is_leader):
        began = time.monotonic()
        process = running_process(node.folder)
        if process is not None:
            stop_nodes({node.name: process})
        height = max((_status_of(other).get("height", 0) for other in nodes if other is not node), default=0)
        start_nodes(alliance, [node], timeout_s)
        yield Renewed(node.name, _wait_voting(node, height, began + timeout_s), time.monotonic() - began)


def _is_leader(node: LocalNode) -> bool:
    status = _status_of(node)
    return bool(status) and status["leader"] == status["index"]


def _wait_voting(node: LocalNode, height: int, deadline: float) -> str:
    """Wait until a node votes and has reached a height; the version that it runs."""
    while True:
        status = _status_of(node)
        if status and (status["voting"] or status["standby"]) and status["height"] >= height:
            return str(status["version"])
        if time.monotonic() > deadline:
            raise NotReady(f"{node.name} does not vote again yet; the others were left as they are", "hansa doctor")
        time.sleep(_POLL_S)


def _status_of(node: LocalNode) -> dict[str, Any]:
    """What a node says of itself; nothing when it does not answer."""
    try:
        with node.open_client(timeout_s=5) as client:
            return dict(client.call("hansa_status"))
    except (NodeUnreachable, RpcFailed):
        return {}


def start_companions(companions: Sequence[LocalNode], timeout_s: float) -> list[str]:
    """Start those signers or standbys that do not run, and wait until they serve; their names.

    Raises
    ------
    NodeDied, NotReady: one does not come up.
    """
    deadline = time.monotonic() + timeout_s
    stopped = [one for one in companions if running_process(one.folder) is None and read_ready(one.folder) is None]
    processes = {one.name: start_node(one.folder) for one in stopped}
    for one in stopped:
        wait_ready(one.folder, one.name, processes[one.name], deadline)
    return list(processes)


def check_ports(alliance: Alliance, names: Sequence[str]) -> None:
    """Check that nothing listens where these nodes will.

    Raises
    ------
    PortInUse: something does.
    """
    for _, node in alliance.nodes():
        if node.name in names:
            for address in (node.listen, node.rpc, node.ws):
                check_port_free(address, node.name)


def _wait_serving(node: LocalNode, process: ProcessRecord | None, deadline: float) -> int:
    """The height at which a node serves."""
    ready = wait_ready(node.folder, node.name, process, deadline) if process else read_ready(node.folder)
    return ready.height if ready else 0


def _wait_linked(nodes: Sequence[LocalNode], deadline: float) -> int:
    """Wait until each of these nodes sees the others; how many do."""
    linked: set[str] = set()
    while True:
        for node in nodes:
            if node.name not in linked and _is_linked(node, len(nodes) - 1):
                linked.add(node.name)
        if len(linked) == len(nodes):
            return len(linked)
        if time.monotonic() > deadline:
            alone = ", ".join(node.name for node in nodes if node.name not in linked)
            raise NotReady(f"{alone} did not find the other nodes", "hansa logs, or wait longer with --timeout")
        time.sleep(_POLL_S)


def _is_linked(node: LocalNode, others: int) -> bool:
    """Whether a node sees the others; a standby sees its active node only, and that suffices."""
    status = _status_of(node)
    return bool(status) and (status["peers"] >= others or status["standby"] is not None)
