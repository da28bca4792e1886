"""Every rule earns its place: without it, a play forks the chain, or seeds find the damage; most die in both ways."""

import os

import pytest

from hansa.consensus.pbft import Rules
from hansa.sim.build import make_plain_signer
from hansa.sim.command import main
from hansa.sim.mutants.broken import MUTANTS, Mutant
from hansa.sim.mutants.hunt import KILLS_WANTED, format_hunt, hunt
from hansa.sim.mutants.plays import PLAYS

SEEDS = int(os.environ.get("HANSA_MUTANT_SEEDS", "300"))  # most die within a hundred
ONLY_IN_PLAYS = {"two bases in one view", "any parent", "COMMIT after VIEW-CHANGE"}  # or after very many seeds


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.build.name)
def test_the_mutant_dies(mutant: Mutant) -> None:
    found = hunt(mutant, 3 if mutant.build.name in ONLY_IN_PLAYS else SEEDS)
    assert found.is_dead, format_hunt(found)
    assert found.dies_in_play is not False
    assert mutant.build.name in ONLY_IN_PLAYS or len(found.kills) == KILLS_WANTED, format_hunt(found)


@pytest.mark.parametrize("name", PLAYS)
def test_the_sound_rules_survive_the_play(name: str) -> None:
    stage = PLAYS[name](Rules(), make_plain_signer, True)
    assert not stage.has_fork()
    assert not stage.has_equivocation()
    assert not any(actor.halted for actor in stage.actors.values())


def test_every_play_is_about_a_mutant() -> None:
    assert set(PLAYS) <= {mutant.build.name for mutant in MUTANTS}


def test_the_command_fails_when_a_mutant_survives(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--mutants", "--seeds", "1", "--workers", "1"]) == 1
    assert "SURVIVED" in capsys.readouterr().out
