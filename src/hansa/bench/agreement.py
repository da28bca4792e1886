"""`hansa bench agreement`: after many mixed transactions through all ports, all nodes hold the same blocks."""

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hansa import _native
from hansa.bench.accounts import Accounts, derive_accounts
from hansa.bench.client.http_connection import HttpConnection, call, call_many
from hansa.bench.client.schedule import steady
from hansa.bench.client.sender import Sender, make_batches
from hansa.bench.client.watcher import Watcher
from hansa.bench.errors import Disagreement, Unreachable, VoidRun
from hansa.bench.own_alliance import CHAIN_ID, OwnAlliance
from hansa.bench.report import say
from hansa.bench.transactions import DEPLOY_GAS, Nonces, contract_address, fingerprint, make_mixed
from hansa.bench.workloads.contract import load_artefact

SENDERS = 2_000
ACCOUNTS = 4_000
CALLS_MAX = 100  # in one batch
SETTLE_S_MAX = 120.0  # until the last transactions are final, and until all nodes are level


@dataclass(frozen=True, slots=True)
class AgreementOptions:
    """What the command line asks for."""

    seed: int = 1
    validators: int = 4
    transactions: int = 100_000
    rate: float = 1_000.0
    batch: int = 50


@dataclass(frozen=True, slots=True)
class AgreementReport:
    """What was compared, and that it was equal."""

    seed: int
    transactions: int
    workload: str  # digest of all transactions sent
    validators: int
    blocks: int
    seconds: float  # from the first sending to the last transaction final
    head_hash: str
    head_state_root: str
    supply_before: str  # wei, decimal
    supply_after: str


@dataclass(frozen=True, slots=True)
class BlockFace:
    """What two nodes must agree on."""

    hash: str
    state_root: str


async def check_agreement(options: AgreementOptions, folder: Path) -> AgreementReport:
    """Found an alliance, send, compare.

    Raises
    ------
    NodeFailed: a node does not serve.
    VoidRun: not all transactions became final.
    Disagreement: two nodes hold different blocks, or wei appeared or vanished.
    """
    accounts = derive_accounts(options.seed, SENDERS, ACCOUNTS)
    alliance = OwnAlliance(folder / "alliance", accounts, options.validators)
    connections = [HttpConnection(endpoint) for endpoint in alliance.endpoints]
    try:
        say(f"  {options.validators} nodes ready in {alliance.start():.1f} s")
        holders = _holders(alliance, accounts)
        before = await read_supply(connections[0], holders)
        seconds, digest, holders = await _send(alliance, accounts, options, connections[0], holders)
        height = await wait_level(connections)
        faces = await compare_blocks(connections, height)
        after = await read_supply(connections[0], holders)
        if before != after:
            raise Disagreement(f"the supply was {before} wei and is {after}", "no transaction makes or burns wei here")
        return AgreementReport(
            seed=options.seed,
            transactions=options.transactions,
            workload=digest,
            validators=options.validators,
            blocks=height,
            seconds=round(seconds, 1),
            head_hash=faces[-1].hash,
            head_state_root=faces[-1].state_root,
            supply_before=str(before),
            supply_after=str(after),
        )
    finally:
        for connection in connections:
            connection.close()
        alliance.stop()


def _holders(alliance: OwnAlliance, accounts: Accounts) -> list[str]:
    """Every address that may hold wei: all of genesis and the validators' accounts."""
    genesis = json.loads(alliance.nodes[0].folder.genesis.read_bytes())
    validators = [validator["account"] for validator in genesis["validators"]]
    everybody = ["0x" + accounts.address(index).hex() for index in range(len(accounts))]
    return list(dict.fromkeys([*genesis["alloc"], *everybody, *validators]))


