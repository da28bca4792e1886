"""Leaders that leave on purpose cost nobody a timeout: stopped, told to step down, renewed one by one."""

import signal

from hansa.cli.commands.upgrading import count_ready
from hansa.consensus.effects import WhyLeave
from tests.processes.alliance import DEADLINE_S, Load, Node, RunningAlliance
from tests.processes.moves import check_no_timeout, count_left
from tests.waiting import wait_until

NEXT = "tests.processes.next_version"


def wait_level(alliance: RunningAlliance, node: Node) -> None:
    """Wait until a node is linked with all, votes and holds what the others hold."""
    peers = sum(one.is_running for one in alliance.nodes) - 1
    height = max(one.height() for one in alliance.nodes if one.is_running)

    def is_level() -> bool:
        status = node.rpc("hansa_status")
        return status["peers"] == peers and bool(status["voting"]) and status["height"] >= height

    wait_until(is_level, DEADLINE_S, f"{node.name} is level")


def wait_linked(alliance: RunningAlliance) -> None:
    for node in alliance.nodes:
        wait_level(alliance, node)


def test_a_leader_that_is_stopped_is_followed_without_a_timeout(alliance: RunningAlliance) -> None:
    wait_linked(alliance)
    load = Load(alliance)
    for _ in range(2):
        leader = alliance.leader()
        through = next(node for node in alliance.nodes if node is not leader)
        load.burst(through, 0.5)
        assert leader.stop() == 0
        load.burst(through, 0.5)
        leader.start()
        leader.wait_ready()
        wait_level(alliance, leader)
        alliance.wait_final(leader, load.sent)
    check_no_timeout(alliance.nodes)
    assert sum(count_left(node, WhyLeave.PLANNED) for node in alliance.nodes) == 2


def test_a_leader_steps_down_when_told_to(alliance: RunningAlliance) -> None:
    wait_linked(alliance)
    load = Load(alliance)
    for _ in range(3):
        leader = alliance.leader()
        load.burst(alliance.nodes[0], 0.3)
        assert leader.process is not None
        leader.process.send_signal(signal.SIGUSR1)  # `hansa node step-down`
        wait_until(lambda was=leader: alliance.leader() is not was, DEADLINE_S, "another leader")
    for node in alliance.nodes:
        alliance.wait_final(node, load.sent)
    check_no_timeout(alliance.nodes)


def renew(alliance: RunningAlliance, node: Node, load: Load) -> None:
    """Stop a node under load and start it as one of the next release."""
    through = next(one for one in alliance.nodes if one is not node)
    load.burst(through, 0.3)
    assert node.stop() == 0
    node.module = NEXT
    node.start()
    node.wait_ready()
    load.burst(through, 0.3)
    wait_level(alliance, node)


def test_nodes_of_two_releases_run_together_and_are_renewed_one_by_one(alliance: RunningAlliance) -> None:
    wait_linked(alliance)
    load = Load(alliance)
    for node in alliance.nodes[:2]:
        renew(alliance, node, load)
    for node in alliance.nodes:
        alliance.wait_final(node, load.sent)
        assert count_ready(node.rpc("hansa_validators"), active=1) == {2: 2}
    for node in alliance.nodes[2:]:
        renew(alliance, node, load)
    for node in alliance.nodes:
        alliance.wait_final(node, load.sent)
        assert count_ready(node.rpc("hansa_validators"), active=1) == {2: 4}
    alliance.check_agreement()
    check_no_timeout(alliance.nodes)
