"""`hansa bench state`: the longest gap between blocks while checkpoints are written, and restarts to voting."""

import asyncio
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from hansa.bench.accounts import derive_accounts
from hansa.bench.client.checkpoints import NodeState, read_state
from hansa.bench.client.schedule import steady
from hansa.bench.client.sender import Sender, make_batches
from hansa.bench.client.watcher import SeenBlock, Watcher
from hansa.bench.errors import InvalidPlan, Unreachable, VoidRun
from hansa.bench.own_alliance import CHAIN_ID, READY_S_MAX, OwnAlliance, OwnNode
from hansa.bench.probes import Machine, foreign_share, read_machine, read_machine_time, read_usage
from hansa.bench.report import core_digest, now_text, release, say
from hansa.bench.transactions import Nonces, Transactions, make_transfers
from hansa.bench.trial import no_collection

VALIDATORS_MIN = 4  # so that blocks go on without one
SENDERS_MAX = 20_000
STATES_KEPT = 128  # a checkpoint is of the oldest of these, so a chain needs as many blocks before its second
WARM_UP_S = 5.0  # not counted
FILL_S = 40.0  # for the first blocks, until a checkpoint can be newer than the one of genesis
WRITE_S = 15.0  # beside the time that its bytes take
BYTES_PER_S = 30 << 20  # of a checkpoint, at least
LOOK_S = 0.05
PATIENCE_S = 120.0


@dataclass(frozen=True, slots=True)
class StateOptions:
    """What the command line asks for."""

    seed: int = 1
    validators: int = 4
    accounts: int = 1_000_000
    rate: float = 2_000.0
    batch: int = 50
    restarts: int = 3  # of each kind


@dataclass(frozen=True, slots=True)
class Written:
    """One node's checkpoint under load."""

    node: str
    mib: float
    seconds: float  # until the node's state had moved onto it
    held_up_ms: float  # blocks, while it moved
    block_gap_ms_max: float  # the longest gap between two blocks of the alliance meanwhile


@dataclass(frozen=True, slots=True)
class StateReport:
    """The result file of `hansa bench state`."""

    hansa: str  # release
    core: str  # digest of the native core's file: which build it was
    taken_at: str  # UTC
    machine: Machine
    seed: int
    validators: int
    accounts: int
    rate: float  # transactions per second offered throughout
    tps: float  # final
    checkpoints: tuple[Written, ...]
    block_gap_ms_max: float  # while any node wrote one
    block_gap_ms_max_before: float  # while none did
    rss_peak_mib: float  # of the largest node
    restart_s_killed: tuple[float, ...]  # under load, from the process's start until it votes, level with the others
    restart_s_stopped: tuple[float, ...]  # after a clean stop, nothing sent
    foreign_cpu_share: float  # of the machine, used by others under load


async def measure_state(options: StateOptions, folder: Path) -> StateReport:
    """Found an alliance, have every node write a checkpoint under load, one after the other, then restart one.

    Raises
    ------
    InvalidPlan: too few validators, or fewer accounts than send in one batch.
    NodeFailed, Unreachable: there is nothing to measure.
    VoidRun: a checkpoint or a restart took too long, or blocks stopped.
    """
    if options.validators < VALIDATORS_MIN:
        raise InvalidPlan("one validator is restarted under load", f"--validators is at least {VALIDATORS_MIN}")
    if options.accounts < options.batch:
        raise InvalidPlan("the accounts of a batch differ", f"--accounts is at least {options.batch}")
    machine = read_machine(folder)
    senders = min(options.accounts, SENDERS_MAX) // options.batch * options.batch
    accounts = derive_accounts(options.seed, senders, options.accounts)
    alliance = OwnAlliance(folder / "alliance", accounts, options.validators)
    try:
        say(f"  {options.validators} nodes ready in {alliance.start():.1f} s")
        first = await read_state(alliance.endpoints[0])
        seconds = FILL_S + options.validators * (WRITE_S + first.checkpoint.size / BYTES_PER_S)
        seconds += options.restarts * WRITE_S
        nonces = Nonces(senders)
        transfers = make_transfers(accounts, nonces, round(seconds * options.rate), CHAIN_ID, options.seed)
        run = LoadedRun(options, alliance, transfers)
        with no_collection():
            try:
                await run.begin()
                written = await run.write_checkpoints()
                killed = [await run.restart("killed") for _ in range(options.restarts)]
                run.check_load()
            finally:
                await run.end()
        stopped = [await run.restart("stopped") for _ in range(options.restarts)]
    finally:
        alliance.stop()
    during, before = run.gaps_ms()
    return StateReport(
        hansa=release(),
        core=core_digest(),
        taken_at=now_text(),
        machine=machine,
        seed=options.seed,
        validators=options.validators,
        accounts=options.accounts,
        rate=options.rate,
        tps=run.tps(),
        checkpoints=tuple(written),
        block_gap_ms_max=during,
        block_gap_ms_max_before=before,
        rss_peak_mib=run.rss_peak_mib,
        restart_s_killed=tuple(killed),
        restart_s_stopped=tuple(stopped),
        foreign_cpu_share=run.foreign,
    )


