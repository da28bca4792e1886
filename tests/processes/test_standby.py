"""A validator on two nodes: whichever dies, the other one votes; both alive and both sure of it do no harm."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from hansa.node.signing.pairing import open_signer_client, take_over
from tests.processes.alliance import DEADLINE_S, Load, Node, RunningAlliance, found
from tests.processes.moves import check_no_timeout
from tests.processes.pairs import Pair, give_standby, is_active, is_standby
from tests.waiting import wait_until

PAIRED = 1  # not the first leader


@pytest.fixture
def paired(tmp_path: Path) -> Iterator[tuple[RunningAlliance, Pair]]:
    """Four validators that run, one of them on two nodes."""
    root = tmp_path / "alliance"
    alliance = found(root)
    pair = give_standby(root, alliance, PAIRED)
    try:
        alliance.start()
        pair.wait_active(pair.first)
        pair.second.start()
        pair.second.wait_ready()
        wait_until(lambda: is_standby(pair.second), DEADLINE_S, "a standby")
        yield alliance, pair
    finally:
        alliance.close()
        pair.close()


def make_leader(alliance: RunningAlliance, node: Node) -> None:
    """Have others step down until this node leads."""
    for _ in range(2 * len(alliance.nodes)):
        leader = alliance.leader()
        if leader is node:
            return
        assert leader.process is not None
        leader.process.send_signal(signal.SIGUSR1)
        wait_until(lambda was=leader: alliance.leader() is not was, DEADLINE_S, "another leader")
    raise AssertionError(f"{node.name} never leads")


def check_nobody_lied(alliance: RunningAlliance, pair: Pair) -> None:
    """No node saw a validator contradict itself, and no vote was refused by the marks."""
    for node in (*alliance.nodes, pair.second, pair.signer):
        said = node.folder.log.read_text()
        assert "CONSENSUS-9" not in said and "CONSENSUS-12" not in said, node.name


def others(alliance: RunningAlliance) -> list[Node]:
    return [node for index, node in enumerate(alliance.nodes) if index != PAIRED]


def check_needed(alliance: RunningAlliance, votes: Node) -> None:
    """Blocks go on with this node's votes: without it and another one there is no quorum."""
    away = next(node for node in others(alliance) if node is not alliance.leader())
    away.kill()
    alliance.wait_final(votes, alliance.send(votes, 20))
    away.start()
    away.wait_ready()


def test_the_standby_takes_over_from_an_active_node_that_is_killed_while_it_leads(
    paired: tuple[RunningAlliance, Pair],
) -> None:
    alliance, pair = paired
    make_leader(alliance, pair.first)
    through = others(alliance)[0]
    load = Load(alliance)
    load.burst(through, 1.0)
    pair.first.kill()
    load.burst(through, 1.0)
    pair.wait_active(pair.second)
    for node in (*others(alliance), pair.second):
        alliance.wait_final(node, load.sent)
    check_needed(alliance, pair.second)
    pair.first.start()
    pair.first.wait_ready()
    wait_until(lambda: is_standby(pair.first), DEADLINE_S, "the old one stands by")
    alliance.wait_height(pair.first, pair.second.height())
    alliance.check_agreement()
    check_nobody_lied(alliance, pair)


def test_one_that_wakes_up_after_the_other_took_over_is_refused(paired: tuple[RunningAlliance, Pair]) -> None:
    alliance, pair = paired
    through = others(alliance)[0]
    load = Load(alliance)
    assert pair.first.process is not None
    pair.first.process.send_signal(signal.SIGSTOP)
    load.burst(through, 0.5)
    pair.wait_active(pair.second)
    pair.first.process.send_signal(signal.SIGCONT)  # it believes itself active: a double start
    load.burst(through, 1.0)
    wait_until(lambda: is_standby(pair.first), DEADLINE_S, "the loser stands by")
    assert "SIGNER-2" in pair.first.folder.log.read_text()
    for node in (*others(alliance), pair.second):
        alliance.wait_final(node, load.sent)
    check_needed(alliance, pair.second)
    alliance.check_agreement()
    check_nobody_lied(alliance, pair)


def test_on_command_the_standby_takes_over_and_nobody_waits(paired: tuple[RunningAlliance, Pair]) -> None:
    alliance, pair = paired
    make_leader(alliance, pair.first)
    through = others(alliance)[0]
    load = Load(alliance)
    load.burst(through, 0.5)
    client = open_signer_client(pair.first.folder)
    before, after, _ = take_over(client, DEADLINE_S)
    client.close()
    assert before.holder != after.holder
    load.burst(through, 0.5)
    pair.wait_active(pair.second)
    wait_until(lambda: is_standby(pair.first), DEADLINE_S, "the old one stands by")
    for node in (*others(alliance), pair.second):
        alliance.wait_final(node, load.sent)
    check_nobody_lied(alliance, pair)
    check_no_timeout([*others(alliance), pair.second])
    refused = pair.first.post(b'{"jsonrpc":"2.0","id":1,"method":"eth_sendRawTransaction","params":["0x00"]}')
    assert refused["error"]["data"]["code"] == "RPC-15"


def test_a_signer_that_is_killed_stops_one_validator_and_comes_back(paired: tuple[RunningAlliance, Pair]) -> None:
    alliance, pair = paired
    through = others(alliance)[0]
    load = Load(alliance)
    pair.signer.kill()
    load.burst(through, 0.5)
    alliance.wait_final(through, load.sent)
    pair.signer.start()
    pair.signer.wait_ready()
    wait_until(lambda: is_active(pair.first) != is_active(pair.second), DEADLINE_S, "one of them votes")
    check_needed(alliance, pair.active())
    check_nobody_lied(alliance, pair)
