"""One run: send, watch, count."""

import asyncio
import gc
import time
from array import array
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import compress
from pathlib import Path

from hansa.bench.client.http_connection import Endpoint, HttpConnection
from hansa.bench.client.reader import Readers
from hansa.bench.client.receipts import count_failed
from hansa.bench.client.schedule import Schedule
from hansa.bench.client.sender import Batch, Sender, SendResult, make_batches
from hansa.bench.client.stages import StageCosts, compare_stages, read_stages
from hansa.bench.client.watcher import SeenBlock, Watcher
from hansa.bench.probes import (
    Usage,
    device_bytes,
    foreign_share,
    ledger_bytes,
    loopback_bytes,
    read_machine_time,
    read_usage,
)
from hansa.bench.transactions import Transactions
from hansa.bench.workloads.shape import Read

GRACE_S = 3.0  # how long after its last transaction a run waits for the rest
DRAIN_S_MAX = 240.0  # the same for everything that nodes accepted, where more was offered than they can take
START_DELAY_S = 0.2  # connections are open by then
GOODPUT_MIN = 0.98
FOREIGN_SHARE_MAX = 0.05
WARM_UP_SHARE = 0.1  # of the run, not counted into the throughput
RECOVERED_MS = 1_000.0  # a burst is over when transactions take no longer than this again


@dataclass(frozen=True, slots=True)
class NodeProbe:
    """Where one node's use of the machine is read."""

    pid: int
    data: Path


@dataclass(frozen=True, slots=True)
class Plan:
    """What one run sends, and what it must keep."""

    transactions: Transactions
    schedule: Schedule
    batch: int
    p99_ms_max: float
    lanes: int | None = None  # batches until the same accounts send again
    connections: int = 8  # to each node
    one_node: bool = False  # all is sent to the first node
    reads: Sequence[Read] = ()
    reads_per_s: float = 0.0
    drains: bool = False  # more is offered than can be taken, and the run goes on until what was accepted is final
    counts: bool = False  # a run that is reported: its receipts are read afterwards


@dataclass(frozen=True, slots=True)
class ReadResult:
    """How clients fared that read meanwhile; latencies of batches of 50 questions."""

    per_s: float
    batches: int
    failed: int
    latency_ms_p50: float
    latency_ms_p99: float


@dataclass(frozen=True, slots=True)
class TrialResult:
    """What one run showed. Times in milliseconds, from the intended time of sending to finality seen."""

    rate: float
    offered: int
    final: int
    goodput: float  # final / offered
    tps: float  # final transactions per second after the warm-up
    latency_ms_p50: float
    latency_ms_p95: float
    latency_ms_p99: float
    latency_ms_max: float
    accepted: int  # by the node that was asked
    refused: dict[str, int]  # by error code; one sent twice and refused twice counts twice
    drain_s: float | None  # of a run that goes on until all that was accepted is final: from the last sending on
    broken_requests: int
    sender_late_ms_max: float
    blocks: int
    block_transactions_mean: float
    block_interval_ms_p50: float  # between blocks that hold something
    block_interval_ms_p99: float
    block_gap_ms_max: float
    failed: int | None  # of the receipts read; None when none were
    receipts_read: int
    recovery_s: float | None  # of a trace with a burst: from its end until latency is low again
    reads: ReadResult | None
    node_cpu_us_per_tx: float | None  # per transaction and node
    stage_us_per_tx: dict[str, float] | None  # the same by stage; None where the nodes do not tell
    loop_lag_ms_p99: float | None  # of the node whose event loop was latest
    commits_per_block: float | None  # rounds of writing and syncing the logs, per node
    checkpoints: int | None  # written meanwhile, all nodes together
    client_cpu_us_per_tx: float
    rss_peak_mib: float | None  # of the largest node
    disk_bytes_per_tx: float | None  # per node, padding not counted
    device_bytes_per_tx: float | None  # per node: all that went to the disk meanwhile, the file system's own included
    network_bytes_per_tx: float | None  # per node: what nodes sent one another
    foreign_cpu_share: float
    reasons: tuple[str, ...]  # why the rate was not sustained; empty when it was
    lost: int | None = None  # accepted by a node, and not seen final by the end; None in results of earlier releases

    @property
    def is_sustained(self) -> bool:
        return not self.reasons


