"""Two results of the same workload side by side."""

from collections.abc import Callable

from hansa.bench.errors import InvalidPlan
from hansa.bench.report import RunReport
from hansa.bench.trial import TrialResult

# What is compared, how it is called, and whether more of it is better.
FIGURES: tuple[tuple[str, Callable[[TrialResult], float | None], bool], ...] = (
    ("throughput, tx/s", lambda run: run.tps, True),
    ("latency p50, ms", lambda run: run.latency_ms_p50, False),
    ("latency p99, ms", lambda run: run.latency_ms_p99, False),
    ("processor, µs per transaction and node", lambda run: run.node_cpu_us_per_tx, False),
    ("memory, MiB", lambda run: run.rss_peak_mib, False),
    ("disk, bytes per transaction and node", lambda run: run.disk_bytes_per_tx, False),
    ("network, bytes per transaction and node", lambda run: run.network_bytes_per_tx, False),
    ("longest gap between blocks, ms", lambda run: run.block_gap_ms_max, False),
    ("client, µs per transaction", lambda run: run.client_cpu_us_per_tx, False),
)


def compare_text(old: RunReport, new: RunReport) -> str:
    """The change from one result to the next, a line per figure, then by stage.

    Raises
    ------
    InvalidPlan: results of different workloads, or without a sustained rate.
    """
    if old.workload != new.workload:
        raise InvalidPlan(f"one result is of {old.workload}, the other of {new.workload}", "compare the same workload")
    if old.best is None or new.best is None:
        raise InvalidPlan("a result without a sustained rate cannot be compared", "see its runs")
    lines = [f"{new.workload}: {old.taken_at} → {new.taken_at}", *_differences(old, new)]
    for name, figure, more_is_better in FIGURES:
        before, after = figure(old.best), figure(new.best)
        if before is not None and after is not None:
            lines.append(_line(name, before, after, more_is_better))
    for one in new.beyond:
        before = next((two.relative for two in old.beyond if two.factor == one.factor), None)
        if before is not None:
            lines.append(_line(f"{one.factor:g} times the rate, share that is final", before, one.relative, True))
    old_stages, new_stages = old.best.stage_us_per_tx or {}, new.best.stage_us_per_tx or {}
    both = sorted(set(old_stages) & set(new_stages), key=lambda one: -new_stages[one])
    lines += [_line(f"stage {name}, µs", old_stages[name], new_stages[name], False) for name in both]
    return "\n".join(lines)


def _line(name: str, before: float, after: float, more_is_better: bool) -> str:
    if not before:
        return f"  {name:<46} {before:>10,.1f} → {after:>10,.1f}"
    change = after / before - 1
    verdict = "" if abs(change) < 0.005 else "better" if (change > 0) == more_is_better else "worse"
    return f"  {name:<46} {before:>10,.1f} → {after:>10,.1f}  {change:>+7.1%} {verdict}".rstrip()


def _differences(old: RunReport, new: RunReport) -> list[str]:
    """What was not the same in both, and makes the comparison one of that as well."""
    names = ("validators", "fault", "accounts", "senders", "batch", "duration_s", "own_alliance")
    facts = ("processor", "cores", "memory_gib", "kernel", "python")
    found = [name for name in names if getattr(old, name) != getattr(new, name)]
    found += [name for name in facts if getattr(old.machine, name) != getattr(new.machine, name)]
    return [f"  not the same in both: {', '.join(found)}"] if found else []
