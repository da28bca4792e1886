"""The tables: first the measured alliance itself, simulated; if that comes out right, larger ones at other places.

A simulation that does not reproduce what was measured says nothing about what was not: then the tables are void.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass

import msgspec

from hansa.bench.errors import InvalidPlan
from hansa.bench.probes import Machine
from hansa.bench.report import RunReport
from hansa.bench.scale.costs import VALIDATORS, Costs, read_costs
from hansa.bench.scale.links import MEASURED, PLACES, Place
from hansa.bench.scale.world import Figures, Load, ScaleWorld
from hansa.bench.search import find_highest

VERSION = 1
SIZES = (4, 16, 64)
SIZE_MAX = 100
# Virtual time of one run. Votes among all are many: for 64 validators a second takes several of a processor.
SECONDS = {4: 8.0, 16: 5.0, 64: 3.0}
SECONDS_ELSE = 4.0
START_RATES = {4: 60_000.0, 16: 40_000.0}  # where the search begins; it goes both ways
START_RATE_ELSE = 20_000.0
TOLERANCE = 0.15


@dataclass(frozen=True, slots=True)
class Check:
    """The measured alliance, as it was measured and as it is simulated."""

    tps_measured: float
    tps_simulated: float
    p50_ms_rate: float  # at which both medians hold
    p50_ms_measured: float
    p50_ms_simulated: float

    @property
    def tps_off(self) -> float:
        """How far the simulated throughput is off, as a share of the measured one."""
        return self.tps_simulated / self.tps_measured - 1

    @property
    def p50_off(self) -> float:
        """How far the simulated median latency is off."""
        return self.p50_ms_simulated / self.p50_ms_measured - 1

    @property
    def holds(self) -> bool:
        """Whether both are near enough for the rest to mean anything."""
        return max(abs(self.tps_off), abs(self.p50_off)) <= TOLERANCE


@dataclass(frozen=True, slots=True)
class Cell:
    """One alliance at one place."""

    validators: int
    place: str
    cores: int  # of each validator's machine
    saturation: Figures | None  # the highest rate that lasts; None: none was found
    half: Figures | None  # half of it


@dataclass(frozen=True, slots=True)
class ScaleReport:
    """The result file of `hansa bench scale`."""

    version: int
    workload: str
    accounts: int
    costs_taken_at: str
    foreign_cpu_share: float  # of the measured machine, used by others meanwhile: not given to the simulated nodes
    machine: Machine
    seed: int
    costs: Costs
    check: Check
    is_void: bool  # the check failed: there are no cells
    cells: tuple[Cell, ...]


def study_scale(report: RunReport, seed: int, sizes: tuple[int, ...], say: Callable[[str], None]) -> ScaleReport:
    """Check the simulation against the result, then, if that holds, fill the tables.

    Raises
    ------
    InvalidPlan: the result does not hold what is needed, or an alliance has too few members or too many.
    Violation: a run broke a rule of the protocol.
    """
    if not all(VALIDATORS <= size <= SIZE_MAX for size in sizes):
        raise InvalidPlan(f"alliances of {sizes} validators are not simulated", f"{VALIDATORS} to {SIZE_MAX} are")
    costs = read_costs(report)
    check = check_simulation(report, costs, seed)
    say(check_text(check))
    jobs = [(costs, size, place, seed) for size in sizes for place in PLACES] if check.holds else []
    cells = []
    with ProcessPoolExecutor() as pool:
        for cell in pool.map(_fill, jobs):
            say(f"  {cell_text(cell)}")
            cells.append(cell)
    assert report.best is not None
    return ScaleReport(
        version=VERSION,
        workload=report.workload,
        accounts=report.accounts,
        costs_taken_at=report.taken_at,
        foreign_cpu_share=report.best.foreign_cpu_share,
        machine=report.machine,
        seed=seed,
        costs=costs,
        check=check,
        is_void=not check.holds,
        cells=tuple(cells),
    )


def check_simulation(report: RunReport, costs: Costs, seed: int) -> Check:
    """Simulate what was measured: four validators and their client on that machine, less what others used of it.

    Raises
    ------
    InvalidPlan: no sustained rate, or no run at half of it.
    """
    best, half = report.best, report.half
    if best is None or half is None:
        raise InvalidPlan("the result has no sustained rate with a run at half of it", "let hansa bench run search it")
    cores = report.machine.cores
    seconds = SECONDS[VALIDATORS]
    # What others used while nothing was left over was not to be had. At half load there is enough: they compete only.
    load = Load(VALIDATORS, MEASURED, best.tps, seconds, seed, cores * (1 - best.foreign_cpu_share))
    highest = find_saturation(costs, load)
    quiet = Load(VALIDATORS, MEASURED, half.rate, seconds, seed, cores, rivals=cores * half.foreign_cpu_share)
    return Check(
        tps_measured=best.tps,
        tps_simulated=0.0 if highest is None else highest.tps,
        p50_ms_rate=half.rate,
        p50_ms_measured=half.latency_ms_p50,
        p50_ms_simulated=ScaleWorld(costs, quiet).measure().latency_ms_p50,
    )


def find_saturation(costs: Costs, load: Load) -> Figures | None:
    """The figures at the highest rate that lasts, searched from that of the load on; None where none is found."""
    found: dict[float, Figures] = {}

    async def is_sustained(rate: float) -> bool:
        figures = ScaleWorld(costs, _at(load, rate)).measure()
        found[rate] = figures
        return figures.is_sustained

    highest = asyncio.run(find_highest(is_sustained, load.rate))
    return None if not highest else found[highest]


def fill_cell(costs: Costs, size: int, place: Place, seed: int, seconds: float) -> Cell:
    """Saturation of one alliance, and what it does at half of it."""
    load = Load(size, place, START_RATES.get(size, START_RATE_ELSE), seconds, seed, cores=1.0)
    highest = find_saturation(costs, load)
    half = None if highest is None else ScaleWorld(costs, _at(load, highest.rate / 2)).measure()
    return Cell(size, place.name, place.cores or 0, highest, half)


def _fill(job: tuple[Costs, int, Place, int]) -> Cell:
    costs, size, place, seed = job
    return fill_cell(costs, size, place, seed, SECONDS.get(size, SECONDS_ELSE))


def _at(load: Load, rate: float) -> Load:
    return msgspec.structs.replace(load, rate=rate)


def check_text(check: Check) -> str:
    """The verdict in one line."""
    verdict = "holds" if check.holds else "VOID"
    return (
        f"{verdict}: {check.tps_simulated:,.0f} tx/s simulated, {check.tps_measured:,.0f} measured"
        f" ({check.tps_off:+.0%}); p50 at {check.p50_ms_rate:,.0f} tx/s {check.p50_ms_simulated:.0f} ms simulated,"
        f" {check.p50_ms_measured:.0f} ms measured ({check.p50_off:+.0%}); {TOLERANCE:.0%} is allowed"
    )


def cell_text(cell: Cell) -> str:
    """One alliance in one line."""
    if cell.saturation is None or cell.half is None:
        return f"{cell.validators} validators, {cell.place}: no rate lasts"
    full, half = cell.saturation, cell.half
    return (
        f"{cell.validators} validators, {cell.place}: {full.tps:,.0f} tx/s, p50 {full.latency_ms_p50:.0f} p99"
        f" {full.latency_ms_p99:.0f} ms; at half p50 {half.latency_ms_p50:.0f} p99 {half.latency_ms_p99:.0f} ms;"
        f" {full.bytes_per_node_and_transaction:.0f} bytes, leader {full.leader_share:.0%};"
        f" {full.busiest} {full.busiest_share:.0%} busy"
    )
