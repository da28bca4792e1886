"""Hunting mutants: each must die in a play, or under seeds of the swarm and of the matrix rows that provoke it."""

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor

import msgspec

from hansa.sim.matrix import ROWS, make_row_scenario
from hansa.sim.mutants.broken import MUTANTS, Mutant
from hansa.sim.mutants.plays import PLAYS
from hansa.sim.scenario import Scenario, make_scenario
from hansa.sim.world import World

KILLS_WANTED = 3  # then the next mutant is hunted


class Kill(msgspec.Struct, frozen=True):
    """One run in which a checker objected."""

    scenario: str
    seed: int
    violation: str


class Hunt(msgspec.Struct, frozen=True):
    """What became of one mutant."""

    name: str
    rule: str
    dies_in_play: bool | None  # None = no play is written for it
    seeds: int  # tried
    kills: tuple[Kill, ...]

    @property
    def is_dead(self) -> bool:
        """Whether anything noticed it."""
        return bool(self.dies_in_play) or bool(self.kills)


def hunt(mutant: Mutant, seeds: int) -> Hunt:
    """Play its play and run seeds until it died often enough."""
    build = mutant.build
    play = PLAYS.get(build.name)
    dies_in_play = None if play is None else play(build.rules(), build.make_signer, build.keeps_votes).has_fork()
    kills: list[Kill] = []
    tried = 0
    for tried in range(1, seeds + 1):
        scenario = _choose(mutant, tried - 1)
        violation = World(scenario, None, build).run().violation
        if violation is not None:
            kills.append(Kill(scenario.script.name, scenario.seed, violation))
            if len(kills) == KILLS_WANTED:
                break
    return Hunt(build.name, mutant.rule, dies_in_play, tried, tuple(kills))


def hunt_all(seeds: int, workers: int, on_done: Callable[[Hunt], None]) -> list[Hunt]:
    """Hunt every mutant over processes; `on_done` hears of each, in order."""
    found = []
    with ProcessPoolExecutor(workers) as pool:
        for result in pool.map(_hunt_by_name, [m.build.name for m in MUTANTS], [seeds] * len(MUTANTS)):
            found.append(result)
            on_done(result)
    return found


def format_hunt(result: Hunt) -> str:
    """Return a few lines for people: the verdict, then what killed it."""
    verdict = "dead" if result.is_dead else "SURVIVED"
    play = {None: "no play", True: "dies in its play", False: "survives its play"}[result.dies_in_play]
    kills = f"{len(result.kills)} kills in {result.seeds} seeds"
    lines = [f"{result.name:30} {verdict:8}  {play:18} {kills:24} {result.rule}"]
    lines += [f"    {kill.scenario} {kill.seed}: {kill.violation}" for kill in result.kills]
    return "\n".join(lines)


def _hunt_by_name(name: str, seeds: int) -> Hunt:
    return hunt(next(mutant for mutant in MUTANTS if mutant.build.name == name), seeds)


def _choose(mutant: Mutant, number: int) -> Scenario:
    """The swarm and the mutant's rows take turns."""
    seed, which = divmod(number, 1 + len(mutant.rows))
    return make_row_scenario(ROWS[mutant.rows[which - 1]], seed) if which else make_scenario(seed)
