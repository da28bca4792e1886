"""The fault matrix with real processes: the rows of `sim/matrix`, each with a script that its row draws from a seed."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import msgspec

from hansa.bench.report import say
from hansa.chaos.play import explain_unplayable
from hansa.chaos.run import RunResult, run_script
from hansa.sim.matrix import ROWS, make_row_scenario
from hansa.sim.script import Script


class ProcessRow(msgspec.Struct, frozen=True):
    """What real processes made of one row."""

    name: str
    unplayable: str | None  # why they cannot suffer it
    runs: tuple[RunResult, ...]


class ProcessReport(msgspec.Struct, frozen=True):
    """All rows, each as it was played last."""

    rows: tuple[ProcessRow, ...]

    @property
    def failed(self) -> list[RunResult]:
        """Runs in which something did not hold."""
        return [run for row in self.rows for run in row.runs if run.violation is not None]


_DECODER = msgspec.json.Decoder(ProcessReport)


def make_row_script(name: str, seed: int) -> Script:
    """The script that a row of the matrix draws from a seed: the same that the simulator plays."""
    return make_row_scenario(ROWS[name], seed).script


async def play_row(name: str, seeds: Sequence[int], folder: Path, is_sandboxed: bool) -> ProcessRow:
    """Play one row under some seeds; what a run that held leaves in the folder is removed."""
    runs = []
    for seed in seeds:
        script = make_row_script(name, seed)
        reason = explain_unplayable(script, is_sandboxed)
        if reason is not None:
            say(f"  {name:32} not played: {reason}")
            return ProcessRow(name, reason, ())
        where = folder / f"{name.replace(' ', '-')}-{seed}"
        runs.append(await run_script(script, where, is_sandboxed))
        if runs[-1].violation is None:
            shutil.rmtree(where, ignore_errors=True)  # a tmpfs inside stays until the sandbox ends
    return ProcessRow(name, None, tuple(runs))


def replace_row(report: ProcessReport, row: ProcessRow) -> ProcessReport:
    """The report with what became of one row, in the order of the matrix."""
    known = {one.name: one for one in (*report.rows, row)}
    return ProcessReport(tuple(known[name] for name in ROWS if name in known))


def decode_process_report(data: bytes) -> ProcessReport:
    """Return a report from its JSON, trusted: it lies in the repository."""
    return _DECODER.decode(data)


def process_cells(report: ProcessReport) -> dict[str, str]:
    """What the page of the matrix says about real processes, by the name of the row."""
    return {row.name: _cell(row) for row in report.rows}


def _cell(row: ProcessRow) -> str:
    if row.unplayable is not None:
        return f"not played: {row.unplayable}"
    if not row.runs:
        return "–"
    failed = [run for run in row.runs if run.violation is not None]
    if failed:
        return "failed at seeds " + " ".join(str(run.seed) for run in failed)
    gap_ms = max(run.gap_ms for run in row.runs)
    held = f"held in {len(row.runs)} runs" if len(row.runs) > 1 else "held"
    return held if gap_ms < 0 else f"{held}, {gap_ms} ms"
