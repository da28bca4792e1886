"""Running the matrix under seeds, and what it gave: JSON for the page in docs, lines for people."""

from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor

import msgspec

from hansa.sim.matrix import ROWS
from hansa.sim.matrix.row import make_row_scenario
from hansa.sim.world import Outcome, World


class RowResult(msgspec.Struct, frozen=True):
    """What the seeds of one row gave."""

    fault: str
    name: str
    must_hold: str
    reaction: str
    seeds: int
    failed: tuple[int, ...]  # seeds
    heights: int  # sealed by the slowest sound node, summed
    gap_p50_ms: int  # longest time after calm without a new final block, of virtual time; -1 = safety only
    gap_p99_ms: int
    gap_max_ms: int


class MatrixReport(msgspec.Struct, frozen=True):
    """All rows."""

    seeds: int  # for each row, from 0 on
    rows: tuple[RowResult, ...]


_DECODER = msgspec.json.Decoder(MatrixReport)


def run_row_seed(what: tuple[str, int]) -> Outcome:
    """Run one seed of one row, given by name."""
    name, seed = what
    return World(make_row_scenario(ROWS[name], seed)).run()


def run_matrix(
    names: Iterable[str], seeds: int, workers: int, on_row: Callable[[RowResult, list[Outcome]], None]
) -> MatrixReport:
    """Run rows under the seeds from 0 on, over processes.

    Parameters
    ----------
    on_row: called with each finished row and its failed outcomes, in order.
    """
    names = list(names)
    results = []
    with ProcessPoolExecutor(workers) as pool:
        outcomes = pool.map(run_row_seed, [(name, seed) for name in names for seed in range(seeds)], chunksize=4)
        for name in names:
            found = [next(outcomes) for _ in range(seeds)]
            result = _summarise(name, found)
            results.append(result)
            on_row(result, [outcome for outcome in found if outcome.violation is not None])
    return MatrixReport(seeds, tuple(results))


def encode_report(report: MatrixReport) -> bytes:
    """Return the report as indented JSON; the same runs give the same bytes."""
    return msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n"


def decode_report(data: bytes) -> MatrixReport:
    """Return a report from its JSON, trusted: it lies in the repository."""
    return _DECODER.decode(data)


def format_row(result: RowResult) -> str:
    """Return one line for people."""
    verdict = "ok" if not result.failed else f"FAILED at seeds {' '.join(map(str, result.failed[:5]))}"
    gap = "safety only" if result.gap_max_ms < 0 else f"p50 {result.gap_p50_ms} ms, p99 {result.gap_p99_ms} ms"
    return f"{result.fault:32} {result.name:28} {result.seeds:6} seeds  {gap:28} {verdict}"


def _summarise(name: str, outcomes: list[Outcome]) -> RowResult:
    row = ROWS[name]
    gaps = sorted(outcome.gap_ms for outcome in outcomes if outcome.gap_ms >= 0) or [-1]
    return RowResult(
        fault=row.fault,
        name=name,
        must_hold=row.must_hold,
        reaction=row.reaction,
        seeds=len(outcomes),
        failed=tuple(outcome.seed for outcome in outcomes if outcome.violation is not None),
        heights=sum(outcome.heights for outcome in outcomes),
        gap_p50_ms=gaps[len(gaps) // 2],
        gap_p99_ms=gaps[len(gaps) * 99 // 100],
        gap_max_ms=gaps[-1],
    )
