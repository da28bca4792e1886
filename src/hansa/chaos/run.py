"""One script, played with real processes and judged."""

import asyncio
import time
from pathlib import Path

import msgspec

from hansa.alliance.model import Consensus
from hansa.bench.errors import NodeFailed, Unreachable
from hansa.bench.report import say
from hansa.chaos.alliance import READY_S_MAX, ChaosAlliance
from hansa.chaos.disks import slow
from hansa.chaos.judge import check_censorship, check_convergence, check_halt, check_ledgers, check_logs
from hansa.chaos.newcomers import install_newcomer, make_newcomer
from hansa.chaos.play import Player
from hansa.chaos.watch import Load, Watch
from hansa.sim.checkers.violation import Violation
from hansa.sim.script import Attack, AttackKind, Disk, DiskTrouble, Script

LOAD_RATE = 20.0  # transactions per second
CENSORED_TERM = 10  # heights that a leader proposes where some censor: others must have their turn
AFTER_CALM_S = 3.0  # an attack that goes on is watched so long at least
START_S = 15.0  # more than the simulator grants: processes need seconds to start, and share the machine
_POLL_S = 0.02


class RunResult(msgspec.Struct, frozen=True):
    """What became of one run."""

    name: str
    seed: int
    size: int
    namespaces: bool  # each node in a network namespace; else on loopback
    violation: str | None
    heights: int  # final in the end
    transactions: int  # in these blocks
    gap_ms: int  # longest time without a new final block from calm until the demanded progress; -1 = safety only
    guilty: tuple[int, ...]  # validators whom evidence names
    repaired: tuple[int, ...]  # validators whose ledger was healed by `hansa repair`


