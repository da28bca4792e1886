"""Random faults over four, five and seven validators: no fork, no stall. `hansa sim --seeds 2000` runs more of them."""

import os

import pytest

from hansa.sim.run import explain_seed, run_seeds

SEEDS = int(os.environ.get("HANSA_SIM_SEEDS", "120"))  # for each size


@pytest.mark.parametrize("size", [4, 5, 7])
def test_seeds_are_clean(size: int) -> None:
    summary = run_seeds(range(10_000 * size, 10_000 * size + SEEDS), size)
    assert not summary.failed, explain_seed(summary.failed[0].seed, size)