async def run_trial(endpoints: Sequence[Endpoint], plan: Plan, probes: Sequence[NodeProbe]) -> TrialResult:
    """Send the plan's transactions when they are due and measure.

    Raises
    ------
    Unreachable: a node does not answer before the run begins, or gives no receipts after it.
    """
    batches = make_batches(plan.transactions.raws, plan.batch, plan.schedule)
    meter = _Meter(probes)
    sender = Sender(endpoints[:1] if plan.one_node else endpoints, plan.lanes, plan.connections)
    watcher = Watcher(endpoints, plan.transactions.hashes)
    readers = Readers(endpoints, plan.reads, plan.reads_per_s)
    try:
        await sender.open()
        await watcher.begin()
        stages = await read_stages(endpoints)
        with no_collection():
            meter.begin()
            begin = time.monotonic() + START_DELAY_S
            await _drive(plan, batches, begin, sender, watcher, readers)
            meter.end(sender.traffic_bytes() + watcher.traffic_bytes() + readers.traffic_bytes())
        costs = compare_stages(stages, await read_stages(endpoints))
        receipts = await _read_receipts(endpoints, plan, watcher)
    finally:
        sender.close()
        watcher.close()
        readers.close()
    seen = _Seen(begin, sender.result, watcher, readers, meter, costs, receipts)
    return _judge(plan, seen)


async def _drive(
    plan: Plan, batches: Sequence[Batch], begin: float, sender: Sender, watcher: Watcher, readers: Readers
) -> None:
    end = begin + plan.schedule.length_s
    work = [asyncio.create_task(sender.send_all(batches, begin, until_taken=plan.drains))]
    reading = asyncio.create_task(readers.ask_until(begin, end))
    if plan.drains:
        await watcher.follow(end + DRAIN_S_MAX, lambda: sender.has_finished and _is_drained(sender.result, watcher))
    else:
        await watcher.follow(end + GRACE_S)
    # What is still unanswered by now was lost.
    for task in (*work, reading):
        task.cancel()
    await asyncio.gather(*work, reading, return_exceptions=True)


@contextmanager
def no_collection() -> Iterator[None]:
    """Python's collector would walk through millions of prepared objects while the clock runs."""
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.unfreeze()


async def _read_receipts(endpoints: Sequence[Endpoint], plan: Plan, watcher: Watcher) -> tuple[int, int] | None:
    if not plan.counts:
        return None
    connection = HttpConnection(endpoints[0])
    try:
        return await count_failed(connection, watcher.blocks, set(plan.transactions.hashes))
    finally:
        connection.close()


class _Meter:
    """Reads the machine before and after."""

    def __init__(self, probes: Sequence[NodeProbe]) -> None:
        self._probes = probes
        self.nodes = len(probes)
        self._before: list[Usage] = []
        self._disk = 0

    def begin(self) -> None:
        self._disk = ledger_bytes([probe.data for probe in self._probes])
        self._before = [read_usage(probe.pid) for probe in self._probes]
        self._device = self._device_bytes()
        self._loopback = loopback_bytes()
        self._client = time.process_time()
        self._machine = read_machine_time()

    def end(self, client_bytes: int) -> None:
        after = [read_usage(probe.pid) for probe in self._probes]
        self.client_s = time.process_time() - self._client
        self.nodes_s = sum(a.cpu_s - b.cpu_s for a, b in zip(after, self._before, strict=True))
        device = self._device_bytes()
        self.written = None if device is None or self._device is None else device - self._device
        self.network = loopback_bytes() - self._loopback - client_bytes
        self.rss_peak = max((usage.rss_peak_bytes for usage in after), default=0)
        self.foreign = foreign_share(self._machine, read_machine_time(), self.nodes_s + self.client_s)
        self.disk = ledger_bytes([probe.data for probe in self._probes]) - self._disk

    def _device_bytes(self) -> int | None:
        return device_bytes(self._probes[0].data) if self._probes else None