class Run:
    """One alliance, its torment, and its judgement."""

    def __init__(self, script: Script, folder: Path, is_sandboxed: bool) -> None:
        self.script = script
        small, slowed = (_of_trouble(script, trouble) for trouble in (DiskTrouble.FULL, DiskTrouble.SLOW))
        twins = tuple(sorted(_of_attack(script, AttackKind.TWINS)))
        self.censors = _of_attack(script, AttackKind.CENSORING)
        joiners = script.nodes - script.size
        term = CENSORED_TERM if self.censors else Consensus().term
        self.alliance = ChaosAlliance(folder, script.size, is_sandboxed, script.seed, twins, small, joiners, term)
        for place, own in enumerate(self.alliance.identity):
            if own in slowed:
                self.alliance.nodes[place].module = slow.MODULE
        places = range(len(self.alliance.nodes))
        self.honest = [place for place in places if self.alliance.identity[place] not in script.traitors]
        self.watch = Watch(self.alliance.clients, self.honest)
        self.load = Load(self.alliance, self.watch, LOAD_RATE, self.honest, script.seed)
        self.player = Player(self.alliance, script)

    async def run(self) -> RunResult:
        """Play the script and judge."""
        violation: Violation | None = None
        gap_ms, places, guilty = -1, dict[str, int](), set[int]()
        try:
            await self.alliance.start()
            await self._welcome()
            gap_ms = await self._torment()
            places, guilty = await self._judge()
        except Violation as found:
            violation = found
        except (Unreachable, NodeFailed) as error:
            violation = Violation("liveness", str(error))
        finally:
            await self.load.stop()
            await self.watch.stop()
            await self.player.close()
            await self.alliance.close()
        return RunResult(
            name=self.script.name,
            seed=self.script.seed,
            size=self.script.size,
            namespaces=self.alliance.streets.is_sandboxed,
            violation=None if violation is None else str(violation),
            heights=self.watch.best,
            transactions=len(places),
            gap_ms=gap_ms,
            guilty=tuple(sorted(guilty)),
            repaired=tuple(self.player.repaired),
        )

    async def _welcome(self) -> None:
        """Nodes that are to come belong to the alliance and follow it from the beginning on, without a vote."""
        for index in range(self.script.size, self.script.nodes):
            newcomer = make_newcomer(self.alliance, index)
            install_newcomer(self.alliance, newcomer, *await self.player.council.welcome(newcomer))
            node = self.alliance.nodes[self.alliance.identity.index(index)]
            node.start()
            await asyncio.to_thread(node.wait_ready, time.monotonic() + READY_S_MAX)

    async def _torment(self) -> int:
        """Play, and demand progress after calm; the longest gap in milliseconds, -1 where none is demanded."""
        script = self.script
        self.watch.start()
        self.load.start()
        playing = asyncio.create_task(self.player.play())
        try:
            begin_s = time.monotonic()
            await self._wait(begin_s + script.calm_ms / 1_000, playing)
            await self.player.finish_changes()
            calm_s, demanded = time.monotonic(), self.watch.best + script.demand_heights
            if script.demand_heights == 0:
                await self._wait(begin_s + script.deadline_ms / 1_000, playing)
                return -1
            deadline_s = calm_s + (script.deadline_ms - script.calm_ms) / 1_000 + START_S
            while not all(self.watch.heights[place] >= demanded for place in self._standing()):
                await self._wait(time.monotonic() + _POLL_S, playing)
                if time.monotonic() > deadline_s:
                    heights = {place: self.watch.heights[place] for place in self._standing()}
                    raise Violation("liveness", f"height {demanded} was demanded by now, the nodes stand at {heights}")
            await self._wait(calm_s + AFTER_CALM_S, playing)
            if self.watch.stills:
                say("  this process stood still meanwhile: such times are left out")
            return round(self.watch.longest_gap_s(calm_s, time.monotonic()) * 1_000)
        finally:
            playing.cancel()
            await asyncio.gather(playing, return_exceptions=True)

    async def _wait(self, until_s: float, playing: "asyncio.Task[None]") -> None:
        while True:
            if playing.done():
                playing.result()
            if self.watch.violation is not None:
                raise self.watch.violation
            left_s = until_s - time.monotonic()
            if left_s <= 0:
                return
            await asyncio.sleep(min(left_s, _POLL_S))

    def _standing(self) -> list[int]:
        """Places of honest nodes that are not down for good."""
        return [place for place in self.honest if self.player.down[self.alliance.identity[place]] == 0]

    async def _judge(self) -> tuple[dict[str, int], set[int]]:
        await self.load.stop()
        standing = self._standing()
        sealed = self.watch.sealed
        if self.script.demand_heights:
            await check_halt(self.alliance, standing)
            if self.censors:
                await check_censorship(self.alliance, self.load.accepted, standing)
            await check_convergence(self.alliance, standing)
        else:  # more than t may have lost what they held
            sealed = {}
            standing = [place for place in standing if self.alliance.nodes[place].is_ready()]
        await self.watch.stop()
        places = await check_ledgers(self.alliance, sealed, standing)
        honest = [self.alliance.nodes[place] for place in self.honest]
        return places, check_logs(honest, self.script.traitors)


def _of_trouble(script: Script, trouble: DiskTrouble) -> frozenset[int]:
    """The validators whose disks misbehave in one way at some time."""
    disks = (fault for fault in script.faults if isinstance(fault, Disk) and fault.trouble is trouble)
    return frozenset(node for disk in disks for node in disk.nodes)


def _of_attack(script: Script, kind: AttackKind) -> frozenset[int]:
    """The validators that break the protocol in one way at some time."""
    attacks = (fault for fault in script.faults if isinstance(fault, Attack) and fault.attack is kind)
    return frozenset(node for attack in attacks for node in attack.nodes)


async def run_script(script: Script, folder: Path, is_sandboxed: bool) -> RunResult:
    """Found an alliance in an empty folder, play the script with it, and judge."""
    result = await Run(script, folder, is_sandboxed).run()
    say(f"  {format_result(result)}")
    return result


def format_result(result: RunResult) -> str:
    """One line for people."""
    gap = "safety only" if result.gap_ms < 0 else f"longest gap {result.gap_ms} ms"
    verdict = "held" if result.violation is None else f"FAILED {result.violation}"
    return f"{result.name:32} seed {result.seed}, {result.size} nodes, {result.heights:5} blocks, {gap:20} {verdict}"
