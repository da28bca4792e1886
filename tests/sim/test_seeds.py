"""Random faults over four, five and seven validators: no fork, no stall. `hansa sim --seeds 2000` runs more of them."""

import os

import pytest

from hansa.sim.run import explain, run_seeds
from hansa.sim.scenario import make_scenario

SEEDS = int(os.environ.get("HANSA_SIM_SEEDS", "120"))  # for each size


@pytest.mark.parametrize("size", [4, 5, 7])
def test_seeds_are_clean(size: int) -> None:
    summary = run_seeds(range(10_000 * size, 10_000 * size + SEEDS), size)
    assert not summary.failed, explain(make_scenario(summary.failed[0].seed, size), "--seed, --size")[1]
