"""`hansa bench crash`: nodes are killed under load; blocks go on, nodes return, nothing final is lost."""

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from hansa.bench.accounts import Accounts, derive_accounts
from hansa.bench.agreement import CALLS_MAX, read_faces, wait_level
from hansa.bench.client.http_connection import Endpoint, HttpConnection, call, call_many
from hansa.bench.client.schedule import steady
from hansa.bench.client.sender import Batch, Sender, make_batches
from hansa.bench.client.watcher import Watcher
from hansa.bench.errors import Disagreement, Unreachable, VoidRun
from hansa.bench.own_alliance import CHAIN_ID, READY_S_MAX, OwnAlliance, OwnNode
from hansa.bench.report import say
from hansa.bench.transactions import Nonces, Transactions, make_transfers

SENDERS_PER_ROUND = 500  # every round has its own: transactions lost with a pool leave no gap to the next
LOAD_S = 6.0
KILL_S_FIRST, KILL_S_LAST = 1.5, 4.0  # when, in the load, the kill falls
BLOCKS_AFTER_KILL = 5
PROOF_TRANSACTIONS = 100  # sent after the return; all of them must become final
PATIENCE_S = 60.0
RECEIPTS_CHECKED_MAX = 500  # per round and node; block hashes are compared for all


@dataclass(frozen=True, slots=True)
class CrashOptions:
    """What the command line asks for."""

    seed: int = 1
    validators: int = 4
    rounds: int = 10
    rate: float = 500.0
    batch: int = 50


@dataclass(frozen=True, slots=True)
class CrashReport:
    """What was killed and what held."""

    seed: int
    validators: int
    rounds: int
    blocks_while_leader_down: int
    leader_gap_s: float  # longest time without a block around the leader's death
    return_s_max: float  # longest time from starting killed nodes to their serving
    final_transactions: int  # seen final by the client before a kill, found again after it
    blocks_compared: int


class CrashTest:
    """One alliance that is killed again and again, and what its client saw as final."""

    def __init__(self, options: CrashOptions, folder: Path) -> None:
        self.options = options
        rounds = options.rounds + 1
        # Each round has two groups of senders: one for the load, one for the proof that blocks go on.
        self.accounts = derive_accounts(options.seed, 2 * rounds * SENDERS_PER_ROUND, 2 * rounds * SENDERS_PER_ROUND)
        self.alliance = OwnAlliance(folder / "alliance", self.accounts, options.validators)
        self.sealed: dict[int, str] = {}  # height -> hash, everything the client ever saw as final
        self.final: dict[str, int] = {}  # transaction -> height at most, likewise
        self.return_s_max = 0.0
        self.draw = random.Random(f"crash/{options.seed}")

    def group(self, number: int) -> Accounts:
        """The accounts of one group of senders."""
        first = number * SENDERS_PER_ROUND
        part = slice(first, first + SENDERS_PER_ROUND)
        return replace(self.accounts, secrets=self.accounts.secrets[part], senders=self.accounts.senders[part])

    async def kill_leader(self) -> tuple[int, float]:
        """Kill the leader under load, see blocks go on, start it again, see it catch up; blocks meanwhile, longest gap.

        Raises
        ------
        Disagreement: blocks stopped, the node did not catch up, or something final is gone.
        """
        workload, load = self._begin_load(0)
        await asyncio.sleep(self._kill_after())
        leader = await find_leader(self.alliance)
        before = load.watcher.height
        leader.kill()
        say(f"  killed the leader {leader.name} at height {before}")
        await load.wait_height(before + BLOCKS_AFTER_KILL)
        await asyncio.to_thread(self._start, [leader])
        await load.finish()
        self._remember(load, workload)
        await self._prove_progress(1)
        await self._check_all()
        return load.watcher.height - before, load.watcher.longest_gap_s()

    async def kill_all(self, round_number: int) -> None:
        """Kill all nodes at once under load, start them again, and compare.

        Raises
        ------
        Disagreement: no further blocks, or something final is gone.
        """
        workload, load = self._begin_load(2 * round_number)
        await asyncio.sleep(self._kill_after())
        for node in self.alliance.nodes:
            assert node.process is not None
            node.process.kill()
        for node in self.alliance.nodes:
            node.kill()
        await load.abandon()
        self._remember(load, workload)
        await asyncio.to_thread(self._start, self.alliance.nodes)
        await self._prove_progress(2 * round_number + 1)
        await self._check_all()
        say(f"  round {round_number}: all killed at height {load.watcher.height}, back, nothing lost")

    def _kill_after(self) -> float:
        return self.draw.uniform(KILL_S_FIRST, KILL_S_LAST)

    def _begin_load(self, group: int) -> tuple[Transactions, "Load"]:
        count = round(self.options.rate * LOAD_S)
        nonces = Nonces(SENDERS_PER_ROUND)
        workload = make_transfers(self.group(group), nonces, count, CHAIN_ID, self.options.seed + group)
        return workload, Load(self.alliance.endpoints, workload, self.options.rate, self.options.batch)

    def _remember(self, load: "Load", workload: Transactions) -> None:
        for block in load.watcher.blocks:
            known = self.sealed.setdefault(block.height, block.hash)
            if known != block.hash:
                raise Disagreement(f"block {block.height} was {known} and is {block.hash}", "keep all ledgers")
        seen = (h for h, seen_s in zip(workload.hashes, load.watcher.seen_s, strict=True) if seen_s >= 0)
        self.final |= dict.fromkeys(seen, load.watcher.height)

    def _start(self, nodes: Sequence[OwnNode]) -> None:
        begin = time.monotonic()
        for node in nodes:
            node.start()
        for node in nodes:
            node.wait_ready(begin + READY_S_MAX)
        self.return_s_max = max(self.return_s_max, time.monotonic() - begin)

    async def _prove_progress(self, group: int) -> None:
        """Fresh transactions become final."""
        nonces = Nonces(SENDERS_PER_ROUND)
        workload = make_transfers(self.group(group), nonces, PROOF_TRANSACTIONS, CHAIN_ID, self.options.seed + group)
        load = Load(self.alliance.endpoints, workload, self.options.rate, self.options.batch)
        await load.finish()
        self._remember(load, workload)
        if load.watcher.open:
            raise Disagreement(
                f"{load.watcher.open} of {PROOF_TRANSACTIONS} transactions sent after the return are not final within"
                f" {PATIENCE_S:.0f} s",
                "see the nodes' node.log",
            )

    async def _check_all(self) -> None:
        """Every node still holds every block and transaction that the client saw as final."""
        connections = [HttpConnection(endpoint) for endpoint in self.alliance.endpoints]
        try:
            await wait_level(connections)
            heights = sorted(self.sealed)
            transactions = sorted(self.final)
            sample = self.draw.sample(transactions, min(len(transactions), RECEIPTS_CHECKED_MAX))
            for connection in connections:
                for height, face in zip(heights, await read_faces(connection, heights), strict=True):
                    if face.hash != self.sealed[height]:
                        raise Disagreement(f"{connection.endpoint} holds another block {height} than was seen before")
                await check_receipts(connection, sample)
        finally:
            for connection in connections:
                connection.close()


