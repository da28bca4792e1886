"""Simulated larger alliances: fitted costs, shared processors, runs that repeat, tables that are void or shown."""

import dataclasses
import heapq
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hansa.bench.errors import InvalidPlan
from hansa.bench.probes import Machine
from hansa.bench.report import RESULT_VERSION, RunReport
from hansa.bench.scale.costs import CHECK, EXECUTE, LOOP, Costs, read_costs
from hansa.bench.scale.links import MEASURED, PLACES, Place
from hansa.bench.scale.page import read_scale, scale_section
from hansa.bench.scale.processor import Processor, Thread
from hansa.bench.scale.study import VERSION, Check, ScaleReport, fill_cell, study_scale
from hansa.bench.scale.world import Figures, Load, ScaleWorld
from hansa.bench.trial import TrialResult

FIELDS: dict[str, Any] = dict.fromkeys(TrialResult.__slots__, 0)
LAN, METRO, REGIONS = PLACES


def trial(rate: float, size: float, reasons: tuple[str, ...] = ()) -> TrialResult:
    """A run whose stages cost, for each transaction and for each block, what the tests say."""
    stages = {LOOP: 4.0 + 3_000 / size, EXECUTE: 3.0 + 1_500 / size, CHECK: 1.0, "anything else": 2.0 + 1_000 / size}
    known = {
        "rate": rate,
        "tps": rate,
        "blocks": 100,
        "goodput": 0.5 if reasons else 1.0,
        "latency_ms_p50": 100.0,
        "block_transactions_mean": size,
        "stage_us_per_tx": stages,
        "client_cpu_us_per_tx": 5.0,
        "network_bytes_per_tx": 110.0,
        "foreign_cpu_share": 0.0,
        "reasons": reasons,
        "refused": {},
        "reads": None,
    }
    return TrialResult(**(FIELDS | known))


def result(best: TrialResult | None = None, half: TrialResult | None = None, validators: int = 4) -> RunReport:
    best = best or trial(8_000.0, 1_000.0)
    half = half or trial(4_000.0, 400.0)
    return RunReport(
        version=RESULT_VERSION,
        workload="transfer",
        hansa="0.1.0",
        core="0123456789abcdef",
        taken_at="2026-01-01T00:00:00Z",
        seed=1,
        validators=validators,
        fault=None,
        accounts=10_000,
        senders=10_000,
        batch=50,
        conflict_share=0.0,
        duration_s=60.0,
        own_alliance=True,
        durable=True,
        machine=Machine("a processor", (), 2, 8.0, "a kernel", "3.11", 1.0),
        trials=(half, trial(6_000.0, 600.0), best, trial(9_000.0, 50.0, ("p99 too high",))),
        counted=(best,),
        best=best,
        half=half,
        beyond=(),
    )


def measure(place: Place, size: int = 4, rate: float = 4_000.0, seed: int = 1) -> Figures:
    costs: Costs = read_costs(result())
    return ScaleWorld(costs, Load(size, place, rate, 1.5, seed, 2.0)).measure()


def test_costs_are_told_apart_by_the_size_of_blocks() -> None:
    costs = read_costs(result())
    assert costs.execute.per_transaction == pytest.approx(3.0)
    assert costs.execute.per_block == pytest.approx(1_500.0)
    assert costs.execute.of(100) == pytest.approx(1_800.0)
    assert costs.check.per_block == pytest.approx(0.0, abs=1e-6)
    assert costs.rest.per_block == pytest.approx(1_000.0)
    assert costs.frame > 0
    assert costs.sync_us == 1_000.0
    with pytest.raises(InvalidPlan, match="four validators"):
        read_costs(result(validators=7))
    with pytest.raises(InvalidPlan, match="tell what a block costs"):
        read_costs(dataclasses.replace(result(), trials=(trial(8_000.0, 1_000.0),) * 4))


class Timeline:
    """Virtual time of its own."""

    def __init__(self) -> None:
        self.now_us = 0
        self._heap: list[tuple[int, int, Callable[[Any], None], Any]] = []

    def at(self, at_us: int, act: Callable[[Any], None], argument: object) -> None:
        heapq.heappush(self._heap, (at_us, len(self._heap) + self.now_us * 1_000, act, argument))

    def run(self) -> None:
        while self._heap:
            self.now_us, _, act, argument = heapq.heappop(self._heap)
            act(argument)