async def _send(
    alliance: OwnAlliance,
    accounts: Accounts,
    options: AgreementOptions,
    connection: HttpConnection,
    holders: Sequence[str],
) -> tuple[float, str, list[str]]:
    """Deploy the token and send everything; seconds, digest, and all holders known afterwards."""
    nonces, contract = Nonces(SENDERS), load_artefact("bench_token")
    token = contract_address(accounts.senders[0], nonces.next[0])
    fields = {"chain_id": CHAIN_ID, "nonce": nonces.use(0), "gas": DEPLOY_GAS, "data": contract.creation_code}
    raw = _native.sign_transaction(accounts.secrets[0], fields)
    await call(connection, "eth_sendRawTransaction", "0x" + raw.hex())
    await _wait_receipt(connection, "0x" + _native.keccak256(raw).hex())
    workload = make_mixed(accounts, nonces, options.transactions, CHAIN_ID, options.seed, contract, token)
    say(f"  {len(workload):,} mixed transactions signed, workload {fingerprint(workload)}")
    sender, watcher = Sender(alliance.endpoints), Watcher(alliance.endpoints, workload.hashes)
    try:
        await sender.open()
        await watcher.begin()
        begin = time.monotonic()
        deadline = begin + options.transactions / options.rate + SETTLE_S_MAX
        following = asyncio.create_task(watcher.follow(deadline))
        await sender.send_all(make_batches(workload.raws, options.batch, steady(len(workload), options.rate)), begin)
        await following
    finally:
        sender.close()
        watcher.close()
    if watcher.open:
        refused = dict(sender.result.refused)
        raise VoidRun(f"{watcher.open} transactions are not final, refused: {refused}", "try a lower --rate")
    return time.monotonic() - begin, fingerprint(workload), [*holders, "0x" + token.hex()]


async def _wait_receipt(connection: HttpConnection, transaction: str) -> None:
    deadline = time.monotonic() + SETTLE_S_MAX
    while await call(connection, "eth_getTransactionReceipt", transaction) is None:
        if time.monotonic() > deadline:
            raise VoidRun(f"the token was not deployed within {SETTLE_S_MAX:.0f} s", "see the nodes' node.log")
        await asyncio.sleep(0.02)


async def read_supply(connection: HttpConnection, holders: Sequence[str]) -> int:
    """The sum of the balances, in wei.

    Raises
    ------
    Unreachable: no answer.
    """
    total = 0
    for first in range(0, len(holders), CALLS_MAX):
        part = holders[first : first + CALLS_MAX]
        answers = await call_many(connection, [("eth_getBalance", [address, "latest"]) for address in part])
        total += sum(int(str(answer.result), 16) for answer in answers)
    return total


async def wait_level(connections: Sequence[HttpConnection]) -> int:
    """Wait until all nodes stand at the same final height, and return it.

    Raises
    ------
    Disagreement: they do not within `SETTLE_S_MAX`.
    """
    deadline = time.monotonic() + SETTLE_S_MAX
    while True:
        heights = [int(str(await call(connection, "eth_blockNumber")), 16) for connection in connections]
        if len(set(heights)) == 1:
            return heights[0]
        if time.monotonic() > deadline:
            raise Disagreement(f"the nodes stand at the heights {heights}", "see their node.log")
        await asyncio.sleep(0.05)


async def compare_blocks(connections: Sequence[HttpConnection], height: int) -> list[BlockFace]:
    """Compare every block from 0 to `height` on all nodes; those of the first node.

    Raises
    ------
    Disagreement: two differ.
    Unreachable: a node lacks one.
    """
    reference: list[BlockFace] = []
    for place, connection in enumerate(connections):
        faces = await read_faces(connection, range(height + 1))
        if place == 0:
            reference = faces
        for number, (ours, theirs) in enumerate(zip(reference, faces, strict=True)):
            if ours != theirs:
                raise Disagreement(
                    f"block {number} is {ours} on node 0 and {theirs} on node {place}", "keep both ledgers"
                )
    return reference


async def read_faces(connection: HttpConnection, heights: Sequence[int]) -> list[BlockFace]:
    """Hash and state root of some blocks.

    Raises
    ------
    Unreachable: the node lacks one, or does not answer.
    """
    faces = []
    for first in range(0, len(heights), CALLS_MAX):
        part = heights[first : first + CALLS_MAX]
        answers = await call_many(connection, [("eth_getBlockByNumber", [hex(height), False]) for height in part])
        for height, answer in zip(part, answers, strict=True):
            if not isinstance(answer.result, dict):
                raise Unreachable(f"{connection.endpoint} has no block {height}: {answer.error}")
            faces.append(BlockFace(answer.result["hash"], answer.result["stateRoot"]))
    return faces
