"""Every row of the fault matrix holds under a few seeds. `hansa sim --matrix --seeds 200` runs more of them."""

import os

import pytest

from hansa.sim.command import main
from hansa.sim.matrix import ROWS, make_row_scenario
from hansa.sim.matrix.report import decode_report, encode_report, run_matrix, run_row_seed
from hansa.sim.run import explain
from hansa.sim.script import AttackKind, DiskTrouble
from tests.architecture.sources import ROOT

SEEDS = int(os.environ.get("HANSA_MATRIX_SEEDS", "5"))  # for each row


@pytest.mark.parametrize("name", ROWS)
def test_the_row_holds(name: str) -> None:
    for seed in range(SEEDS):
        outcome = run_row_seed((name, seed))
        shown = "" if outcome.violation is None else explain(make_row_scenario(ROWS[name], seed), "")[1]
        assert outcome.violation is None, shown


def test_the_report_in_docs_is_about_these_rows_and_clean() -> None:
    report = decode_report((ROOT / "docs/reference/fault-matrix.json").read_bytes())
    told = {row.name: (row.fault, row.must_hold, row.reaction) for row in report.rows}
    assert told == {row.name: (row.fault, row.must_hold, row.reaction) for row in ROWS.values()}
    assert not [row.name for row in report.rows if row.failed]


def test_every_trouble_and_every_attack_has_a_row() -> None:
    scripts = [make_row_scenario(row, seed).script for row in ROWS.values() for seed in range(3)]
    played = {str(getattr(f, "trouble", "") or getattr(f, "attack", "")) for script in scripts for f in script.faults}
    assert {*map(str, DiskTrouble), *map(str, AttackKind)} <= played


def test_the_same_runs_give_the_same_report() -> None:
    names = ["leader crash", "twins"]
    first = run_matrix(names, 3, 1, lambda result, failed: None)
    second = run_matrix(names, 3, 2, lambda result, failed: None)
    assert encode_report(first) == encode_report(second)
    assert decode_report(encode_report(first)) == first


def test_a_row_is_explained_by_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--scenario", "leader crash", "--seed", "3"]) == 0
    assert capsys.readouterr().out.startswith("leader crash 3: clean")