@dataclass(frozen=True, slots=True)
class _Seen:
    """Everything that one run left to be judged."""

    begin: float
    sent: SendResult
    watcher: Watcher
    readers: Readers
    meter: _Meter
    costs: StageCosts | None
    receipts: tuple[int, int] | None

    def stage_us_per_tx(self, final: int) -> dict[str, float] | None:
        if self.costs is None or not final:
            return None
        return {name: round(us / final / self.costs.nodes, 2) for name, us in self.costs.cpu_us.items()}

    def commits_per_block(self) -> float | None:
        if self.costs is None or not self.watcher.blocks:
            return None
        return round(self.costs.commits / self.costs.nodes / len(self.watcher.blocks), 2)


def _judge(plan: Plan, run: _Seen) -> TrialResult:
    begin, sent, watcher, meter = run.begin, run.sent, run.watcher, run.meter
    offered, due = len(plan.transactions), plan.schedule.due_s()
    took = [(seen - begin - d) * 1_000 for d, seen in zip(due, watcher.seen_s, strict=True) if seen >= 0]
    latencies = sorted(took)
    final = len(latencies)
    intervals = _intervals_ms(watcher.blocks)
    per_node = final * meter.nodes
    failed, read = run.receipts or (None, 0)
    lost = count_lost(sent.accepted_places, watcher.seen_s)
    reasons = _reasons(plan, final / offered, percentile(latencies, 0.99), sent, failed)
    return TrialResult(
        rate=round(plan.schedule.rate, 1),
        offered=offered,
        final=final,
        goodput=round(final / offered, 4),
        tps=round(_throughput(plan, begin, watcher), 1),
        latency_ms_p50=percentile(latencies, 0.50),
        latency_ms_p95=percentile(latencies, 0.95),
        latency_ms_p99=percentile(latencies, 0.99),
        latency_ms_max=percentile(latencies, 1.0),
        accepted=sent.accepted,
        refused=dict(sent.refused),
        drain_s=_drain_s(plan, begin, watcher, lost) if plan.drains else None,
        broken_requests=sent.broken,
        sender_late_ms_max=round(sent.late_s_max * 1_000, 1),
        blocks=len(watcher.blocks),
        block_transactions_mean=round(final / max(1, len(watcher.blocks)), 1),
        block_interval_ms_p50=percentile(intervals, 0.50),
        block_interval_ms_p99=percentile(intervals, 0.99),
        block_gap_ms_max=percentile(intervals, 1.0),
        failed=failed,
        receipts_read=read,
        recovery_s=_recovery_s(plan.schedule, due, begin, watcher.seen_s),
        reads=_read_result(plan, run.readers),
        node_cpu_us_per_tx=round(meter.nodes_s * 1e6 / per_node, 1) if per_node else None,
        stage_us_per_tx=run.stage_us_per_tx(final),
        loop_lag_ms_p99=None if run.costs is None else run.costs.loop_lag_ms_p99,
        commits_per_block=run.commits_per_block(),
        checkpoints=None if run.costs is None else run.costs.checkpoints,
        client_cpu_us_per_tx=round(meter.client_s * 1e6 / max(1, final), 1),
        rss_peak_mib=round(meter.rss_peak / (1 << 20), 1) if meter.nodes else None,
        disk_bytes_per_tx=round(meter.disk / per_node, 1) if per_node else None,
        device_bytes_per_tx=None if not per_node or meter.written is None else round(meter.written / per_node, 1),
        network_bytes_per_tx=round(meter.network / per_node, 1) if per_node else None,
        foreign_cpu_share=round(meter.foreign, 3),
        reasons=tuple(reasons),
        lost=lost,
    )