@pytest.mark.parametrize(("cores", "ends"), [(4.0, [100, 100, 300]), (1.0, [300, 300, 500]), (0.5, [600, 600, 1_000])])
def test_threads_share_the_cores(cores: float, ends: list[int]) -> None:
    timeline = Timeline()
    processor = Processor(timeline, cores)
    seen: list[int] = []
    for cost in (100.0, 100.0, 300.0):
        Thread(processor).do(cost, lambda _: seen.append(timeline.now_us), None)
    timeline.run()
    assert seen == ends


def test_rivals_take_their_share() -> None:
    timeline = Timeline()
    seen: list[int] = []
    Thread(Processor(timeline, 1.0, rivals=1.0)).do(100.0, lambda _: seen.append(timeline.now_us), None)
    timeline.run()
    assert seen == [200]


def test_a_thread_does_one_thing_after_the_other() -> None:
    timeline = Timeline()
    thread = Thread(Processor(timeline, 4.0))
    seen: list[tuple[str, int]] = []
    for name in ("first", "second"):
        thread.do(50.0, lambda said: seen.append((said, timeline.now_us)), name)
    assert thread.waiting == 2
    timeline.run()
    assert seen == [("first", 50), ("second", 100)]


def test_the_same_seed_gives_the_same_figures() -> None:
    assert measure(METRO) == measure(METRO)
    assert measure(METRO, seed=2) != measure(METRO)


def test_longer_ways_make_nothing_faster() -> None:
    medians = [measure(place).latency_ms_p50 for place in (LAN, METRO, REGIONS)]
    assert medians == sorted(medians)
    # Three votes and a proposal cross the regions, of which the nearest three are 20 ms and more apart.
    assert medians[2] - medians[0] > 60
    slower = [measure(Place("far", ((us,),), None, 4)).latency_ms_p50 for us in (1_000, 10_000, 40_000)]
    assert slower == sorted(slower)


def test_what_is_offered_becomes_final_until_the_processors_are_busy() -> None:
    light, heavy = measure(MEASURED), measure(MEASURED, rate=60_000.0)
    assert light.is_sustained
    assert light.tps == pytest.approx(4_000.0, rel=0.1)
    assert light.views == 0
    assert not heavy.is_sustained
    assert heavy.tps < 50_000
    assert 0 < light.busiest_share < heavy.busiest_share <= 1


def test_more_validators_send_more_and_the_leader_most() -> None:
    few, many = measure(LAN), measure(LAN, size=7)
    assert many.bytes_per_node_and_transaction > few.bytes_per_node_and_transaction
    assert 1 / 4 < few.leader_share < 1
    assert 1 / 7 < many.leader_share < few.leader_share


def test_a_simulation_that_misses_the_measurement_is_void(tmp_path: Path) -> None:
    said: list[str] = []
    report = study_scale(result(best=trial(90_000.0, 1_000.0)), 1, (4,), said.append)
    assert report.is_void
    assert report.cells == ()
    assert said[0].startswith("VOID")
    assert "VOID" in scale_section([report])
    assert "| 4 |" not in scale_section([report])
    with pytest.raises(InvalidPlan):
        study_scale(result(), 1, (3,), said.append)
    with pytest.raises(InvalidPlan, match="half"):
        study_scale(dataclasses.replace(result(), half=None), 1, (4,), said.append)
    path = tmp_path / "scale.json"
    path.write_bytes(msgspec.json.encode(report))
    assert read_scale(path) == report
    path.write_bytes(msgspec.json.encode(dataclasses.replace(report, version=VERSION + 1)))
    with pytest.raises(InvalidPlan, match="version"):
        read_scale(path)


def test_a_table_shows_every_alliance() -> None:
    costs = read_costs(result())
    cell = fill_cell(costs, 4, LAN, 1, seconds=0.5)
    assert cell.saturation is not None
    assert cell.half is not None
    assert cell.half.rate == pytest.approx(cell.saturation.rate / 2, abs=1)
    check = Check(10_000.0, 9_000.0, 5_000.0, 100.0, 110.0)
    assert check.holds
    assert not dataclasses.replace(check, p50_ms_simulated=120.0).holds
    assert not dataclasses.replace(check, tps_simulated=8_000.0).holds
    machine = result().machine
    none = dataclasses.replace(cell, validators=64, saturation=None, half=None)
    report = ScaleReport(
        VERSION, "transfer", 10_000, "2026-01-01T00:00:00Z", 0.0, machine, 1, costs, check, False, (cell, none)
    )
    page = scale_section([report])
    assert "| 4 | LAN, 4 cores each |" in page
    assert "| 64 | LAN, 4 cores each | – |" in page
    assert scale_section([]) == ""
