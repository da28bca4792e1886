"""The command `hansa sim`: swarm seeds, the fault matrix, one run with its trace."""

import argparse
import os
from pathlib import Path
from random import Random

from hansa.errors import HansaError
from hansa.sim.errors import InvalidScript
from hansa.sim.matrix import ROWS, make_row_scenario
from hansa.sim.matrix.report import RowResult, encode_report, format_row, run_matrix
from hansa.sim.mutants.hunt import format_hunt, hunt_all
from hansa.sim.run import explain, format_summary, run_seeds
from hansa.sim.scenario import Scenario, draw_machines, make_scenario
from hansa.sim.script import decode_script, encode_script
from hansa.sim.world import Outcome

MATRIX_SEEDS = 20
MUTANT_SEEDS = 300


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns the exit code: 1 where a property did not hold, 2 where the command cannot be done."""
    options = _parse(arguments)
    try:
        if options.script is not None or options.scenario is not None or options.seed is not None:
            return _one(options)
        if options.mutants:
            return _mutants(options)
        return _matrix(options) if options.matrix else _swarm(options)
    except HansaError as error:
        print(error)
        return error.exit_code


def _parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("hansa sim", description="Run simulated alliances with seeded faults")
    parser.add_argument("--seeds", type=int, help=f"how many seeds to run (100; for each row {MATRIX_SEEDS})")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    parser.add_argument("--size", type=int, choices=(1, 2, 3, 4, 5, 6, 7), help="number of validators (default: drawn)")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes (one for each core)")
    parser.add_argument("--matrix", action="store_true", help="run every row of the fault matrix")
    parser.add_argument("--mutants", action="store_true", help="run validators with a broken rule; all must be noticed")
    parser.add_argument("--out", type=Path, help="write the matrix's report there, as JSON")
    parser.add_argument("--seed", type=int, help="run this one seed and explain it")
    parser.add_argument("--scenario", choices=sorted(ROWS), metavar="NAME", help="of this row of the matrix")
    parser.add_argument("--script", type=Path, help="play this script")
    parser.add_argument("--show", action="store_true", help="print the one run's script instead of playing it")
    return parser.parse_args(arguments)


def _one(options: argparse.Namespace) -> int:
    scenario, replay = _choose(options)
    if options.show:
        print(encode_script(scenario.script).decode(), end="")
        return 0
    outcome, text = explain(scenario, replay)
    print(text)
    return 0 if outcome.violation is None else 1


def _choose(options: argparse.Namespace) -> tuple[Scenario, str]:
    seed = options.seed or 0
    if options.script is not None:
        try:
            script = decode_script(options.script.read_bytes())
        except OSError as error:
            raise InvalidScript(f"{options.script} cannot be read: {error.strerror}", "name a file") from error
        return draw_machines(script, Random(script.seed)), f"--script {options.script}"
    if options.scenario is not None:
        return make_row_scenario(ROWS[options.scenario], seed), f'--scenario "{options.scenario}" --seed {seed}'
    return make_scenario(seed, options.size), f"--seed {seed}" + (f" --size {options.size}" if options.size else "")


def _swarm(options: argparse.Namespace) -> int:
    count = 100 if options.seeds is None else options.seeds
    summary = run_seeds(range(options.first, options.first + count), options.size, options.workers)
    print(format_summary(summary))
    if summary.failed:
        seed = summary.failed[0].seed
        print(explain(make_scenario(seed, options.size), f"--seed {seed}")[1])
    return 1 if summary.failed else 0


def _mutants(options: argparse.Namespace) -> int:
    seeds = MUTANT_SEEDS if options.seeds is None else options.seeds
    found = hunt_all(seeds, options.workers, lambda result: print(format_hunt(result), flush=True))
    alive = [result.name for result in found if not result.is_dead]
    print(f"{len(found)} mutants, {len(alive)} survived" + "".join(f", {name}" for name in alive))
    return 1 if alive else 0


def _matrix(options: argparse.Namespace) -> int:
    def show(result: RowResult, failed: list[Outcome]) -> None:
        print(format_row(result), flush=True)
        for outcome in failed[:3]:
            print(f"    seed {outcome.seed}: {outcome.violation}")

    report = run_matrix(ROWS, MATRIX_SEEDS if options.seeds is None else options.seeds, options.workers, show)
    if options.out is not None:
        options.out.write_bytes(encode_report(report))
    return 1 if any(row.failed for row in report.rows) else 0
