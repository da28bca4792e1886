"""`hansa bench catch-up`: a node is away while transactions flow; how fast it makes up for what it missed."""

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path

from hansa.bench.accounts import derive_accounts
from hansa.bench.client.http_connection import Endpoint, HttpConnection, call
from hansa.bench.client.watcher import SeenBlock
from hansa.bench.crash import Load, find_leader
from hansa.bench.errors import Disagreement, InvalidPlan, Unreachable
from hansa.bench.own_alliance import CHAIN_ID, READY_S_MAX, OwnAlliance, OwnNode
from hansa.bench.report import say
from hansa.bench.transactions import Nonces, make_transfers

SENDERS = 2_000
WARM_UP_S = 2.0  # of load before the node stops
RETURN_S_MAX = 60.0  # load goes on for at most so long after the node came back
POLL_S = 0.01
BAR = 10.0  # times as fast as the others produce (consensus.md 4.4)


@dataclass(frozen=True, slots=True)
class CatchUpOptions:
    """What the command line asks for."""

    seed: int = 1
    validators: int = 4
    rate: float = 500.0  # transactions per second, before, while and after the node is away
    away_s: float = 60.0
    batch: int = 50


@dataclass(frozen=True, slots=True)
class CatchUpReport:
    """What was missed, and how long it took to make up for it."""

    seed: int
    validators: int
    rate: float
    away_s: float
    missed_blocks: int  # sealed by the others between the node's stop and its return
    missed_transactions: int
    start_s: float  # from starting the process until it serves
    level_s: float  # from serving until its head is the others'
    produced_blocks_per_s: float  # by the others, while the node was away
    produced_tps: float
    caught_up_blocks_per_s: float  # by the node, from serving until level
    caught_up_tps: float

    @property
    def times(self) -> float:
        """How many times faster than they were made the transactions were caught up."""
        return self.caught_up_tps / self.produced_tps if self.produced_tps else 0.0


async def measure_catch_up(options: CatchUpOptions, folder: Path) -> CatchUpReport:
    """Found an alliance, stop one node under load, start it again, and measure until it is level.

    Raises
    ------
    InvalidPlan: fewer than four validators: the others could not go on.
    NodeFailed: a node does not start.
    Disagreement: the node does not become level.
    """
    if options.validators < 4:
        raise InvalidPlan("an alliance of fewer than four does not go on without one", "--validators 4 or more")
    accounts = derive_accounts(options.seed, SENDERS, SENDERS)
    alliance = OwnAlliance(folder / "alliance", accounts, options.validators)
    try:
        say(f"  {options.validators} nodes ready in {alliance.start():.1f} s")
        leader = await find_leader(alliance)
        away = next(node for node in reversed(alliance.nodes) if node is not leader)
        others = [node.rpc for node in alliance.nodes if node is not away]
        count = round(options.rate * (WARM_UP_S + options.away_s + RETURN_S_MAX))
        workload = make_transfers(accounts, Nonces(SENDERS), count, CHAIN_ID, options.seed)
        load = Load(others, workload, options.rate, options.batch)
        try:
            return await _measure(options, load, away, others[0])
        finally:
            await load.abandon()
    finally:
        alliance.stop()


async def _measure(options: CatchUpOptions, load: Load, away: OwnNode, other: Endpoint) -> CatchUpReport:
    await asyncio.sleep(WARM_UP_S)
    await asyncio.to_thread(away.stop)
    stopped_s = time.monotonic()
    await asyncio.sleep(options.away_s)
    begin_s = time.monotonic()
    away.start()
    await asyncio.to_thread(away.wait_ready, begin_s + READY_S_MAX)
    serving_s = time.monotonic()
    own, theirs = HttpConnection(away.rpc), HttpConnection(other)
    try:
        first = await _head(own)
        last = await _wait_level(own, theirs, serving_s + RETURN_S_MAX)
    finally:
        own.close()
        theirs.close()
    level_s = time.monotonic() - serving_s
    produced = [block for block in load.watcher.blocks if stopped_s <= block.seen_s < begin_s]
    # The watch may read the newest blocks a moment later than the node did.
    await load.wait_height(last)
    caught_up = [block for block in load.watcher.blocks if first < block.height <= last]
    missed = [block for block in caught_up if block.seen_s < serving_s]
    return CatchUpReport(
        seed=options.seed,
        validators=options.validators,
        rate=options.rate,
        away_s=options.away_s,
        missed_blocks=len(missed),
        missed_transactions=_transactions(missed),
        start_s=round(serving_s - begin_s, 2),
        level_s=round(level_s, 2),
        produced_blocks_per_s=round(len(produced) / (begin_s - stopped_s), 1),
        produced_tps=round(_transactions(produced) / (begin_s - stopped_s), 1),
        caught_up_blocks_per_s=round(len(caught_up) / level_s, 1),
        caught_up_tps=round(_transactions(caught_up) / level_s, 1),
    )


async def _wait_level(own: HttpConnection, theirs: HttpConnection, deadline_s: float) -> int:
    """Wait until the node's head is at least what another one's was a moment before; that height."""
    while time.monotonic() < deadline_s:
        try:
            target = await _head(theirs)
            height = await _head(own)
        except Unreachable:
            await asyncio.sleep(POLL_S)
            continue
        if height >= target:
            return height
        await asyncio.sleep(POLL_S)
    raise Disagreement(f"{own.endpoint} is not level with the others in time", "see the nodes' node.log")


async def _head(connection: HttpConnection) -> int:
    return int(str(await call(connection, "eth_blockNumber")), 16)


def _transactions(blocks: list[SeenBlock]) -> int:
    return sum(block.transactions for block in blocks)
