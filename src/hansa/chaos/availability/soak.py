"""`hansa soak`: a random fault every period while probes run, at most t validators at once; nothing may be lost."""

import asyncio
import datetime
import time
from pathlib import Path
from random import Random

import msgspec

from hansa import __version__
from hansa.bench.errors import NodeFailed, Unreachable
from hansa.bench.probes import Machine, read_machine
from hansa.bench.report import say
from hansa.chaos.alliance import ChaosAlliance
from hansa.chaos.availability.prober import LIMIT_S, Probe, Prober
from hansa.chaos.judge import check_convergence, check_halt, check_ledgers, check_logs
from hansa.chaos.play import Player
from hansa.chaos.watch import Load, Watch
from hansa.sim.checkers.violation import Violation
from hansa.sim.script import Attack, AttackKind, Crash, Cut, Disk, DiskTrouble, Fault, Links, Script

LOAD_RATE = 10.0  # transactions per second besides the probes: without any, an idle chain makes no blocks
GOOD_SHARE_MIN = 0.999
GAP_S_MIN = 0.5  # shorter ones are not listed
GAPS_MAX = 200
POINTS_MAX = 2_000  # of the height over time that are kept
SETTLE_S = 15.0  # after a fault ends its consequences may last so long
FIRST_S, SHARE_BEGIN, SHARE_LONGEST = 5.0, 0.1, 0.4  # when a fault begins and how long it lasts, by its period
STOOD_STILL = "the prober itself stood still"
DELAY_MS, LOSS_PERCENT = 200, 10


class Happening(msgspec.Struct, frozen=True):
    """One fault of a soak, in seconds since its beginning."""

    at_s: float
    until_s: float
    nodes: tuple[int, ...]
    what: str


class Gap(msgspec.Struct, frozen=True):
    """A time without a new final block."""

    at_s: float
    ms: int
    cause: str


class SoakReport(msgspec.Struct, frozen=True):
    """`soak.json`."""

    hansa: str
    taken_at: str
    machine: Machine
    seed: int
    nodes: int
    minutes: float
    fault_every_s: float
    namespaces: bool
    limit_s: float  # within which a probe must be final and readable elsewhere
    probes: int
    void: int  # further ones, during which the prober itself stood still
    good: int
    final_ms_p50: int
    final_ms_p99: int
    bad: tuple[Probe, ...]
    faults: tuple[Happening, ...]
    gaps: tuple[Gap, ...]  # at least `GAP_S_MIN`, in order
    heights: tuple[tuple[float, int], ...]  # second, best final height
    transactions: int  # in the ledger
    lost: tuple[str, ...]  # seen final, and not in the ledger
    repaired: tuple[int, ...]
    violation: str | None

    @property
    def availability(self) -> float:
        """Share of good probes."""
        return self.good / self.probes if self.probes else 0.0

    @property
    def is_passed(self) -> bool:
        """Whether the soak shows what it should."""
        return self.violation is None and not self.lost and self.availability >= GOOD_SHARE_MIN


