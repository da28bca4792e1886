"""Bringing the nodes of a folder up together, and seeing that they are linked."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from hansa.alliance.model import Alliance
from hansa.cli.errors import NotReady
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
from hansa.sdk.client import Client
from hansa.sdk.errors import NodeUnreachable, RpcFailed

_POLL_S = 0.02


@dataclass(frozen=True, slots=True)
class Started:
    """How the start went."""

    fresh: tuple[str, ...]  # names of the nodes that were started now
    linked: int  # nodes that see all others
    heights: dict[str, int]  # by node name
    seconds: float


def start_nodes(alliance: Alliance, nodes: Sequence[LocalNode], timeout_s: float) -> Started:
    """Start what does not run yet, wait until every node serves and, where all nodes are here, all are linked.

    Raises
    ------
    PortInUse: another process listens where a node should; nothing was started.
    NodeDied, NotReady: a node ended, does not serve in time, or does not find the others.
    """
    began = time.monotonic()
    deadline = began + timeout_s
    stopped = [node for node in nodes if running_process(node.folder) is None and read_ready(node.folder) is None]
    addresses = {node.name: (node.listen, node.rpc, node.ws) for _, node in alliance.nodes()}
    for node in stopped:
        for address in addresses[node.name]:
            check_port_free(address, node.name)
    processes: dict[str, ProcessRecord] = {node.name: start_node(node.folder) for node in stopped}
    try:
        heights = _wait_serving(nodes, processes, deadline)
    except HansaError:
        stop_nodes(processes)  # nothing is left half started
        raise
    linked = _wait_linked(alliance, nodes, deadline)
    return Started(tuple(processes), linked, heights, time.monotonic() - began)


def _wait_serving(nodes: Sequence[LocalNode], processes: dict[str, ProcessRecord], deadline: float) -> dict[str, int]:
    """The height of each node by name, once all serve."""
    heights: dict[str, int] = {}
    for node in nodes:
        process = processes.get(node.name)
        ready = wait_ready(node.folder, node.name, process, deadline) if process else read_ready(node.folder)
        heights[node.name] = ready.height if ready else 0
    return heights


def _wait_linked(alliance: Alliance, nodes: Sequence[LocalNode], deadline: float) -> int:
    """How many nodes see all others; waits for all of them when the whole alliance is here."""
    others = len(alliance.nodes()) - 1
    is_whole = len(nodes) == others + 1
    linked: set[str] = set()
    while True:
        for node in nodes:
            if node.name not in linked and _peers_of(node) >= others:
                linked.add(node.name)
        if len(linked) == len(nodes) or not is_whole:
            return len(linked)
        if time.monotonic() > deadline:
            alone = ", ".join(node.name for node in nodes if node.name not in linked)
            raise NotReady(f"{alone} did not find the other nodes", "hansa logs, or wait longer with --timeout")
        time.sleep(_POLL_S)


def _peers_of(node: LocalNode) -> int:
    try:
        with Client(node.rpc, timeout_s=5) as client:
            return int(client.call("net_peerCount"), 16)
    except (NodeUnreachable, RpcFailed):
        return -1
