"""One validator of a running alliance on two nodes: its signer, its active node, its standby."""

import signal
from dataclasses import dataclass
from pathlib import Path

from hansa.alliance.layout import AllianceFolder
from hansa.cli.network import open_network
from hansa.node.signing.pairing import choose_places, make_standby
from tests.processes.alliance import DEADLINE_S, Node, RunningAlliance, free_ports
from tests.waiting import wait_until


@dataclass
class Pair:
    """The three processes of one validator."""

    signer: Node
    first: Node
    second: Node

    def active(self) -> Node:
        """The node that may sign."""
        return next(node for node in (self.first, self.second) if is_active(node))

    def wait_active(self, node: Node) -> None:
        """Wait until a node votes."""
        wait_until(lambda: is_active(node), DEADLINE_S, f"{node.name} votes")

    def close(self) -> None:
        """End what this started beside the alliance's own nodes."""
        for node in (self.second, self.signer):
            if node.is_running:
                assert node.process is not None
                node.process.send_signal(signal.SIGCONT)
                node.kill()


def is_active(node: Node) -> bool:
    """Whether a node runs, may sign and votes."""
    if not node.is_running:
        return False
    try:
        status = node.rpc("hansa_status")
    except OSError:
        return False
    return status["standby"] is None and bool(status["voting"])


def is_standby(node: Node) -> bool:
    """Whether a node runs and follows."""
    try:
        return node.rpc("hansa_status")["standby"] is not None
    except OSError:
        return False


def give_standby(root: Path, alliance: RunningAlliance, index: int) -> Pair:
    """Put one stopped validator of an alliance on two nodes; the signer runs when this returns."""
    network = open_network(root)
    node = network.nodes[index]
    listen, rpc, ws, signs = (f"127.0.0.1:{port}" for port in free_ports(4))
    places = choose_places(network.alliance, node.name, listen, rpc, ws, signs)
    make_standby(network.folder, network.alliance, node.organisation, node.name, places)
    folder = AllianceFolder(root)
    pair = Pair(
        Node(folder.signer(node.organisation, node.name), f"{node.name}-signer", module="hansa.node.signing"),
        alliance.nodes[index],
        Node(folder.standby(node.organisation, node.name), f"{node.name}-standby"),
    )
    pair.signer.start()
    pair.signer.wait_ready()
    return pair