def count_lost(accepted_places: bytes | bytearray, seen_s: "array[float]") -> int:
    """How many transactions a node took that were never seen final; what was seen without an answer makes up for none.

    Parameters
    ----------
    accepted_places: 1 for each transaction that a node took. seen_s: below 0 for each that was not seen.
    """
    return sum(seen < 0 for seen in compress(seen_s, accepted_places))


def _is_drained(sent: SendResult, watcher: Watcher) -> bool:
    # The counts tell most of the time, and cost nothing.
    return watcher.seen >= sent.accepted and not count_lost(sent.accepted_places, watcher.seen_s)


def _drain_s(plan: Plan, begin: float, watcher: Watcher, lost: int) -> float | None:
    """Seconds from the end of the plan until all that was accepted was final; None when something of it never was."""
    if lost or not watcher.blocks:
        return None
    return round(max(0.0, watcher.blocks[-1].seen_s - begin - plan.schedule.length_s), 2)


def _read_result(plan: Plan, readers: Readers) -> ReadResult | None:
    if not plan.reads:
        return None
    took = sorted(readers.latencies_ms)
    return ReadResult(
        per_s=round(plan.reads_per_s, 1),
        batches=len(took),
        failed=readers.failed,
        latency_ms_p50=percentile(took, 0.50),
        latency_ms_p99=percentile(took, 0.99),
    )


def _recovery_s(schedule: Schedule, due: "array[float]", begin: float, seen_s: "array[float]") -> float | None:
    """Seconds from the end of the highest stretch until transactions that fall due later are final in good time.

    None where there is no burst, or no end of its effects.
    """
    if len(schedule.stretches) < 2:
        return None
    highest = max(range(len(schedule.stretches)), key=lambda n: schedule.stretches[n][1])
    first = sum(count for count, _ in schedule.stretches[: highest + 1])
    if first >= len(due):
        return None
    late = [n for n in range(first, len(due)) if not 0 <= seen_s[n] - begin - due[n] <= RECOVERED_MS / 1_000]
    if not late:
        return 0.0
    return None if late[-1] == len(due) - 1 else round(due[late[-1] + 1] - due[first], 2)


def _intervals_ms(blocks: Sequence[SeenBlock]) -> list[float]:
    """Times between blocks that hold something, ascending."""
    busy = [block.seen_s for block in blocks if block.transactions]
    return sorted((b - a) * 1_000 for a, b in zip(busy, busy[1:], strict=False))


def _reasons(plan: Plan, goodput: float, p99_ms: float, sent: SendResult, failed: int | None) -> list[str]:
    reasons = []
    if goodput < GOODPUT_MIN:
        reasons.append(f"goodput {goodput:.1%}, at least {GOODPUT_MIN:.0%} is asked")
    if p99_ms > plan.p99_ms_max:
        reasons.append(f"p99 {p99_ms:.0f} ms, at most {plan.p99_ms_max:.0f} ms is asked")
    if sent.refused.total() > plan.schedule.rate * 0.01:
        reasons.append(f"{sent.refused.total()} transactions refused: {dict(sent.refused)}")
    if failed:
        reasons.append(f"{failed} transactions failed")
    return reasons


def percentile(ordered: Sequence[float], share: float) -> float:
    """The value below which a share, 0 to 1, of ascending values lies; 0 of none."""
    if not ordered:
        return 0.0
    return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 1)


def _throughput(plan: Plan, begin: float, watcher: Watcher) -> float:
    """Transactions that became final between the warm-up's end and the last intended sending, per second."""
    length = plan.schedule.length_s
    first, last = begin + WARM_UP_SHARE * length, begin + length
    return sum(first <= seen < last for seen in watcher.seen_s) / (last - first)
