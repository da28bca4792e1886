"""Which rows of the matrix real processes play, and the report of them that the docs show."""

from hansa.chaos.matrix import decode_process_report, make_row_script, process_cells
from hansa.chaos.play import PLAYERS, explain_unplayable
from hansa.sim.matrix import ROWS, make_row_scenario
from hansa.sim.script import Fault
from tests.architecture.sources import ROOT


def test_every_fault_has_a_player() -> None:
    assert set(PLAYERS) == set(Fault.__args__)


def test_a_row_is_the_script_that_the_simulator_plays() -> None:
    assert all(make_row_script(name, 3) == make_row_scenario(row, 3).script for name, row in ROWS.items())


def test_all_rows_can_be_played_but_those_that_say_why() -> None:
    reasons = {name: explain_unplayable(make_row_script(name, 0), is_sandboxed=True) for name in ROWS}
    played = [name for name, reason in reasons.items() if reason is None or "libfaketime" in reason]
    assert set(ROWS) - set(played) == {"duplicates"}
    for row in ("all disks full", "change under partition"):
        assert any(explain_unplayable(make_row_script(row, seed), is_sandboxed=False) for seed in range(20))


def test_the_report_in_docs_is_about_these_rows_and_clean() -> None:
    report = decode_process_report((ROOT / "docs/reference/fault-matrix-processes.json").read_bytes())
    assert {row.name for row in report.rows} <= set(ROWS)
    assert not report.failed
    cells = process_cells(report)
    assert cells["leader crash and return"].startswith("held")
    assert cells["duplicates"].startswith("not played: TCP")
