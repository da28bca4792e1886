"""What a measurement prints and writes: words for people, one JSON file for everything else."""

import hashlib
import importlib.util
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import msgspec

from hansa import __version__
from hansa.bench.errors import InvalidPlan
from hansa.bench.probes import Machine
from hansa.bench.trial import FOREIGN_SHARE_MAX, TrialResult

RESULT_VERSION = 2
STAGES_SHOWN = 6  # the dearest


@dataclass(frozen=True, slots=True)
class Beyond:
    """A run at a multiple of the sustained rate."""

    factor: float
    run: TrialResult
    relative: float  # throughput against that of the sustained rate
    lost: int  # transactions that a node accepted and that were not final when the wait for them ended


@dataclass(frozen=True, slots=True)
class RunReport:
    """The result file of `hansa bench run`."""

    version: int
    workload: str
    hansa: str  # release
    core: str  # digest of the native core's file: which build it was
    taken_at: str  # UTC
    seed: int
    validators: int
    fault: str | None  # of one validator, throughout
    accounts: int
    senders: int
    batch: int
    conflict_share: float | None  # of transactions that write what an earlier one of the same thousand writes
    duration_s: float  # of the runs that count
    own_alliance: bool  # False: a network that was running already
    durable: bool  # every vote, body and result synced before it counts
    machine: Machine
    trials: tuple[TrialResult, ...]
    counted: tuple[TrialResult, ...]  # the long runs at the highest rate
    best: TrialResult | None  # of them the one with the median throughput; None: no rate was sustained
    half: TrialResult | None  # a run at half the rate that was found
    beyond: tuple[Beyond, ...]

    @property
    def is_sustained(self) -> bool:
        return self.best is not None

    @property
    def foreign_cpu_share(self) -> float:
        """What others used of the machine at most, 0 to 1, of all runs that are shown."""
        shown = [*self.counted, *([self.half] if self.half else []), *(one.run for one in self.beyond)]
        return max((run.foreign_cpu_share for run in shown), default=0.0)


def say(text: str) -> None:
    """A line for people, on stderr."""
    print(text, file=sys.stderr, flush=True)


def show_data(value: object) -> None:
    """The result for programs: JSON on stdout, unless stdout is a terminal."""
    if not sys.stdout.isatty():
        print(msgspec.json.format(msgspec.json.encode(value), indent=1).decode(), flush=True)


def write_result(path: Path, value: object) -> None:
    """Write the result file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(value), indent=1) + b"\n")
    say(f"  result file  {path}")


def read_result(path: Path) -> RunReport:
    """Read a result file of `hansa bench run`.

    Raises
    ------
    InvalidPlan: there is none, or it is of another version.
    """
    try:
        report = msgspec.json.decode(path.read_bytes(), type=RunReport)
    except OSError as error:
        raise InvalidPlan(f"{path} cannot be read: {error.strerror}", "name a file that --out wrote") from error
    except msgspec.DecodeError as error:
        raise InvalidPlan(f"{path} is no result of this release: {error}", "measure again") from error
    if report.version != RESULT_VERSION:
        raise InvalidPlan(f"{path} is of version {report.version}, not {RESULT_VERSION}", "measure again")
    return report


def release() -> str:
    """The release that measures."""
    return __version__


def core_digest() -> str:
    """The first 16 hex digits of SHA-256 over the native core's file."""
    spec = importlib.util.find_spec("hansa._native")
    assert spec is not None and spec.origin is not None
    return hashlib.sha256(Path(spec.origin).read_bytes()).hexdigest()[:16]


