"""An alliance under load, one validator of it on two nodes: take-overs, planned moves, a renewal node by node."""

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hansa.alliance.founding import load_alliance
from hansa.alliance.layout import AllianceFolder
from hansa.bench.accounts import Accounts, derive_accounts
from hansa.bench.client.http_connection import Endpoint, HttpConnection, call
from hansa.bench.crash import Load, check_receipts, find_leader
from hansa.bench.errors import Disagreement, NodeFailed, Unreachable
from hansa.bench.own_alliance import CHAIN_ID, READY_S_MAX, OwnAlliance, OwnNode, find_free_ports
from hansa.bench.report import say
from hansa.bench.transactions import Nonces, make_transfers
from hansa.node.signing.pairing import choose_places, make_standby, open_signer_client, take_over

PAIRED = 1  # the validator with two nodes
SENDERS = 500  # of each load
LOAD_S = 6.0
MOVE_AFTER_S = 1.5
POLL_S = 0.02
PATIENCE_S = 60.0
LIES = ("CONSENSUS-9", "CONSENSUS-12")  # what nodes say of a validator that contradicts itself


@dataclass(frozen=True, slots=True)
class MovesOptions:
    """What the command line asks for."""

    seed: int = 1
    validators: int = 4
    rounds: int = 3
    rate: float = 300.0
    batch: int = 50


@dataclass(frozen=True, slots=True)
class MovesReport:
    """Seconds, and what held."""

    seed: int
    validators: int
    rounds: int
    voting_after_kill_s: list[float]  # from kill -9 of the active node, which led, to the standby's voting
    gap_after_kill_s: list[float]  # longest time without a block meanwhile
    voting_after_command_s: list[float]  # from the command until the standby may sign
    gap_after_command_s: list[float]
    gap_after_stop_s: list[float]  # the leader, a validator with one node, gets SIGTERM
    gap_while_renewed_s: list[float]  # one per node: stopped, started, level again
    final_transactions: int  # all that were sent; each has a receipt at every validator


class Study:
    """The alliance, and what was measured."""

    def __init__(self, options: MovesOptions, folder: Path) -> None:
        self.options = options
        self._loads = 3 * options.rounds + options.validators
        self._accounts = derive_accounts(options.seed, self._loads * SENDERS, self._loads * SENDERS)
        self._next_load = 0
        self.alliance = OwnAlliance(folder / "alliance", self._accounts, options.validators)
        self.first = self.alliance.nodes[PAIRED]
        self.second, self.signer = self._pair(AllianceFolder(folder / "alliance"))
        self.sent: list[str] = []

    def _pair(self, folder: AllianceFolder) -> tuple[OwnNode, OwnNode]:
        alliance, name = load_alliance(folder), self.first.name
        owner = next(organisation.name for organisation, node in alliance.nodes() if node.name == name)
        port = find_free_ports(4, 1 + max(node.rpc.port for node in self.alliance.nodes) + len(self.alliance.nodes))
        listen, rpc, ws, signs = (f"127.0.0.1:{port + step}" for step in range(4))
        second, signer = make_standby(
            folder, alliance, owner, name, choose_places(alliance, name, listen, rpc, ws, signs)
        )
        nowhere = Endpoint("127.0.0.1", 0)
        return (
            OwnNode(f"{name}-standby", second, Endpoint("127.0.0.1", port + 1)),
            OwnNode(f"{name}-signer", signer, nowhere, module="hansa.node.signing"),
        )

    # --- life

    def start(self) -> None:
        """Start the signer, the nodes, the standby.

        Raises
        ------
        NodeFailed: one does not serve.
        """
        self._start(self.signer)
        self.alliance.start()
        self._start(self.second)

    def stop(self) -> None:
        """Stop everything."""
        self.second.stop()
        self.alliance.stop()
        self.signer.stop()

    def _start(self, node: OwnNode) -> None:
        node.start()
        node.wait_ready(time.monotonic() + READY_S_MAX)

    # --- measuring

    async def under_load(self, gate: OwnNode, move: Callable[[], Awaitable[None]]) -> float:
        """Send through one node while something moves; the longest time between two blocks.

        Raises
        ------
        Disagreement: something that was accepted is not final in the end.
        """
        first = self._next_load * SENDERS
        self._next_load += 1
        count = round(self.options.rate * LOAD_S)
        group = slice_accounts(self._accounts, first)
        workload = make_transfers(group, Nonces(SENDERS), count, CHAIN_ID, self.options.seed + self._next_load)
        load = Load([gate.rpc], workload, self.options.rate, self.options.batch)
        await asyncio.sleep(MOVE_AFTER_S)
        await move()
        await load.finish()
        if load.watcher.open:
            raise Disagreement(f"{load.watcher.open} transactions are not final", "see the nodes' node.log")
        self.sent += workload.hashes
        return load.watcher.longest_gap_s()

    async def kill_active(self) -> tuple[float, float]:
        """kill -9 of the active node while it leads; seconds to the standby's voting, longest gap."""
        active, other = await self._roles()
        await self._make_leader()
        took_s = 0.0

        async def kill() -> None:
            nonlocal took_s
            began = time.monotonic()
            active.kill()
            await wait_for(other, lambda status: status["standby"] is None and bool(status["voting"]))
            took_s = time.monotonic() - began

        gap_s = await self.under_load(self.alliance.nodes[0], kill)
        await asyncio.to_thread(self._start, active)
        return took_s, gap_s

    async def move_by_command(self) -> tuple[float, float]:
        """`hansa node takeover` while the active node leads; seconds until the other one may sign, longest gap."""
        active, other = await self._roles()
        await self._make_leader()
        took_s = 0.0

        async def move() -> None:
            nonlocal took_s
            client = open_signer_client(active.folder)
            _, _, took_s = await asyncio.to_thread(take_over, client, PATIENCE_S)
            client.close()
            await wait_for(other, lambda status: bool(status["voting"]))

        gap_s = await self.under_load(self.alliance.nodes[0], move)
        return took_s, gap_s

    async def restart(self, node: OwnNode) -> float:
        """SIGTERM, start, wait until it is level; longest gap."""
        gate = next(one for one in self._single_nodes() if one is not node)

        async def move() -> None:
            height = (await read_status(gate))["height"]
            await asyncio.to_thread(node.stop)
            await asyncio.to_thread(self._start, node)
            await wait_for(node, lambda status: status["height"] >= height and bool(status["voting"]))

        return await self.under_load(gate, move)

    async def stop_leader(self) -> float:
        """SIGTERM of a leader that has no standby; longest gap."""
        leader = await find_leader(self.alliance)
        if leader is self.first:
            await self._step_down(leader)
            leader = await find_leader(self.alliance)
        return await self.restart(leader)

    async def check(self) -> None:
        """Every validator has every receipt, and nobody was seen to contradict itself.

        Raises
        ------
        Disagreement: not so.
        """
        for node in self._single_nodes():
            connection = HttpConnection(node.rpc)
            try:
                await check_receipts(connection, self.sent)
            finally:
                connection.close()
        for node in (*self.alliance.nodes, self.second, self.signer):
            text = node.folder.log.read_text(errors="replace")
            said = [code for code in LIES if code in text]
            if said:
                raise Disagreement(f"{node.name} says {', '.join(said)}", f"see {node.folder.log}")

    def _single_nodes(self) -> list[OwnNode]:
        return [node for node in self.alliance.nodes if node is not self.first]

    async def _roles(self) -> tuple[OwnNode, OwnNode]:
        """The active node and the other one, once both are what they are."""
        pair = (self.first, self.second)
        deadline_s = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline_s:
            stands_by = [(await read_status(node)).get("standby") is not None for node in pair]
            if stands_by.count(True) == 1:
                return (pair[1], pair[0]) if stands_by[0] else pair
            await asyncio.sleep(POLL_S)
        raise NodeFailed(f"neither node of {self.first.name} is active", f"see {self.signer.folder.log}")

    async def _make_leader(self) -> None:
        """Have others step down until the validator with two nodes leads."""
        while True:
            leader = await find_leader(self.alliance)
            if leader is self.first:
                return
            await self._step_down(leader)

    async def _step_down(self, leader: OwnNode) -> None:
        process = leader.process if leader is not self.first else (await self._roles())[0].process
        assert process is not None
        process.send_signal(signal.SIGUSR1)
        index = self.alliance.nodes.index(leader)
        await wait_for(self.alliance.nodes[0], lambda status: status["leader"] != index)


