"""How long an alliance needs until it goes on: after the loss of its leader, a planned stop, a partition."""

import asyncio
import datetime
import signal
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from random import Random

import msgspec

from hansa import __version__
from hansa.bench.errors import Unreachable, VoidRun
from hansa.bench.probes import Machine, read_machine
from hansa.bench.report import say
from hansa.chaos.alliance import READY_S_MAX, ChaosAlliance
from hansa.chaos.judge import check_convergence, check_halt, check_ledgers, check_logs
from hansa.chaos.watch import Load, Watch

LOAD_RATE = 50.0  # transactions per second: a block every interval
CALM_S = 1.0  # between two recoveries, at least
WATCHED_S = 3.0  # after an event, within which the gap is sought
GOES_ON_S_MAX = 60.0
CUT_S = (2.0, 6.0)  # how long partitions last
_POLL_S = 0.01


class RecoveryReport(msgspec.Struct, frozen=True):
    """What one kind of event cost, again and again."""

    event: str
    what: str  # which time is measured
    hansa: str
    taken_at: str
    machine: Machine
    seed: int
    nodes: int
    namespaces: bool
    gaps_ms: tuple[int, ...]  # in the order in which they happened
    everywhere_ms: tuple[int, ...]  # until every node had gone on; empty where it means nothing
    p50_ms: int
    p99_ms: int


_DECODER = msgspec.json.Decoder(RecoveryReport)


def decode_recovery(data: bytes) -> RecoveryReport:
    """Return a report from its JSON, trusted: it lies in the repository."""
    return _DECODER.decode(data)


