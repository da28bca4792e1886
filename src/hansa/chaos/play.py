"""Lets a script happen to real processes: what begins and ends each fault. The simulator's is `sim/faults.py`."""

import asyncio
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from random import Random
from typing import Any

from hansa.bench.errors import NodeFailed
from hansa.bench.own_alliance import OwnNode
from hansa.chaos.alliance import ChaosAlliance
from hansa.chaos.clocks import find_library, give_clock, set_clock
from hansa.chaos.council import Council
from hansa.chaos.disks import harm
from hansa.chaos.disks.slow import slow_down
from hansa.chaos.disks.unsafe import lose_unsynced, misdirect_votes
from hansa.chaos.traitors import lying
from hansa.chaos.traitors.intruder import INTRUSIONS, Intruder
from hansa.chaos.traitors.lying import ATTACK, SEED
from hansa.sim.attackers import LIARS
from hansa.sim.script import Attack, AttackKind, Clock, Crash, Cut, Disk, DiskTrouble, Fault, Links, Membership, Script

SLOW_STOPPED_S, SLOW_RUNNING_S = 0.3, 0.05  # how a slow node stands still and works, in turn
POLL_S = 0.05
REPAIR_S_MAX = 120.0
EXIT_CORRUPT = 9
HONEST = "hansa.node"  # the program of a node that is what it says


def explain_unplayable(script: Script, is_sandboxed: bool) -> str | None:
    """Why real processes cannot suffer this script here; None where they can."""
    for fault in script.faults:
        match fault:
            case Disk(trouble=DiskTrouble.FULL) if not is_sandboxed:
                return "needs the right to mount a file system"
            case Links(duplicate_percent=share) if share:
                return "TCP removes duplicates before a node sees them"
            case Membership() if fault.joiner is not None and not is_sandboxed:
                return "a node that comes later needs a network namespace of its own"
            case Clock() if find_library() is None:
                return "needs libfaketime, which is not installed here"
    return None


