"""One named scenario of the fault matrix."""

from collections.abc import Callable
from random import Random
from typing import Any

import msgspec

from hansa.sim.scenario import DEADLINE_MS, Scenario, draw_machines
from hansa.sim.script import Fault, Script

SIZES = (4, 4, 5, 7)
ALWAYS_LOAD: dict[str, Any] = {"load_pause_us": (0, 0)}  # gaps are the faults' doing
SAFETY_MS = 3_000  # how long a run goes on that demands no progress


class Play(msgspec.Struct, frozen=True):
    """What a row draws: its faults, when they are over, and which machine facts it needs as they are."""

    faults: list[Fault]
    calm_ms: int
    demand_heights: int = 6  # 0 = safety only
    machines: dict[str, Any] = {}  # fields of Scenario


class Row(msgspec.Struct, frozen=True):
    """A row: what goes wrong, what must hold all the same, what the alliance does about it."""

    fault: str  # the line of the matrix
    name: str
    must_hold: str  # numbers of the invariants
    reaction: str
    draw: Callable[[Random, int], Play]  # (generator, number of validators)


def make_row_scenario(row: Row, seed: int) -> Scenario:
    """Return the scenario of a row and a seed: 4, 5 or 7 validators on drawn machines and links."""
    rng = Random(f"{row.name} {seed}")
    size = rng.choice(SIZES)
    play = row.draw(rng, size)
    script = Script(
        name=row.name,
        seed=seed,
        size=size,
        faults=tuple(sorted(play.faults, key=lambda fault: fault.at_ms)),
        calm_ms=play.calm_ms,
        demand_heights=play.demand_heights,
        deadline_ms=play.calm_ms + (DEADLINE_MS if play.demand_heights else SAFETY_MS),
    )
    return msgspec.structs.replace(draw_machines(script, rng), **ALWAYS_LOAD | play.machines)


def draw_few(rng: Random, size: int) -> tuple[int, ...]:
    """Return one to t validators."""
    return tuple(sorted(rng.sample(range(size), rng.randint(1, (size - 1) // 3))))


def everybody(size: int) -> tuple[int, ...]:
    """Return all validators."""
    return tuple(range(size))


def all_but(size: int, node: int) -> tuple[int, ...]:
    """Return all validators but one."""
    return tuple(i for i in range(size) if i != node)
