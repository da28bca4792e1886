"""What nodes say about the views they left."""

from hansa.consensus.effects import WhyLeave
from tests.processes.alliance import Node

UNPLANNED = (WhyLeave.TIMEOUT, WhyLeave.LEADER_DOWN, WhyLeave.LEADER_SILENT, WhyLeave.CANNOT_LEAD)


def count_left(node: Node, *reasons: WhyLeave) -> int:
    """How many views a node gave up for one of these reasons, over all its lives."""
    return sum(any(str(why) in line for why in reasons) for line in node.folder.log.read_text().splitlines())


def check_no_timeout(nodes: list[Node]) -> None:
    """No node ever waited for a leader in vain."""
    waited = {node.name: count_left(node, *UNPLANNED) for node in nodes}
    assert not any(waited.values()), waited
