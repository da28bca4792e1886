"""Whoever was away votes again in the very view that goes on: the next one that goes away costs nobody a timeout."""

from random import Random

import msgspec
import pytest

from hansa.sim.matrix.crashes import STABLE
from hansa.sim.matrix.members import EVEN_PACE
from hansa.sim.matrix.row import ALWAYS_LOAD
from hansa.sim.scenario import Scenario, draw_machines
from hansa.sim.script import Crash, Script
from hansa.sim.world import World

AWAY_MS, GONE_MS, DEADLINE_MS = 1_000, 4_000, 60_000


def make_scenario(seed: int) -> Scenario:
    """Two of three followers are away one after the other, while block follows block with none beside it."""
    faults = (Crash(AWAY_MS, AWAY_MS + 500, (3,)), Crash(GONE_MS, GONE_MS + DEADLINE_MS, (2,)))
    script = Script("away", seed, 4, faults, calm_ms=GONE_MS, demand_heights=20, deadline_ms=DEADLINE_MS)
    return msgspec.structs.replace(draw_machines(script, Random(seed)), **ALWAYS_LOAD | STABLE | EVEN_PACE)


@pytest.mark.parametrize("seed", range(6))
def test_a_quorum_that_needs_whoever_came_back_goes_on_in_the_same_view(seed: int) -> None:
    outcome = World(make_scenario(seed)).run()
    assert outcome.violation is None, outcome
    assert outcome.views == 0, outcome
