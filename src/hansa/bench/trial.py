"""One run at one rate: send, watch, count."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hansa.bench.client.http_connection import Endpoint
from hansa.bench.client.sender import Batch, Sender, SendResult, make_batches
from hansa.bench.client.watcher import SeenBlock, Watcher
from hansa.bench.probes import Usage, device_bytes, foreign_share, ledger_bytes, read_machine_time, read_usage
from hansa.bench.workload import TRANSFER_GAS, Workload

GRACE_S = 3.0  # how long after its last transaction a run waits for the rest
START_DELAY_S = 0.2  # connections are open by then
GOODPUT_MIN = 0.98
FOREIGN_SHARE_MAX = 0.05
WARM_UP_SHARE = 0.1  # of the run, not counted into the throughput


@dataclass(frozen=True, slots=True)
class NodeProbe:
    """Where one node's use of the machine is read."""

    pid: int
    data: Path


@dataclass(frozen=True, slots=True)
class Plan:
    """What one run sends, and what it must keep."""

    workload: Workload
    rate: float  # transactions per second
    batch: int
    p99_ms_max: float


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
    refused: dict[str, int]  # by error code
    broken_requests: int
    sender_late_ms_max: float
    blocks: int
    block_transactions_mean: float
    block_gap_ms_max: float
    all_succeeded: bool | None  # by the gas of the blocks; None when the workload cannot tell
    node_cpu_us_per_tx: float | None  # per transaction and node
    client_cpu_us_per_tx: float
    rss_peak_mib: float | None  # of the largest node
    disk_bytes_per_tx: float | None  # per node, padding not counted
    device_bytes_per_tx: float | None  # per node: all that went to the disk meanwhile, the file system's own included
    foreign_cpu_share: float
    reasons: tuple[str, ...]  # why the rate was not sustained; empty when it was

    @property
    def is_sustained(self) -> bool:
        return not self.reasons


async def run_trial(endpoints: Sequence[Endpoint], plan: Plan, probes: Sequence[NodeProbe]) -> TrialResult:
    """Send the plan's transactions at its rate and measure.

    Raises
    ------
    Unreachable: a node does not answer before the run begins.
    """
    batches = make_batches(plan.workload.raws, plan.batch, plan.rate)
    meter = _Meter(probes)
    sender, watcher = Sender(endpoints), Watcher(endpoints, plan.workload.hashes)
    try:
        await sender.open()
        await watcher.begin()
        meter.begin()
        begin = time.monotonic() + START_DELAY_S
        end = begin + len(plan.workload) / plan.rate
        following = asyncio.create_task(watcher.follow(end + GRACE_S))
        sending = asyncio.create_task(sender.send_all(batches, begin))
        await following
        sending.cancel()  # what is still unanswered by now was lost
        await asyncio.gather(sending, return_exceptions=True)
    finally:
        sender.close()
        watcher.close()
    return _judge(plan, batches, begin, sender.result, watcher, meter)


class _Meter:
    """Reads the machine before and after."""

    def __init__(self, probes: Sequence[NodeProbe]) -> None:
        self._probes = probes
        self._before: list[Usage] = []
        self._disk = 0

    def begin(self) -> None:
        self._disk = ledger_bytes([probe.data for probe in self._probes])
        self._before = [read_usage(probe.pid) for probe in self._probes]
        self._device = self._device_bytes()
        self._client = time.process_time()
        self._machine = read_machine_time()

    def end(self) -> None:
        after = [read_usage(probe.pid) for probe in self._probes]
        self.client_s = time.process_time() - self._client
        self.nodes_s = sum(a.cpu_s - b.cpu_s for a, b in zip(after, self._before, strict=True))
        device = self._device_bytes()
        self.written = None if device is None or self._device is None else device - self._device
        self.rss_peak = max((usage.rss_peak_bytes for usage in after), default=0)
        self.foreign = foreign_share(self._machine, read_machine_time(), self.nodes_s + self.client_s)
        self.disk = ledger_bytes([probe.data for probe in self._probes]) - self._disk

    def _device_bytes(self) -> int | None:
        return device_bytes(self._probes[0].data) if self._probes else None


def _judge(
    plan: Plan, batches: Sequence[Batch], begin: float, sent: SendResult, watcher: Watcher, meter: _Meter
) -> TrialResult:
    meter.end()
    offered = len(plan.workload)
    latencies = sorted(
        (seen - begin - place / plan.rate) * 1_000 for place, seen in enumerate(watcher.seen_s) if seen >= 0
    )
    final = len(latencies)
    nodes = len(meter._probes)
    per_node = final * nodes
    reasons = _reasons(plan, final / offered, _percentile(latencies, 0.99), sent)
    return TrialResult(
        rate=plan.rate,
        offered=offered,
        final=final,
        goodput=round(final / offered, 4),
        tps=round(_throughput(plan, begin, watcher), 1),
        latency_ms_p50=_percentile(latencies, 0.50),
        latency_ms_p95=_percentile(latencies, 0.95),
        latency_ms_p99=_percentile(latencies, 0.99),
        latency_ms_max=_percentile(latencies, 1.0),
        refused=dict(sent.refused),
        broken_requests=sent.broken,
        sender_late_ms_max=round(sent.late_s_max * 1_000, 1),
        blocks=len(watcher.blocks),
        block_transactions_mean=round(final / max(1, len(watcher.blocks)), 1),
        block_gap_ms_max=_longest_gap_ms(watcher.blocks),
        all_succeeded=all(block.gas_used == TRANSFER_GAS * block.transactions for block in watcher.blocks) or None,
        node_cpu_us_per_tx=round(meter.nodes_s * 1e6 / per_node, 1) if per_node else None,
        client_cpu_us_per_tx=round(meter.client_s * 1e6 / max(1, final), 1),
        rss_peak_mib=round(meter.rss_peak / (1 << 20), 1) if nodes else None,
        disk_bytes_per_tx=round(meter.disk / per_node, 1) if per_node else None,
        device_bytes_per_tx=None if not per_node or meter.written is None else round(meter.written / per_node, 1),
        foreign_cpu_share=round(meter.foreign, 3),
        reasons=tuple(reasons),
    )


def _reasons(plan: Plan, goodput: float, p99_ms: float, sent: SendResult) -> list[str]:
    reasons = []
    if goodput < GOODPUT_MIN:
        reasons.append(f"goodput {goodput:.1%}, at least {GOODPUT_MIN:.0%} is asked")
    if p99_ms > plan.p99_ms_max:
        reasons.append(f"p99 {p99_ms:.0f} ms, at most {plan.p99_ms_max:.0f} ms is asked")
    if sent.refused.total() > plan.rate * 0.01:
        reasons.append(f"{sent.refused.total()} transactions refused: {dict(sent.refused)}")
    return reasons


def _percentile(ordered: Sequence[float], share: float) -> float:
    if not ordered:
        return float("inf")
    return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))], 1)


def _throughput(plan: Plan, begin: float, watcher: Watcher) -> float:
    """Transactions that became final between the warm-up's end and the last intended sending, per second."""
    length = len(plan.workload) / plan.rate
    first, last = begin + WARM_UP_SHARE * length, begin + length
    return sum(first <= seen < last for seen in watcher.seen_s) / (last - first)


def _longest_gap_ms(blocks: Sequence[SeenBlock]) -> float:
    busy = [block.seen_s for block in blocks if block.transactions]
    return round(max((b - a for a, b in zip(busy, busy[1:], strict=False)), default=0.0) * 1_000, 1)
