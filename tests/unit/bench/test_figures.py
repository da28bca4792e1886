"""Figures that are computed from what a run left: schedules, recovery from bursts, stages, conflicts, medians."""

import dataclasses
from array import array

import msgspec
import pytest

from hansa.bench.accounts import derive_accounts
from hansa.bench.client.schedule import Schedule, follow_trace, steady
from hansa.bench.client.stages import NodeStages, compare_stages
from hansa.bench.errors import InvalidPlan
from hansa.bench.run import RunOptions, median_run
from hansa.bench.trial import _recovery_s, percentile
from hansa.bench.workloads import WORKLOADS
from hansa.bench.workloads.shape import Draft
from tests.unit.bench.test_results import trial


def test_a_schedule_goes_from_stretch_to_stretch() -> None:
    schedule = Schedule(((2, 10.0), (3, 100.0), (1, 10.0)))
    assert list(schedule.due_s()) == pytest.approx([0.0, 0.1, 0.2, 0.21, 0.22, 0.23])
    assert schedule.length_s == pytest.approx(0.33)
    assert list(steady(3, 2.0).due_s()) == [0.0, 0.5, 1.0]


def test_a_trace_is_stretched_to_the_rate_and_the_time() -> None:
    schedule = follow_trace(WORKLOADS["bursts"].trace, 100.0, 30.0, 50)
    assert [count for count, _ in schedule.stretches] == [1_000, 10_000, 1_000]
    assert [rate for _, rate in schedule.stretches] == [100.0, 1_000.0, 100.0]
    assert schedule.length_s == pytest.approx(30.0)


def test_recovery_counts_from_the_end_of_the_burst() -> None:
    schedule = Schedule(((1, 1.0), (4, 4.0), (3, 1.0)))  # due at 0, 1, 1.25, 1.5, 1.75, 2, 3, 4
    due = schedule.due_s()
    late = array("d", [0.1, 5.0, 5.0, 5.0, 5.0, 3.5, 3.2, 4.1])
    assert _recovery_s(schedule, due, 0.0, late) == 1.0
    assert _recovery_s(schedule, due, 0.0, array("d", [d + 0.1 for d in due])) == 0.0
    assert _recovery_s(schedule, due, 0.0, array("d", [d + 9.0 for d in due])) is None
    assert _recovery_s(steady(8, 1.0), due, 0.0, late) is None


def node_stages(execute_us: int, commits: int, counts: tuple[int, ...]) -> NodeStages:
    stages = [
        {"name": "execute", "calls": 1, "cpuUs": execute_us},
        {"name": "write and sync logs", "calls": commits, "cpuUs": 10},
    ]
    lag = {"boundsMs": (1.0, 10.0, 100.0), "counts": counts}
    return msgspec.convert({"stages": stages, "loopLag": lag}, NodeStages)


def test_stages_are_what_two_readings_differ_in() -> None:
    before = [node_stages(100, 5, (10, 0, 0, 0)), node_stages(0, 0, (0, 0, 0, 0))]
    after = [node_stages(400, 9, (110, 0, 0, 0)), node_stages(50, 2, (95, 0, 5, 0))]
    costs = compare_stages(before, after)
    assert costs is not None
    assert (costs.nodes, costs.cpu_us["execute"], costs.commits) == (2, 350, 6)
    assert costs.loop_lag_ms_p99 == 100.0
    assert compare_stages([], []) is None


@pytest.mark.parametrize(
    ("name", "low", "high"), [("transfer-hot", 0.99, 1.0), ("swap-1", 0.99, 1.0), ("nothing", 0, 0)]
)
def test_conflicts_are_counted_among_a_thousand(name: str, low: float, high: float) -> None:
    kind = WORKLOADS[name]
    workload = kind(derive_accounts(1, 1_000, 1_000), [bytes([n]) * 20 for n in range(kind.count_contracts(1_000))], 1)
    assert low <= workload.conflict_share(workload.draft(2_000)) <= high
    assert workload.conflict_share(Draft([], [], [])) == 0


def test_the_median_run_counts() -> None:
    runs = [trial(tps=tps) for tps in (300.0, 100.0, 200.0)]
    assert median_run(runs) is runs[2]
    assert median_run(runs[:2]) is runs[1]
    assert median_run([]) is None
    assert percentile([1.0, 2.0, 3.0, 4.0], 0.5) == 3.0
    assert percentile([], 0.5) == 0.0


def test_senders_fill_whole_batches() -> None:
    options = RunOptions(accounts=1_000, senders=180, batch=50)
    assert options.senders_count() == 150
    assert dataclasses.replace(options, senders=20).senders_count() == 20
    assert dataclasses.replace(options, workload="transfer-chain").senders_count() == 1
    assert dataclasses.replace(options, workload="evidence-64k").batch_size() == 10
    with pytest.raises(InvalidPlan):
        dataclasses.replace(options, senders=1_001).senders_count()
    with pytest.raises(InvalidPlan):
        dataclasses.replace(options, rpc=("http://far.example:1",)).endpoints()
    assert len(dataclasses.replace(options, rpc=("http://far.example:1",), allow_remote=True).endpoints()) == 1