def now_text() -> str:
    """Now, in UTC."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def trial_line(trial: TrialResult) -> str:
    """One run in one line."""
    verdict = "sustained" if trial.is_sustained else "; ".join(trial.reasons)
    if trial.foreign_cpu_share > FOREIGN_SHARE_MAX:
        verdict += f" (others used {trial.foreign_cpu_share:.0%} of the machine)"
    return (
        f"  {trial.rate:>8,.0f} tx/s offered  {trial.tps:>8,.0f} final  p50 {trial.latency_ms_p50:>6.0f} ms"
        f"  p99 {trial.latency_ms_p99:>6.0f} ms  {verdict}"
    )


def run_text(report: RunReport) -> str:
    """The summary for people."""
    machine = report.machine
    fault = f", one of them {report.fault}" if report.fault else ""
    head = (
        f"{report.workload} · {report.validators} validators{fault} · {report.accounts:,} accounts,"
        f" {report.senders:,} of them sending\n"
        f"{machine.processor} · {machine.cores} cores · {machine.memory_gib} GiB · 4 KiB sync {machine.sync_ms_p50} ms"
    )
    best = report.best
    if best is None:
        return f"{head}\nno rate was sustained: {'; '.join(report.trials[-1].reasons) if report.trials else 'no run'}"
    rows = [
        ("throughput", f"{best.tps:,.0f} tx/s at {best.rate:,.0f} offered, goodput {best.goodput:.1%}"),
        (
            "latency",
            f"p50 {best.latency_ms_p50:.0f} · p95 {best.latency_ms_p95:.0f} · p99 {best.latency_ms_p99:.0f} ms",
        ),
        *_node_rows(best),
        (
            "blocks",
            f"{best.blocks}, {best.block_transactions_mean:,.0f} transactions each, every"
            f" {best.block_interval_ms_p50:.0f} ms, longest gap {best.block_gap_ms_max:.0f} ms",
        ),
        ("client", f"{best.client_cpu_us_per_tx} µs per transaction, {best.sender_late_ms_max} ms late at most"),
        ("other load", f"{best.foreign_cpu_share:.1%} of the machine was used by others"),
    ]
    if best.reads is not None:
        reads = best.reads
        text = f"{reads.per_s:,.0f} per second, p50 {reads.latency_ms_p50} · p99 {reads.latency_ms_p99} ms a batch"
        rows.append(("reads", f"{text}, {reads.failed} failed"))
    if best.recovery_s is not None:
        rows.append(("recovery", f"{best.recovery_s} s after the burst"))
    if report.half is not None:
        half = report.half
        text = f"p50 {half.latency_ms_p50:.0f} · p99 {half.latency_ms_p99:.0f} ms at {half.rate:,.0f} tx/s"
        rows.append(("half load", text))
    rows += [("overload", _beyond_text(one)) for one in report.beyond]
    return "\n".join([head, *(f"  {label:<12} {text}" for label, text in rows)])


def _beyond_text(beyond: Beyond) -> str:
    drained = "never all final" if beyond.run.drain_s is None else f"all final {beyond.run.drain_s} s later"
    return (
        f"{beyond.factor:g} times the rate: {beyond.run.tps:,.0f} tx/s, {beyond.relative:.0%};"
        f" {beyond.run.accepted:,} of {beyond.run.offered:,} accepted, {drained}, {beyond.lost} lost"
    )


def _node_rows(best: TrialResult) -> list[tuple[str, str]]:
    if best.node_cpu_us_per_tx is None:
        return []
    disk = f"{best.disk_bytes_per_tx} bytes per transaction and node, {best.device_bytes_per_tx} on the device"
    rows = [
        ("processor", f"{best.node_cpu_us_per_tx} µs per transaction and node"),
        ("memory", f"{best.rss_peak_mib} MiB, largest node"),
        ("disk", disk),
        ("network", f"{best.network_bytes_per_tx} bytes per transaction and node between nodes"),
    ]
    if best.stage_us_per_tx is not None:
        dear = list(best.stage_us_per_tx.items())[:STAGES_SHOWN]
        rows.insert(1, ("stages", " · ".join(f"{name} {us:.1f}" for name, us in dear)))
        text = f"late by less than {best.loop_lag_ms_p99:g} ms 99 times in 100"
        rows.append(("event loop", f"{text}; {best.commits_per_block} commits a block"))
    return rows
