"""The part of the benchmark page that shows what was simulated."""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from hansa.bench.errors import InvalidPlan
from hansa.bench.scale.study import VERSION, Cell, ScaleReport, check_text

HEAD = """## More validators, simulated

The real consensus machine on virtual time, with the costs of a result file: `hansa bench scale` made these tables, and
[measure.md]({folder}/measure.md#more-validators) says how. They hold for such machines only and are no measurement.
"""
COLUMNS = (
    "validators", "where", "tx/s", "p50 / p99, ms", "p50 / p99 at half load, ms", "transactions in a block",
    "sent by a node, bytes per transaction", "leader's share of it", "leader's busiest thread",
)  # fmt: skip


def read_scale(path: Path) -> ScaleReport:
    """Read a result file of `hansa bench scale`.

    Raises
    ------
    InvalidPlan: there is none, or it is of another version.
    """
    try:
        report = msgspec.json.decode(path.read_bytes(), type=ScaleReport)
    except (OSError, msgspec.DecodeError) as error:
        raise InvalidPlan(f"{path} is no result of hansa bench scale: {error}", "simulate again") from error
    if report.version != VERSION:
        raise InvalidPlan(f"{path} is of version {report.version}, not {VERSION}", "simulate again")
    return report


def scale_section(reports: Sequence[ScaleReport]) -> str:
    """The section; empty without results. Where the check fails, it says so and shows no table."""
    lines = [HEAD.format(folder="operate")] if reports else []
    for report in reports:
        lines.append(
            f"Costs of `{report.workload}` with {report.accounts:,} accounts, measured {report.costs_taken_at} on"
            f" {report.machine.processor}, {report.machine.cores} cores. Check against that measurement:"
            f" {check_text(report.check)}.\n"
        )
        if not report.is_void:
            rows = [_row(cell) for cell in report.cells]
            lines += [f"| {' | '.join(COLUMNS)} |", "|---:|---|" + "---:|" * (len(COLUMNS) - 2), *rows, ""]
        else:
            lines.append("**VOID**: the simulation does not reproduce what was measured, so no table is shown.\n")
    return "\n".join(lines)


def _row(cell: Cell) -> str:
    where = f"{cell.place}, {cell.cores} cores each"
    full, half = cell.saturation, cell.half
    if full is None or half is None:
        return f"| {cell.validators} | {where} |" + " – |" * (len(COLUMNS) - 2)
    return (
        f"| {cell.validators} | {where} | {full.tps:,.0f} | {full.latency_ms_p50:.0f} / {full.latency_ms_p99:.0f} |"
        f" {half.latency_ms_p50:.0f} / {half.latency_ms_p99:.0f} | {full.block_transactions_mean:,.0f} |"
        f" {full.bytes_per_node_and_transaction:,.0f} | {full.leader_share:.0%} |"
        f" {full.busiest}, {full.busiest_share:.0%} |"
    )
