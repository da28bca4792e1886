"""The part of the benchmark page that shows how a large state is kept."""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from hansa.bench.state.measure import StateReport

HEAD = """## Large states

What `hansa bench state` measures: the longest gap between blocks while nodes write checkpoints under load, one after
the other; and the time from a process's start until it votes, level with the others.
"""
COLUMNS = (
    "accounts", "machine", "tx/s", "checkpoint", "longest gap while one is written", "while none is",
    "start after kill -9", "after a clean stop", "memory, MiB",
)  # fmt: skip


def read_state_report(path: Path) -> StateReport:
    """Read a result file of `hansa bench state`.

    Raises
    ------
    msgspec.DecodeError: it is none.
    """
    return msgspec.json.decode(path.read_bytes(), type=StateReport)


def state_section(reports: Sequence[StateReport]) -> str:
    """The section, a row for each result; empty without any."""
    if not reports:
        return ""
    rows = [_row(report) for report in sorted(reports, key=lambda report: report.accounts)]
    return "\n".join([HEAD, f"| {' | '.join(COLUMNS)} |", "|---:|---|" + "---:|" * (len(COLUMNS) - 2), *rows, ""])


def _row(report: StateReport) -> str:
    size = max((written.mib for written in report.checkpoints), default=0.0)
    cells = (
        f"{report.accounts:,}",
        f"{report.machine.processor}, {report.machine.cores} cores",
        f"{report.tps:,.0f}",
        f"{size:,.0f} MiB",
        f"{report.block_gap_ms_max:.0f} ms",
        f"{report.block_gap_ms_max_before:.0f} ms",
        f"{max(report.restart_s_killed, default=0):.1f} s",
        f"{max(report.restart_s_stopped, default=0):.1f} s",
        f"{report.rss_peak_mib:,.0f}",
    )
    return f"| {' | '.join(cells)} |"
