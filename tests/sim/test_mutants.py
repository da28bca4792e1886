"""Every rule earns its place: without it, a play forks the chain, and random seeds find the damage too."""

import pytest

from hansa.consensus.pbft import Rules
from hansa.sim.build import Build
from hansa.sim.scenario import make_scenario
from hansa.sim.world import World
from tests.paper.plays import PLAYS
from tests.paper.stage import Stage, plain_signer
from tests.sim.mutants import MUTANTS

SEEDS_MAX = 600  # a mutant that random faults can kill must be dead by then; most die within a hundred
FOUND_BY_SEEDS = [mutant for mutant in MUTANTS if mutant.name != "two bases in one view"]  # 3 in 800 runs: plays only


def is_broken(stage: Stage) -> bool:
    """Whether two honest validators show different blocks at one height."""
    return stage.has_fork()


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_play_forks_the_mutant(mutant: Build) -> None:
    assert is_broken(PLAYS[mutant.name](mutant.rules(), mutant.make_signer, mutant.keeps_votes))


@pytest.mark.parametrize("name", PLAYS)
def test_the_sound_rules_survive_the_play(name: str) -> None:
    stage = PLAYS[name](Rules(), plain_signer, True)
    assert not stage.has_fork()
    assert not stage.has_equivocation()
    assert not any(actor.halted for actor in stage.actors.values())


@pytest.mark.parametrize("mutant", FOUND_BY_SEEDS, ids=lambda mutant: mutant.name)
def test_seeds_find_the_mutant(mutant: Build) -> None:
    for seed in range(SEEDS_MAX):
        world = World(make_scenario(seed), None, mutant)
        if world.run().violation is not None:
            return
    pytest.fail(f"'{mutant.name}' survived {SEEDS_MAX} seeds")