def slice_accounts(accounts: Accounts, first: int) -> Accounts:
    """The senders of one load."""
    part = slice(first, first + SENDERS)
    return replace(accounts, secrets=accounts.secrets[part], senders=accounts.senders[part])


async def read_status(node: OwnNode) -> dict[str, Any]:
    """hansa_status; nothing while it does not answer."""
    connection = HttpConnection(node.rpc)
    try:
        status = await call(connection, "hansa_status")
    except Unreachable:
        return {}
    finally:
        connection.close()
    return status if isinstance(status, dict) else {}


async def wait_for(node: OwnNode, is_so: Callable[[dict[str, Any]], bool]) -> None:
    """Wait until a node says so of itself.

    Raises
    ------
    NodeFailed: it does not in time.
    """
    deadline_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline_s:
        status = await read_status(node)
        if status and is_so(status):
            return
        await asyncio.sleep(POLL_S)
    raise NodeFailed(f"{node.name} did not get there within {PATIENCE_S:.0f} s", f"see {node.folder.log}")


async def measure_moves(options: MovesOptions, folder: Path) -> MovesReport:
    """Found an alliance and move its validators about.

    Raises
    ------
    NodeFailed: a node does not come back. Disagreement: something is lost, or somebody lied.
    """
    study = Study(options, folder)
    try:
        await asyncio.to_thread(study.start)
        killed = [await _tell("active killed", study.kill_active()) for _ in range(options.rounds)]
        moved = [await _tell("take-over by command", study.move_by_command()) for _ in range(options.rounds)]
        stopped = [await study.stop_leader() for _ in range(options.rounds)]
        renewed = [await study.restart(node) for node in study.alliance.nodes if node is not study.first]
        await study.check()
    finally:
        await asyncio.to_thread(study.stop)
    return MovesReport(
        seed=options.seed,
        validators=options.validators,
        rounds=options.rounds,
        voting_after_kill_s=rounded([took for took, _ in killed]),
        gap_after_kill_s=rounded([gap for _, gap in killed]),
        voting_after_command_s=rounded([took for took, _ in moved]),
        gap_after_command_s=rounded([gap for _, gap in moved]),
        gap_after_stop_s=rounded(stopped),
        gap_while_renewed_s=rounded(renewed),
        final_transactions=len(study.sent),
    )


async def _tell(what: str, work: Awaitable[tuple[float, float]]) -> tuple[float, float]:
    took_s, gap_s = await work
    say(f"  {what}: the other node votes after {took_s:.2f} s, longest time without a block {gap_s:.2f} s")
    return took_s, gap_s


def rounded(seconds: Sequence[float]) -> list[float]:
    """For people."""
    return [round(one, 3) for one in seconds]
