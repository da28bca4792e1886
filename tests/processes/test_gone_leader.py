"""A validator that is gone for long: its views are left at once, round after round; it leads again once it is back."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.processes.alliance import DEADLINE_S, Load, Node, RunningAlliance, found
from tests.waiting import wait_until

TERM = 3  # heights; a round of four leaders is over within seconds
ROUNDS = 3
GONE = 1


@pytest.fixture
def alliance(tmp_path: Path) -> Iterator[RunningAlliance]:
    """Four nodes that lead for a few heights each."""
    founded = found(tmp_path / "alliance", term=TERM)
    founded.start()
    yield founded
    founded.close()


def leader_of(node: Node, height: int) -> int:
    facts: dict[str, Any] = node.rpc("hansa_getBlockFacts", hex(height))
    return int(facts["view"], 16) % 4


def test_a_leader_that_is_gone_is_passed_over_until_it_is_back(alliance: RunningAlliance) -> None:
    gone, others = alliance.nodes[GONE], [node for node in alliance.nodes if node is not alliance.nodes[GONE]]
    through = others[0]
    load = Load(alliance, 10)

    def is_told(passed: list[int]) -> bool:
        return all(node.rpc("hansa_status")["passedOver"] == passed for node in others)

    wait_until(lambda: is_told([]), DEADLINE_S, "all are heard")
    gone.kill()
    wait_until(lambda: is_told([GONE]), DEADLINE_S, "one is passed over")
    first = through.height() + 8 + 1  # beyond the window
    while through.height() < first + ROUNDS * 3 * TERM:
        load.burst(through, 0.2)
    led = [leader_of(through, height) for height in range(first, through.height() + 1)]
    assert set(led) == {0, 2, 3}
    command = [sys.executable, "-m", "hansa.cli", "status", "--rpc", "http://" + through.ready_record()["rpc"]]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert f"passed over  {gone.name}: nothing is heard from there" in shown
    gone.start()
    gone.wait_ready()
    wait_until(lambda: is_told([]), DEADLINE_S, "it is heard again")
    back = through.height() + 1

    def leads_again() -> bool:
        load.burst(through, 0.2)
        return any(leader_of(through, height) == GONE for height in range(back, through.height() + 1))

    wait_until(leads_again, DEADLINE_S, "it leads again")
    alliance.wait_final(gone, load.sent)
    alliance.check_agreement()