def make_soak_script(size: int, minutes: float, every_s: float, seed: int) -> Script:
    """Draw one fault for every period, which ends early enough in it for the alliance to heal."""
    draw = Random(f"soak/{seed}")
    faults: list[Fault] = []
    periods = max(1, int(minutes * 60 / every_s))
    for period in range(periods):
        begin_ms = round(1_000 * (period * every_s + FIRST_S + draw.uniform(0, SHARE_BEGIN * every_s)))
        until_ms = begin_ms + round(1_000 * draw.uniform(2.0, max(2.5, SHARE_LONGEST * every_s)))
        nodes = tuple(sorted(draw.sample(range(size), draw.randint(1, max(1, (size - 1) // 3)))))
        faults += _draw_fault(draw, begin_ms, until_ms, nodes, tuple(n for n in range(size) if n not in nodes))
    end_ms = round(minutes * 60_000)
    return Script("soak", seed, size, tuple(faults), end_ms, deadline_ms=end_ms)


def _draw_fault(
    draw: Random, at_ms: int, until_ms: int, nodes: tuple[int, ...], others: tuple[int, ...]
) -> tuple[Fault, ...]:
    match draw.randrange(12):
        case 0 | 1 | 2:
            return (Crash(at_ms, until_ms, nodes),)
        case 3:
            return (Attack(at_ms, until_ms, nodes, AttackKind.SILENT),)
        case 4:
            return (Attack(at_ms, until_ms, nodes, AttackKind.SLOW),)
        case 5:
            return (Attack(at_ms, until_ms, nodes, AttackKind.GARBAGE),)
        case 6:
            return tuple(Cut(at_ms, until_ms, (node,), others) for node in nodes)
        case 7:
            pair = (nodes, others) if draw.random() < 0.5 else (others, nodes)
            return (Cut(at_ms, until_ms, *pair, is_one_way=True),)
        case 8:
            both = ((nodes, others), (others, nodes))
            return tuple(Links(at_ms, until_ms, *pair, loss_percent=LOSS_PERCENT, delay_ms=DELAY_MS) for pair in both)
        case 9:
            return (Disk(at_ms, until_ms, nodes, DiskTrouble.STALE),)
        case 10:
            return (Disk(at_ms, until_ms, nodes, DiskTrouble.ROTTEN_BLOCKS),)
        case _:
            trouble = draw.choice((DiskTrouble.LOST, DiskTrouble.ROTTEN, DiskTrouble.ROTTEN_TWICE))
            return (Disk(at_ms, until_ms, nodes, trouble),)


def describe(fault: Fault) -> str:
    """A fault in a few words."""
    match fault:
        case Disk():
            return f"disk: {fault.trouble}"
        case Attack():
            return str(fault.attack)
        case Cut():
            return "one-way cut" if fault.is_one_way else "cut off"
        case Links():
            return "slow and lossy links"
        case Crash():
            return "kill -9"
        case _:
            return "clock"


class Soak:
    """One long run."""

    def __init__(self, script: Script, every_s: float, folder: Path, is_sandboxed: bool) -> None:
        self.script = script
        self.every_s = every_s
        self.folder = folder
        self.alliance = ChaosAlliance(folder, script.size, is_sandboxed, script.seed)
        everybody = range(script.size)
        self.watch = Watch(self.alliance.clients, everybody)
        self.load = Load(self.alliance, self.watch, LOAD_RATE, everybody, script.seed)
        self.prober = Prober(self.alliance, self.watch, self.load, script.seed)
        self.player = Player(self.alliance, script)

    async def run(self) -> SoakReport:
        """Soak, then judge."""
        violation: str | None = None
        places: dict[str, int] = {}
        begin_s = time.monotonic()
        try:
            await self.alliance.start()
            self.watch.start()
            self.load.start()
            begin_s = time.monotonic()
            await self._torment(begin_s)
            places = await self._judge()
        except (Violation, Unreachable, NodeFailed) as error:
            violation = str(error)
        finally:
            await self.load.stop()
            await self.watch.stop()
            await self.player.close()
            await self.alliance.close()
        return self._report(begin_s, places, violation)

    async def _torment(self, begin_s: float) -> None:
        end_s = begin_s + self.script.deadline_ms / 1_000
        playing = asyncio.create_task(self.player.play())
        probing = asyncio.create_task(self.prober.run(begin_s, end_s))
        saying = asyncio.create_task(self._say(begin_s))
        try:
            await asyncio.gather(playing, probing)
        finally:
            for task in (playing, probing, saying):
                task.cancel()
            await asyncio.gather(playing, probing, saying, return_exceptions=True)

    async def _say(self, begin_s: float) -> None:
        for fault in sorted(self.script.faults, key=lambda one: one.at_ms):
            await asyncio.sleep(max(0.0, begin_s + fault.at_ms / 1_000 - time.monotonic()))
            bad = sum(not probe.is_good for probe in self.prober.probes)
            say(
                f"  {fault.at_ms / 1_000:6.0f} s  height {self.watch.best}, {len(self.prober.probes)} probes,"
                f" {bad} bad; now {describe(fault)} of {', '.join(map(str, fault.nodes))}"
            )

    async def _judge(self) -> dict[str, int]:
        if self.watch.violation is not None:
            raise self.watch.violation
        await self.load.stop()
        everybody = range(self.script.size)
        await check_halt(self.alliance, everybody)
        await check_convergence(self.alliance, everybody)
        await self.watch.stop()
        places = await check_ledgers(self.alliance, self.watch.sealed, everybody)
        check_logs(self.alliance.nodes, ())
        return places

    def _report(self, begin_s: float, places: dict[str, int], violation: str | None) -> SoakReport:
        probes = [probe for probe in self.prober.probes if not probe.is_void]
        taken = sorted(probe.final_ms for probe in probes if probe.final_ms >= 0) or [-1]
        seen_final = [probe.transaction for probe in probes if probe.final_ms >= 0]
        faults = tuple(Happening(f.at_ms / 1_000, f.until_ms / 1_000, f.nodes, describe(f)) for f in self.script.faults)
        return SoakReport(
            hansa=__version__,
            taken_at=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            machine=read_machine(self.folder),
            seed=self.script.seed,
            nodes=self.script.size,
            minutes=self.script.deadline_ms / 60_000,
            fault_every_s=self.every_s,
            namespaces=self.alliance.streets.is_sandboxed,
            limit_s=LIMIT_S,
            probes=len(probes),
            void=len(self.prober.probes) - len(probes),
            good=sum(probe.is_good for probe in probes),
            final_ms_p50=taken[len(taken) // 2],
            final_ms_p99=taken[len(taken) * 99 // 100],
            bad=tuple(probe for probe in probes if not probe.is_good),
            faults=faults,
            gaps=find_gaps(
                [(at_s - begin_s, height) for at_s, height in self.watch.finals],
                (*faults, *(Happening(a - begin_s, b - begin_s, (), STOOD_STILL) for a, b in self.watch.stills)),
            ),
            heights=thin_out([(round(at_s - begin_s, 2), height) for at_s, height in self.watch.finals]),
            transactions=len(places),
            lost=tuple(one for one in seen_final if one not in places) if violation is None else (),
            repaired=tuple(self.player.repaired),
            violation=violation,
        )


def find_gaps(finals: list[tuple[float, int]], faults: tuple[Happening, ...]) -> tuple[Gap, ...]:
    """The times without a new final block that are worth a line, each with the fault in whose time it falls."""
    found = []
    for (before_s, _), (after_s, _) in zip(finals, finals[1:], strict=False):
        if before_s >= 0 and after_s - before_s >= GAP_S_MIN:
            causes = [
                f"{fault.what} of {', '.join(map(str, fault.nodes))}" if fault.nodes else fault.what
                for fault in faults
                if fault.at_s <= after_s and before_s <= fault.until_s + SETTLE_S
            ]
            found.append(
                Gap(round(before_s, 2), round(1_000 * (after_s - before_s)), "; ".join(causes) or "no fault then")
            )
    return tuple(sorted(sorted(found, key=lambda gap: -gap.ms)[:GAPS_MAX], key=lambda gap: gap.at_s))


def thin_out(points: list[tuple[float, int]]) -> tuple[tuple[float, int], ...]:
    """At most `POINTS_MAX` of the points, evenly, and the last one."""
    step = -(-len(points) // POINTS_MAX)
    return (*points[::step], points[-1])
