"""Running seeds: one, or thousands over all cores, with a summary and the way to replay a failure."""

import os
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor

import msgspec

from hansa.sim.scenario import Scenario, make_scenario
from hansa.sim.trace import Trace
from hansa.sim.world import Outcome, World

TRACE_LINES_SHOWN = 120


class Summary(msgspec.Struct, frozen=True):
    """What many seeds gave."""

    seeds: int
    failed: tuple[Outcome, ...]
    heights: int
    events: int
    heal_p99_ms: int
    heal_max_ms: int
    seconds: float


def run_seed(seed: int, size: int | None = None, trace: bool = False) -> Outcome:
    """Run one seed.

    Parameters
    ----------
    size: number of validators; None = drawn from the seed. trace: also compute the trace's hash (slower).
    """
    return World(make_scenario(seed, size), Trace() if trace else None).run()


def run_seeds(
    seeds: Iterable[int],
    size: int | None = None,
    workers: int | None = None,
    on_done: Callable[[int], None] | None = None,
) -> Summary:
    """Run many seeds over processes.

    Parameters
    ----------
    workers: processes; None = one for each core. on_done: called with the number of finished seeds now and then.
    """
    began = time.monotonic()
    todo = list(seeds)
    count = workers or os.cpu_count() or 1
    if count == 1:
        return _summarise([run_seed(seed, size) for seed in todo], time.monotonic() - began)
    outcomes: list[Outcome] = []
    with ProcessPoolExecutor(count) as pool:
        for done, outcome in enumerate(pool.map(run_seed, todo, [size] * len(todo), chunksize=8), 1):
            outcomes += (outcome,)
            if on_done is not None and done % 100 == 0:
                on_done(done)
    return _summarise(outcomes, time.monotonic() - began)


def explain(scenario: Scenario, replay: str) -> tuple[Outcome, str]:
    """Run one scenario with its trace; returns how it ended and what to show: verdict, scenario, last events.

    Parameters
    ----------
    replay: options of `hansa sim` that run it again.
    """
    trace = Trace()
    outcome = World(scenario, trace).run()
    lines = [f"{scenario.script.name} {scenario.seed}: {outcome.violation or 'clean'}", f"scenario {scenario}"]
    if outcome.violation is not None:
        lines += list(trace.lines)[-TRACE_LINES_SHOWN:]
    lines.append(
        f"{outcome.events} events, {outcome.virtual_ms} ms of virtual time, height {outcome.heights}, "
        f"view {outcome.views}, trace {outcome.trace}"
    )
    lines.append(f"replay: hansa sim {replay}")
    return outcome, "\n".join(lines)


def format_summary(summary: Summary) -> str:
    """Return the summary in a few lines."""
    rate = summary.seeds / summary.seconds if summary.seconds else 0.0
    lines = [
        f"{summary.seeds} seeds, {len(summary.failed)} failed, {summary.heights} heights sealed, "
        f"{summary.events} events in {summary.seconds:.1f} s ({rate:.1f} seeds/s)",
        f"first new block after healing: p99 {summary.heal_p99_ms} ms, max {summary.heal_max_ms} ms of virtual time",
    ]
    lines += [f"  seed {outcome.seed}: {outcome.violation}" for outcome in summary.failed[:20]]
    return "\n".join(lines)


def _summarise(outcomes: list[Outcome], seconds: float) -> Summary:
    heals = sorted(outcome.heal_ms for outcome in outcomes if outcome.heal_ms >= 0)
    return Summary(
        seeds=len(outcomes),
        failed=tuple(outcome for outcome in outcomes if outcome.violation is not None),
        heights=sum(outcome.heights for outcome in outcomes),
        events=sum(outcome.events for outcome in outcomes),
        heal_p99_ms=heals[len(heals) * 99 // 100] if heals else -1,
        heal_max_ms=heals[-1] if heals else -1,
        seconds=seconds,
    )
