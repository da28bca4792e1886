"""Which rows of the matrix real processes play, and the report of them that the docs show."""

from hansa.chaos.matrix import decode_process_report, make_row_script, process_cells
from hansa.chaos.play import PLAYERS, explain_unplayable
from hansa.sim.matrix import ROWS, make_row_scenario
from hansa.sim.script import Fault, Membership
from tests.architecture.sources import ROOT


def test_every_fault_has_a_player() -> None:
    assert set(PLAYERS) == set(Fault.__args__) - {Membership}


def test_a_row_is_the_script_that_the_simulator_plays() -> None:
    assert all(make_row_script(name, 3) == make_row_scenario(row, 3).script for name, row in ROWS.items())


def test_most_rows_can_be_played_and_the_others_say_why() -> None:
    reasons = {name: explain_unplayable(make_row_script(name, 0), is_sandboxed=True) for name in ROWS}
    played = [name for name, reason in reasons.items() if reason is None or "libfaketime" in reason]
    assert len(played) >= 28
    assert all(reason for name, reason in reasons.items() if name not in played)
    assert explain_unplayable(make_row_script("all disks full", 0), is_sandboxed=False) is not None


def test_the_report_in_docs_is_about_these_rows_and_clean() -> None:
    report = decode_process_report((ROOT / "docs/reference/fault-matrix-processes.json").read_bytes())
    assert {row.name for row in report.rows} <= set(ROWS)
    assert not report.failed
    cells = process_cells(report)
    assert cells["leader crash and return"].startswith("held")
    assert cells["duplicates"].startswith("not played: TCP")
