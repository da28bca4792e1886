"""A seed decides everything: the same trace in every process, whatever Python's hash seed is."""

import subprocess
import sys
from pathlib import Path

from hansa.sim.command import main
from hansa.sim.run import explain, format_summary, run_seed, run_seeds
from hansa.sim.scenario import make_scenario

SOURCE = Path(__file__).resolve().parents[3] / "src"
SEEDS = (3, 11, 27)  # with twins, cuts and blackouts among them
PROGRAM = "import sys; from hansa.sim.run import run_seed\nfor seed in {seeds}: print(run_seed(seed, None, True).trace)"


def traces_in_another_process(hash_seed: str) -> list[str]:
    environment = {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(SOURCE)}
    command = [sys.executable, "-c", PROGRAM.format(seeds=SEEDS)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_same_seed_same_trace_under_two_hash_seeds() -> None:
    first, second = traces_in_another_process("1"), traces_in_another_process("2")
    assert first == second
    assert len(set(first)) == len(SEEDS)


def test_a_run_repeats_itself() -> None:
    assert run_seed(5, None, True) == run_seed(5, None, True)


def test_tracing_changes_nothing() -> None:
    plain, traced = run_seed(8), run_seed(8, None, True)
    assert (plain.events, plain.heights, plain.virtual_ms) == (traced.events, traced.heights, traced.virtual_ms)


def test_many_seeds_make_a_summary() -> None:
    summary = run_seeds(range(6), 4, workers=1)
    assert (summary.seeds, summary.failed) == (6, ())
    assert "6 seeds, 0 failed" in format_summary(summary)


def test_one_seed_is_explained_with_the_command_to_replay() -> None:
    _, text = explain(make_scenario(2, 5), "--seed 2 --size 5")
    assert text.startswith("swarm 2: clean")
    assert "replay: hansa sim --seed 2 --size 5" in text


def test_the_command_exits_with_zero_when_all_is_clean() -> None:
    assert main(["--seeds", "2", "--size", "4", "--workers", "1"]) == 0
    assert main(["--seed", "1"]) == 0
