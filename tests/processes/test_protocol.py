"""The members vote for another protocol: who knows it follows it from the same block on, who does not stops before."""

import json
import re
from pathlib import Path

from hansa import _native
from hansa.node.errors import ProtocolTooNew
from tests.processes.alliance import Node, found
from tests.processes.person import DEADLINE_S, PORTION, CommandLine, SteadyLoad, status, wait_epoch
from tests.waiting import wait_until

NEXT = "tests.processes.next_version"


def entries(node: Node) -> list[dict[str, object]]:
    """What a node wrote into its log."""
    return [json.loads(line) for line in node.folder.log.read_text().splitlines() if line.startswith("{")]


def find_block(node: Node, words: str) -> int:
    """The block that a node named last in an entry of its log; `words` hold a group for it."""
    found = [match for entry in entries(node) if (match := re.search(words, str(entry["what"])))]
    return int(found[-1][1])


def first_block_of(node: Node, protocol: int) -> int:
    """From which block on a node says that it follows a protocol."""
    return find_block(node, rf"^protocol {protocol} is active from block (\d+) on")


def wait_stopped(node: Node, protocol: int) -> int:
    """Wait until a node ended as one does that lacks a protocol; before which block it says that it did."""
    wait_until(lambda: not node.is_running, DEADLINE_S, f"{node.name} ended")
    assert node.process is not None and node.process.returncode == ProtocolTooNew.exit_code, node.words()
    return find_block(node, rf"{ProtocolTooNew.code}: from block (\d+) on the chain follows protocol {protocol}")


def test_a_voted_protocol_begins_where_it_is_known_and_stops_who_lacks_it(tmp_path: Path) -> None:
    alliance = found(tmp_path / "alliance")
    *ready, late = alliance.nodes
    for node in ready:
        node.module = NEXT
    person = CommandLine(tmp_path / "alliance")
    load = None
    try:
        alliance.start()
        wait_until(
            lambda: person.hansa("upgrade", "status")["ready"] == {"2": 3}, DEADLINE_S, "three are known to be ready"
        )
        alliance.take_fresh_accounts()  # the others' nonces are the command line's
        load = SteadyLoad(alliance, ready[0])
        opened = person.hansa("proposal", "consensus", "--protocol", "2", "--as", "core")
        assert status(ready[0])["protocol"] == 1
        person.approve(opened["proposal"], "supplier", "bank")
        wait_epoch(ready, 1)
        assert [status(node)["protocol"] for node in ready] == [2, 2, 2]
        first = first_block_of(ready[0], 2)
        assert [first_block_of(node, 2) for node in ready] == [first] * 3

        assert wait_stopped(late, 2) == first
        for node in ready:
            alliance.wait_height(node, first + 5)
        assert _native.verify_ledger(str(late.folder.data), late.folder.genesis.read_bytes()) == []
        late.start()  # the same release: nothing has changed
        assert wait_stopped(late, 2) == first
        back = person.run("proposal", "consensus", "--protocol", "1", "--as", "core")
        assert back.returncode != 0

        late.module = NEXT  # the release that knows it is installed
        late.start()
        late.wait_ready()
        wait_epoch([late], 1)
        sent = load.stop()
        alliance.wait_final(late, sent + alliance.send(late, PORTION))
        assert status(late)["protocol"] == 2
        assert alliance.check_agreement() >= first
    finally:
        if load is not None:
            load.stop()
        alliance.close()