def recovery_section(reports: Sequence[RecoveryReport]) -> str:
    """What the page of the matrix says about recoveries, as Markdown."""
    lines = [
        "## How long blocks stop\n",
        "`hansa chaos recovery`: the same event again and again under 50 transactions a second, in milliseconds of real"
        " time on a machine that all nodes and the client share.\n",
        "| event | measured | nodes | times | p50 | p99 | longest | at all nodes, p99 | machine |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for report in reports:
        everywhere = sorted(report.everywhere_ms)
        cells = (
            report.event,
            report.what,
            str(report.nodes),
            str(len(report.gaps_ms)),
            str(report.p50_ms),
            str(report.p99_ms),
            str(max(report.gaps_ms)),
            str(everywhere[len(everywhere) * 99 // 100]) if everywhere else "–",
            f"{report.machine.processor}, {report.machine.cores} cores",
        )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


class Recovery:
    """One alliance to which the same happens many times."""

    def __init__(self, folder: Path, nodes: int, is_sandboxed: bool, seed: int) -> None:
        self.alliance = ChaosAlliance(folder, nodes, is_sandboxed, seed)
        self.draw = Random(f"recovery/{seed}")
        self.watch = Watch(self.alliance.clients, range(nodes))
        self.load = Load(self.alliance, self.watch, LOAD_RATE, range(nodes), seed)
        self.everywhere_ms: list[int] = []

    async def leader_crash(self) -> int:
        """Kill the leader; the longest time without a final block from then on, in milliseconds."""
        node = self.alliance.nodes[await self._find_leader()]
        begin_s = time.monotonic()
        node.kill()
        gap_ms = await self._gap_ms(begin_s)
        node.start()
        return gap_ms

    async def planned_stop(self) -> int:
        """Ask the leader to stop (SIGTERM); the longest time without a final block from then on, in milliseconds."""
        node = self.alliance.nodes[await self._find_leader()]
        begin_s = time.monotonic()
        assert node.process is not None
        node.process.send_signal(signal.SIGTERM)
        gap_ms = await self._gap_ms(begin_s)
        await asyncio.to_thread(node.stop)
        node.start()
        return gap_ms

    async def follower_restart(self) -> int:
        """Stop one that does not lead (SIGTERM) and start it again; the longest time without a final block until it
        votes, in milliseconds.
        """
        leader = await self._find_leader()
        node = self.alliance.nodes[self.draw.choice([i for i in range(self.alliance.size) if i != leader])]
        begin_s = time.monotonic()
        await asyncio.to_thread(node.stop)
        node.start()
        await self.wait_whole()
        return await self._gap_ms(begin_s)

    async def heal(self) -> int:
        """Cut the alliance into two parts without a quorum; milliseconds from the healing to the next final block.

        Raises
        ------
        VoidRun: blocks went on meanwhile, or not afterwards.
        """
        size = self.alliance.size
        order = self.draw.sample(range(size), size)
        parts = order[: size // 2], order[size // 2 :]
        if size % 2:  # either part might have a quorum: a third one of a single node takes it away
            parts = order[: size // 2], order[size // 2 + 1 :]
        rest = order[size // 2 : size // 2 + size % 2]
        groups = [group for group in (*parts, rest) if group]
        self._cut(groups, 1)
        await asyncio.sleep(self.draw.uniform(*CUT_S))
        if time.monotonic() - self.watch.finals[-1][0] < 1.0:
            raise VoidRun("blocks went on although no part had a quorum", "this is a bug in the test")
        self._cut(groups, -1)
        healed_s, height = time.monotonic(), self.watch.best
        await self._wait_for(lambda: self.watch.best > height)
        gap_ms = round(1_000 * (self.watch.finals[-1][0] - healed_s))
        await self._wait_for(lambda: min(self.watch.heights) > height)
        self.everywhere_ms.append(round(1_000 * (time.monotonic() - healed_s)))
        return gap_ms

    def _cut(self, groups: list[list[int]], delta: int) -> None:
        for group in groups:
            others = [node for other in groups if other is not group for node in other]
            self.alliance.proxy.cut(group, others, delta)

    async def _gap_ms(self, begin_s: float) -> int:
        height = self.watch.best
        await self._wait_for(lambda: self.watch.best > height + 2)
        await asyncio.sleep(max(0.0, begin_s + WATCHED_S - time.monotonic()))
        return round(1_000 * self.watch.longest_gap_s(begin_s, time.monotonic()))

    async def _wait_for(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + GOES_ON_S_MAX
        while not condition():
            if time.monotonic() > deadline:
                raise VoidRun(f"nothing went on within {GOES_ON_S_MAX:.0f} s", "see the nodes' node.log")
            await asyncio.sleep(_POLL_S)

    async def _find_leader(self) -> int:
        """The leader by what most nodes say."""
        said = [(await client.status()).get("leader") for client in self.alliance.clients]
        return int(str(max(set(said), key=said.count)))

    async def wait_whole(self) -> None:
        """Wait until every node serves, votes, is linked to all others and stands at the head.

        Raises
        ------
        VoidRun: they do not in time.
        """
        deadline = time.monotonic() + READY_S_MAX
        for node in self.alliance.nodes:
            await asyncio.to_thread(node.wait_ready, deadline)
        while time.monotonic() < deadline:
            try:
                said = [await client.status() for client in self.alliance.clients]
            except Unreachable:
                continue
            whole = [one.get("voting") and one.get("peers") == self.alliance.size - 1 for one in said]
            if all(whole) and min(self.watch.heights) >= self.watch.best - 20:
                return
            await asyncio.sleep(_POLL_S)
        raise VoidRun(f"not all nodes came back within {READY_S_MAX:.0f} s", "see the nodes' node.log")


EVENTS: dict[str, tuple[str, Callable[[Recovery], Awaitable[int]]]] = {
    "leader-crash": ("kill -9 of the leader: longest time without a final block", Recovery.leader_crash),
    "planned-stop": ("SIGTERM to the leader: longest time without a final block", Recovery.planned_stop),
    "follower-restart": (
        "SIGTERM to one that follows, and its start: longest time without a final block until it votes",
        Recovery.follower_restart,
    ),
    "heal": ("no quorum for 2 to 6 s: from the healing to the next final block", Recovery.heal),
}


async def measure_recovery(
    event: str, times: int, nodes: int, seed: int, folder: Path, is_sandboxed: bool
) -> RecoveryReport:
    """Let one kind of event happen again and again, under load, and judge the ledgers at the end.

    Raises
    ------
    VoidRun: the alliance did not go on.
    Violation: something does not hold.
    """
    what, happen = EVENTS[event]
    recovery = Recovery(folder, nodes, is_sandboxed, seed)
    gaps: list[int] = []
    try:
        await recovery.alliance.start()
        recovery.watch.start()
        recovery.load.start()
        for number in range(times):
            await recovery.wait_whole()
            await asyncio.sleep(CALM_S + recovery.draw.random())
            gaps.append(await happen(recovery))
            say(f"  {event} {number + 1} of {times}: {gaps[-1]} ms")
        await recovery.wait_whole()
        await recovery.load.stop()
        everybody = range(nodes)
        await check_halt(recovery.alliance, everybody)
        await check_convergence(recovery.alliance, everybody)
        await recovery.watch.stop()
        await check_ledgers(recovery.alliance, recovery.watch.sealed, everybody)
        check_logs(recovery.alliance.nodes, ())
    finally:
        await recovery.load.stop()
        await recovery.watch.stop()
        await recovery.alliance.close()
    ordered = sorted(gaps)
    return RecoveryReport(
        event=event,
        what=what,
        hansa=__version__,
        taken_at=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        machine=read_machine(folder),
        seed=seed,
        nodes=nodes,
        namespaces=is_sandboxed,
        gaps_ms=tuple(gaps),
        everywhere_ms=tuple(recovery.everywhere_ms),
        p50_ms=ordered[len(ordered) // 2],
        p99_ms=ordered[len(ordered) * 99 // 100],
    )