class LoadedRun:
    """An alliance under load, and the times at which its nodes wrote checkpoints."""

    def __init__(self, options: StateOptions, alliance: OwnAlliance, transfers: Transactions) -> None:
        self.rss_peak_mib = 0.0
        self.foreign = 0.0
        self._nodes = alliance.nodes
        self._batches = make_batches(transfers.raws, options.batch, steady(len(transfers), options.rate))
        senders = min(options.accounts, SENDERS_MAX) // options.batch
        # The last node is restarted: nothing is sent to it, nor asked of it.
        self._sender = Sender(alliance.endpoints[:-1], senders)
        self._watcher = Watcher(alliance.endpoints[:-1], transfers.hashes)
        self._begun = 0.0
        self._written_from = self._written_to = 0.0
        self._tasks: list[asyncio.Task[object]] = []
        self._cpu_s = 0.0
        self._machine = read_machine_time()

    async def begin(self) -> None:
        """Start sending and watching."""
        await self._sender.open()
        await self._watcher.begin()
        self._machine, self._cpu_s = read_machine_time(), self._own_cpu_s()
        self._begun = time.monotonic()
        self._tasks = [
            asyncio.create_task(self._sender.send_all(self._batches, self._begun)),
            asyncio.create_task(self._watcher.follow(float("inf"))),
        ]

    async def end(self) -> None:
        """Stop sending and watching."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._sender.close()
        self._watcher.close()

    async def write_checkpoints(self) -> list[Written]:
        """Have every node write one, each when the one before is done, as their turns keep them apart otherwise.

        Raises
        ------
        VoidRun: one is not written in time.
        """
        await self._wait_height(STATES_KEPT)
        self._written_from = time.monotonic()
        written = [await self._write_one(node) for node in self._nodes]
        self._written_to = time.monotonic()
        self.check_load()
        self.foreign = foreign_share(self._machine, read_machine_time(), self._own_cpu_s() - self._cpu_s)
        usages = [read_usage(node.process.pid) for node in self._nodes if node.process is not None]
        self.rss_peak_mib = round(max(usage.rss_peak_bytes for usage in usages) / (1 << 20), 1)
        return written

    async def _write_one(self, node: OwnNode) -> Written:
        def may_write(now: NodeState) -> bool:
            return now.height > now.checkpoint.height + STATES_KEPT

        before = await wait_state(node, may_write, "is far behind")
        begin = time.monotonic()
        assert node.process is not None
        node.process.send_signal(signal.SIGUSR2)

        def is_written(now: NodeState) -> bool:
            return now.checkpoint.written > before.checkpoint.written

        now = await wait_state(node, is_written, "has written no checkpoint")
        found = now.checkpoint
        one = Written(
            node=node.name,
            mib=round(found.size / (1 << 20), 1),
            seconds=round(found.took_ms / 1_000, 2),
            held_up_ms=round(found.held_up_us / 1_000, 2),
            block_gap_ms_max=longest_gap_ms(self._watcher.blocks, begin, time.monotonic()),
        )
        say(
            f"  {one.node}: checkpoint of {one.mib:,.0f} MiB in {one.seconds} s, longest gap"
            f" {one.block_gap_ms_max:.0f} ms, blocks held up for {one.held_up_ms} ms"
        )
        return one

    async def restart(self, how: str) -> float:
        """Kill or stop the last node and start it again; the seconds until it votes, level with the others.

        Raises
        ------
        VoidRun: it does not in time.
        """
        node = self._nodes[-1]
        await asyncio.to_thread(node.kill if how == "killed" else node.stop)
        begin = time.monotonic()
        node.start()
        await asyncio.to_thread(node.wait_ready, begin + READY_S_MAX)
        target = (await read_state(self._nodes[0].rpc)).height

        def is_level(now: NodeState) -> bool:
            return now.voting and not now.syncing and now.height >= target

        await wait_state(node, is_level, "does not vote")
        seconds = round(time.monotonic() - begin, 2)
        say(f"  {node.name}: {how}, votes again {seconds} s after its start")
        return seconds

    async def _wait_height(self, height: int) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while self._watcher.height < height:
            if time.monotonic() > deadline:
                raise VoidRun(f"no block {height} within {PATIENCE_S:.0f} s", "see the nodes' node.log")
            await asyncio.sleep(LOOK_S)

    def check_load(self) -> None:
        """See that transactions were sent all along.

        Raises
        ------
        VoidRun: they ended before.
        """
        if self._sender.has_finished:
            raise VoidRun("all was sent before the checkpoints and restarts had come to their end", "free the machine")

    def gaps_ms(self) -> tuple[float, float]:
        """The longest gaps between blocks: while checkpoints were written, and before."""
        blocks = self._watcher.blocks
        during = longest_gap_ms(blocks, self._written_from, self._written_to)
        return during, longest_gap_ms(blocks, self._begun + WARM_UP_S, self._written_from)

    def tps(self) -> float:
        """Transactions that became final in a second while checkpoints were written."""
        first, last = self._written_from, self._written_to
        return round(sum(first <= seen < last for seen in self._watcher.seen_s) / max(1e-9, last - first), 1)

    def _own_cpu_s(self) -> float:
        nodes = sum(read_usage(node.process.pid).cpu_s for node in self._nodes if node.process is not None)
        return nodes + time.process_time()


async def wait_state(node: OwnNode, is_so: Callable[[NodeState], bool], otherwise: str) -> NodeState:
    """Ask a node until its state is as wanted.

    Raises
    ------
    VoidRun: it is not in time.
    """
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        try:
            now = await read_state(node.rpc)
        except Unreachable:
            await asyncio.sleep(LOOK_S)
            continue
        if is_so(now):
            return now
        await asyncio.sleep(LOOK_S)
    raise VoidRun(f"node {node.name} {otherwise} within {PATIENCE_S:.0f} s", f"see {node.folder.log}")


def longest_gap_ms(blocks: Sequence[SeenBlock], first_s: float, last_s: float) -> float:
    """The longest time between two blocks that overlaps a stretch of the monotonic clock, in milliseconds."""
    times = [block.seen_s for block in blocks if block.transactions]
    pairs = zip(times, times[1:], strict=False)
    return round(max(((b - a) * 1_000 for a, b in pairs if b > first_s and a < last_s), default=0.0), 1)