class Load:
    """Transactions under way and the watch over them."""

    def __init__(self, endpoints: Sequence[Endpoint], workload: Transactions, rate: float, batch: int) -> None:
        self.watcher = Watcher(endpoints, workload.hashes)
        self._sender = Sender(endpoints)
        self._begin = time.monotonic()
        self._deadline = self._begin + len(workload) / rate + PATIENCE_S
        batches = make_batches(workload.raws, batch, steady(len(workload), rate))
        self._following = asyncio.create_task(self._follow())
        self._sending = asyncio.create_task(self._send(batches))

    async def _follow(self) -> None:
        await self.watcher.begin()
        await self.watcher.follow(self._deadline)

    async def _send(self, batches: Sequence[Batch]) -> None:
        await self._sender.open()
        await self._sender.send_all(batches, self._begin)

    async def wait_height(self, height: int) -> None:
        """Wait until that height is final.

        Raises
        ------
        Disagreement: it is not before the deadline.
        """
        while self.watcher.height < height:
            if time.monotonic() > self._deadline:
                raise Disagreement(
                    f"no block {height} within {PATIENCE_S:.0f} s after a kill", "see the nodes' node.log"
                )
            await asyncio.sleep(0.02)

    async def finish(self) -> None:
        """Wait until all is final or the deadline passed."""
        await self._following
        await self.abandon()

    async def abandon(self) -> None:
        """Stop sending and watching."""
        for task in (self._sending, self._following):
            task.cancel()
        results = await asyncio.gather(self._sending, self._following, return_exceptions=True)
        self._sender.close()
        self.watcher.close()
        for result in results:
            if isinstance(result, Exception) and not isinstance(result, Unreachable):
                raise result


async def find_leader(alliance: OwnAlliance) -> OwnNode:
    """The node that leads now, as a running node tells.

    Raises
    ------
    VoidRun: it does not tell.
    """
    connection = HttpConnection(alliance.endpoints[0])
    try:
        status = await call(connection, "hansa_status")
    finally:
        connection.close()
    if not isinstance(status, dict) or not isinstance(status.get("leader"), int):
        raise VoidRun(f"hansa_status names no leader: {status}", "is this a Hansa node?")
    return alliance.nodes[status["leader"]]


async def check_receipts(connection: HttpConnection, transactions: Sequence[str]) -> None:
    """Check that a node has a receipt of every transaction.

    Raises
    ------
    Disagreement: one is missing.
    """
    for first in range(0, len(transactions), CALLS_MAX):
        part = transactions[first : first + CALLS_MAX]
        answers = await call_many(connection, [("eth_getTransactionReceipt", [hash_]) for hash_ in part])
        for transaction, answer in zip(part, answers, strict=True):
            if answer.result is None:
                raise Disagreement(f"{connection.endpoint} has no receipt of {transaction}, which was final before")


async def check_crashes(options: CrashOptions, folder: Path) -> CrashReport:
    """Found an alliance, kill the leader once and all nodes `rounds` times.

    Raises
    ------
    NodeFailed: a node does not start again.
    Disagreement: something final is gone, or blocks do not go on.
    """
    test = CrashTest(options, folder)
    try:
        say(f"  {options.validators} nodes ready in {test.alliance.start():.1f} s")
        blocks, gap = await test.kill_leader()
        for round_number in range(1, options.rounds + 1):
            await test.kill_all(round_number)
    finally:
        test.alliance.stop()
    return CrashReport(
        seed=options.seed,
        validators=options.validators,
        rounds=options.rounds,
        blocks_while_leader_down=blocks,
        leader_gap_s=round(gap, 2),
        return_s_max=round(test.return_s_max, 2),
        final_transactions=len(test.final),
        blocks_compared=len(test.sealed),
    )