class Player:
    """One script and the alliance that suffers it."""

    def __init__(self, alliance: ChaosAlliance, script: Script) -> None:
        self.alliance = alliance
        self.script = script
        self.draw = Random(f"play/{script.seed}")
        self.began_s = 0.0
        self.down: Counter[int] = Counter()  # validator -> faults that hold it down
        self.repaired: list[int] = []  # validators whose ledger `hansa repair` healed
        self.council = Council(alliance)
        self._changes: list[asyncio.Task[None]] = []
        self._held_up: dict[int, asyncio.Task[None]] = {}
        self._intruders: dict[int, Intruder] = {}
        clocks = [fault for fault in script.faults if isinstance(fault, Clock)]
        library = find_library()
        if clocks and library is not None:
            for node in alliance.nodes:
                give_clock(node, library, any(fault.rate_percent != 100 for fault in clocks))

    async def play(self) -> None:
        """Play every fault at its time; returns after the last one that ends before the script's deadline."""
        self.began_s = time.monotonic()
        moments = [
            (at_ms, order, number)
            for number, fault in enumerate(self.script.faults)
            for order, at_ms in enumerate((fault.at_ms, fault.until_ms))
            if at_ms < self.script.deadline_ms
        ]
        for at_ms, order, number in sorted(moments):
            await asyncio.sleep(max(0.0, self.began_s + at_ms / 1_000 - time.monotonic()))
            fault = self.script.faults[number]
            await PLAYERS[type(fault)][order](self, fault)

    async def finish_changes(self) -> None:
        """Wait until everything that the members were to agree on is in force.

        Raises
        ------
        Violation: it is not in time.
        """
        await asyncio.gather(*self._changes)

    async def close(self) -> None:
        """End what still goes on."""
        tasks = [*self._held_up.values(), *self._changes]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for intruder in self._intruders.values():
            await intruder.stop()
        for node in self.alliance.nodes:
            _signal(node, signal.SIGCONT)

    def nodes_of(self, validator: int) -> list[OwnNode]:
        """The processes that speak as one validator: one, or two for twins."""
        return [n for n, own in zip(self.alliance.nodes, self.alliance.identity, strict=True) if own == validator]

    async def _down(self, validator: int) -> None:
        self.down[validator] += 1
        for node in self.nodes_of(validator):
            node.kill()

    async def _up(self, validator: int) -> None:
        self.down[validator] -= 1
        if self.down[validator] == 0:
            for node in self.nodes_of(validator):
                if node.process is None:
                    node.start()

    async def _begin_crash(self, fault: Crash) -> None:
        for validator in fault.nodes:
            await self._down(validator)

    async def _end_crash(self, fault: Crash) -> None:
        for validator in fault.nodes:
            await self._up(validator)

    async def _begin_cut(self, fault: Cut) -> None:
        self._cut(fault, 1)

    async def _end_cut(self, fault: Cut) -> None:
        self._cut(fault, -1)

    def _cut(self, fault: Cut, delta: int) -> None:
        self.alliance.proxy.cut(fault.nodes, fault.peers, delta)
        if not fault.is_one_way:
            self.alliance.proxy.cut(fault.peers, fault.nodes, delta)

    async def _begin_links(self, fault: Links) -> None:
        self.alliance.proxy.trouble(fault, True)

    async def _end_links(self, fault: Links) -> None:
        self.alliance.proxy.trouble(fault, False)

    async def _begin_clock(self, fault: Clock) -> None:
        for validator in fault.nodes:
            for node in self.nodes_of(validator):
                set_clock(node, fault.jump_ms, fault.rate_percent)

    async def _end_clock(self, fault: Clock) -> None:
        for validator in fault.nodes:
            for node in self.nodes_of(validator):
                set_clock(node, 0, 100)

    async def _begin_disk(self, fault: Disk) -> None:
        for validator in fault.nodes:
            for node in self.nodes_of(validator):
                if fault.trouble is DiskTrouble.FULL:
                    await asyncio.to_thread(harm.fill_disk, node.folder)
                elif fault.trouble is DiskTrouble.SLOW:
                    slow_down(node.folder.root, fault.amount_ms)
                elif fault.trouble in (DiskTrouble.STALE, DiskTrouble.LYING):
                    _signal(node, signal.SIGSTOP)
                    await asyncio.to_thread(harm.take_image, node.folder, node.folder.root / "image")
                    _signal(node, signal.SIGCONT)

    async def _end_disk(self, fault: Disk) -> None:
        """The power fails, the disk is struck while the node is down, and the node starts again."""
        for validator in fault.nodes:
            if fault.trouble is DiskTrouble.FULL:
                for node in self.nodes_of(validator):
                    harm.free_disk(node.folder)
                continue
            if fault.trouble is DiskTrouble.SLOW:
                for node in self.nodes_of(validator):
                    slow_down(node.folder.root, 0)
                continue
            await self._down(validator)
            for node in self.nodes_of(validator):
                await asyncio.to_thread(self._strike, fault.trouble, node)
            await self._up(validator)
            if fault.trouble in (DiskTrouble.ROTTEN_BLOCKS, DiskTrouble.LYING):
                await self._repair(validator)

    def _strike(self, trouble: DiskTrouble, node: OwnNode) -> None:
        match trouble:
            case DiskTrouble.LOST:
                harm.lose_votes(node.folder)
            case DiskTrouble.ROTTEN:
                harm.rot_votes(node.folder, self.draw)
            case DiskTrouble.ROTTEN_TWICE:
                harm.rot_votes_twice(node.folder)
            case DiskTrouble.ROTTEN_BLOCKS:
                harm.rot_blocks(node.folder, self.draw)
            case DiskTrouble.STALE:
                harm.return_image(node.folder, node.folder.root / "image")
            case DiskTrouble.LYING:
                lose_unsynced(node.folder, node.folder.root / "image", self.draw)
            case DiskTrouble.MISDIRECTED:
                misdirect_votes(node.folder, self.draw)
            case _:
                raise AssertionError(trouble)

    async def _repair(self, validator: int) -> None:
        """Where a node refuses to start because its ledger is damaged, do as it says: `hansa repair`."""
        for node in self.nodes_of(validator):
            await asyncio.to_thread(_wait_settled, node)
            if node.process is None or node.process.poll() != EXIT_CORRUPT:
                continue
            command = [*node.prefix, sys.executable, "-m", "hansa.cli", "--json", "repair"]
            done = await asyncio.to_thread(
                subprocess.run,
                [*command, str(node.folder.root), "--yes"],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=REPAIR_S_MAX,
                check=False,
            )
            if done.returncode != 0:
                said = (done.stdout + done.stderr)[-400:]
                raise NodeFailed(f"{node.name} was not repaired: {said!r}", f"see {node.folder.log}")
            self.repaired.append(validator)
            node.process = None
            node.start()

    async def _begin_attack(self, fault: Attack) -> None:
        for validator in fault.nodes:
            node = self.alliance.nodes[validator]
            match fault.attack:
                case AttackKind.SILENT:
                    _signal(node, signal.SIGSTOP)
                case AttackKind.SLOW:
                    self._held_up[validator] = asyncio.create_task(_hold_up(node))
                case kind if kind in INTRUSIONS:
                    await self._down(validator)
                    intruder = Intruder(self.alliance, validator, kind, self.draw.randrange(2**32))
                    self._intruders[validator] = intruder
                    await intruder.start()
                case kind if kind in LIARS:
                    await self._run_as(validator, lying.MODULE, {ATTACK: kind, SEED: str(self.draw.randrange(2**32))})
                case _:
                    pass  # twins run from the beginning

    async def _end_attack(self, fault: Attack) -> None:
        for validator in fault.nodes:
            if validator in self._held_up:
                self._held_up.pop(validator).cancel()
            if validator in self._intruders:
                await self._intruders.pop(validator).stop()
                await self._up(validator)
            if fault.attack in LIARS:
                await self._run_as(validator, HONEST, {})
            _signal(self.alliance.nodes[validator], signal.SIGCONT)

    async def _begin_membership(self, fault: Membership) -> None:
        """A node that is to come runs already, without a vote (`Run`)."""

    async def _end_membership(self, fault: Membership) -> None:
        """The organisations vote, beside whatever else happens."""
        self._changes.append(asyncio.create_task(self.council.change(fault)))

    async def _run_as(self, validator: int, module: str, words: dict[str, str]) -> None:
        """Kill a validator's node and start it as another program."""
        await self._down(validator)
        for node in self.nodes_of(validator):
            node.module = module
            node.environment |= words
        await self._up(validator)


def _wait_settled(node: OwnNode) -> None:
    """Wait until a node serves or has ended."""
    while node.process is not None and not node.is_ready() and node.process.poll() is None:
        time.sleep(POLL_S)


async def _hold_up(node: OwnNode) -> None:
    try:
        while True:
            _signal(node, signal.SIGSTOP)
            await asyncio.sleep(SLOW_STOPPED_S)
            _signal(node, signal.SIGCONT)
            await asyncio.sleep(SLOW_RUNNING_S)
    finally:
        _signal(node, signal.SIGCONT)


def _signal(node: OwnNode, number: signal.Signals) -> None:
    if node.process is not None and node.process.poll() is None:
        node.process.send_signal(number)


_Act = Callable[[Player, Any], Awaitable[None]]
PLAYERS: dict[type[Fault], tuple[_Act, _Act]] = {
    Crash: (Player._begin_crash, Player._end_crash),
    Cut: (Player._begin_cut, Player._end_cut),
    Links: (Player._begin_links, Player._end_links),
    Clock: (Player._begin_clock, Player._end_clock),
    Disk: (Player._begin_disk, Player._end_disk),
    Attack: (Player._begin_attack, Player._end_attack),
    Membership: (Player._begin_membership, Player._end_membership),
}
