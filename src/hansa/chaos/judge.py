"""What must hold in the end, judged from outside by asking every node; named as the simulator's checkers are."""

import asyncio
import contextlib
import json
import time
from collections.abc import Collection, Sequence

import msgspec

from hansa.bench.errors import Unreachable
from hansa.bench.own_alliance import OwnNode
from hansa.chaos.alliance import ChaosAlliance
from hansa.chaos.client import BATCH_MAX, Client
from hansa.sim.checkers.violation import Violation

LEVEL_S_MAX = 45.0
READ_S_MAX = 20.0
LIE = "CONSENSUS-9"  # a node holds evidence


async def check_halt(alliance: ChaosAlliance, standing: Sequence[int]) -> None:
    """No sound node ended by itself, or stopped voting for good.

    Raises
    ------
    Violation: one did.
    """
    for place in standing:
        node = alliance.nodes[place]
        if node.process is None or node.process.poll() is not None:
            code = None if node.process is None else node.process.returncode
            raise Violation("halt", f"{node.name} ended by itself with exit code {code}: {read_words(node)}")
        deadline = time.monotonic() + LEVEL_S_MAX
        while True:
            try:
                halted = (await alliance.clients[place].status()).get("halted")
                break
            except Unreachable as error:
                if time.monotonic() > deadline:
                    raise Violation("halt", f"{node.name} does not answer: {error.cause}") from None
                await asyncio.sleep(0.2)
        if halted:
            raise Violation("halt", f"{node.name} halted: {halted}")


async def check_censorship(alliance: ChaosAlliance, accepted: Collection[str], standing: Sequence[int]) -> None:
    """Everything that a node accepted becomes final, whoever passes it over.

    Raises
    ------
    Violation: something does not.
    """
    waiting = list(accepted)
    deadline = time.monotonic() + LEVEL_S_MAX
    client = alliance.clients[standing[0]]
    while waiting:
        portion = waiting[-BATCH_MAX:]
        calls: list[tuple[str, list[object]]] = [("eth_getTransactionReceipt", [one]) for one in portion]
        with contextlib.suppress(Unreachable):
            answers = await client.ask(calls, READ_S_MAX)
            waiting[-BATCH_MAX:] = [one for one, answer in zip(portion, answers, strict=True) if answer.result is None]
        if time.monotonic() > deadline:
            raise Violation("censorship", f"{len(waiting)} accepted transactions are not final, {waiting[-1]} is one")
        await asyncio.sleep(0.1 if len(waiting) >= len(portion) else 0.0)


async def check_convergence(alliance: ChaosAlliance, standing: Sequence[int]) -> int:
    """All sound nodes come to stand at one height, once nothing is sent; that height.

    Raises
    ------
    Violation: they do not.
    """
    deadline = time.monotonic() + LEVEL_S_MAX
    heights: list[int] = []
    while time.monotonic() < deadline:
        try:
            heights = [await alliance.clients[place].height() for place in standing]
            if len(set(heights)) == 1:
                return heights[0]
        except Unreachable:
            pass
        await asyncio.sleep(0.1)
    raise Violation("convergence", f"the nodes {list(standing)} stand at the heights {heights}")


async def check_ledgers(alliance: ChaosAlliance, sealed: dict[int, str], standing: Sequence[int]) -> dict[str, int]:
    """Every node holds the same block at every height up to its head, and `sealed`, what was ever shown as final.

    Returns the height of every transaction in the longest ledger.

    Raises
    ------
    Violation: of agreement, durability, or that a transaction stands in the chain once.
    Unreachable: a node does not answer.
    """
    ledgers = {place: await read_ledger(alliance.clients[place]) for place in standing}
    if not ledgers:
        return {}
    longest = max(ledgers.values(), key=len)
    for place, ledger in ledgers.items():
        for height, block in enumerate(ledger):
            if block.hash != longest[height].hash:
                what = f"{alliance.nodes[place].name} holds another block at height {height}"
                raise Violation("agreement", what)
    for height, block_hash in sealed.items():
        if height >= len(longest):
            raise Violation("durability", f"block {height} was final; the best node is at {len(longest) - 1}")
        if longest[height].hash != block_hash:
            raise Violation("durability", f"another block {height} than was final")
    places: dict[str, int] = {}
    for height, block in enumerate(longest):
        for transaction in block.transactions:
            if transaction in places:
                raise Violation("once", f"{transaction} stands in the blocks {places[transaction]} and {height}")
            places[transaction] = height
    return places


class Block(msgspec.Struct, frozen=True):
    """What is kept of a block: a long run makes many."""

    hash: str
    transactions: tuple[str, ...]  # hashes


async def read_ledger(client: Client) -> list[Block]:
    """Every block of a node, from genesis to its head.

    Raises
    ------
    Unreachable: it does not answer, or lacks a block.
    """
    head = await client.height(READ_S_MAX)
    blocks: list[Block] = []
    for first in range(0, head + 1, BATCH_MAX):
        calls: list[tuple[str, list[object]]] = [
            ("eth_getBlockByNumber", [hex(height), False]) for height in range(first, min(first + BATCH_MAX, head + 1))
        ]
        for answer in await client.ask(calls, READ_S_MAX):
            if not isinstance(answer.result, dict):
                raise Unreachable(f"{client.endpoint} lacks block {len(blocks)}: {answer.error}")
            blocks.append(msgspec.convert(answer.result, Block))
    return blocks


def check_logs(nodes: Sequence[OwnNode], traitors: Collection[int]) -> set[int]:
    """No node met a bug, and evidence names nobody but traitors; the validators that it names.

    Raises
    ------
    Violation: of evidence, or a bug.
    """
    guilty: set[int] = set()
    for node in nodes:
        for line in node.folder.log.read_text(errors="replace").splitlines():
            if "NODE-70" in line or "Traceback" in line or "panicked" in line:
                raise Violation("bug", f"{node.name} wrote: {line[:400]}")
            if LIE in line and "peer" in (entry := json.loads(line)):
                guilty.add(int(entry["peer"]))
    if guilty - set(traitors):
        raise Violation("evidence", f"evidence names {sorted(guilty - set(traitors))}, who are honest")
    return guilty


def read_words(node: OwnNode) -> str:
    """The last thing a node said."""
    lines = node.folder.log.read_text(errors="replace").splitlines() if node.folder.log.exists() else []
    try:
        return str(json.loads(lines[-1]).get("message", lines[-1]))[:400] if lines else "no word"
    except ValueError:
        return lines[-1][:400]
