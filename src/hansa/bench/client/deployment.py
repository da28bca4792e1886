"""Contracts of a workload on a network that runs already: deployed, prepared, and seen to stand."""

import asyncio
import time
from collections.abc import Sequence

from hansa import _native
from hansa.bench.accounts import Accounts
from hansa.bench.client.http_connection import HttpConnection, call_many
from hansa.bench.errors import VoidRun
from hansa.bench.transactions import Nonces, contract_address
from hansa.bench.workloads.shape import Workload

DEPLOY_GAS = 6_000_000
STEP_GAS = 8_000_000
SENT_AT_ONCE = 100
RECEIPTS_S_MAX = 120.0
_POLL_S = 0.1


async def deploy_workload(
    connection: HttpConnection,
    kind: type[Workload],
    accounts: Accounts,
    nonces: Nonces,
    chain_id: int,
    gas_price: int,
    seed: int,
) -> Workload:
    """Deploy what the workload calls, prepare it, and return the workload that knows where it stands.

    Raises
    ------
    VoidRun: a transaction was refused, failed, or had no receipt in time.
    Unreachable: the network does not answer.
    """
    count = kind.count_contracts(len(accounts.senders))
    unplaced = kind(accounts, [bytes(20)] * count, seed)
    deployers = [contract.deployer for contract in unplaced.contracts()]
    ahead = list(nonces.next)
    addresses = []
    for deployer in deployers:
        addresses.append(contract_address(accounts.senders[deployer], ahead[deployer]))
        ahead[deployer] += 1
    workload = kind(accounts, addresses, seed)

    def sign(sender: int, fields: dict[str, object]) -> bytes:
        fields |= {"chain_id": chain_id, "nonce": nonces.use(sender), "gas_price": gas_price}
        return _native.sign_transaction(accounts.secrets[sender], fields)

    contracts = workload.contracts()
    await _send(connection, [sign(c.deployer, {"gas": DEPLOY_GAS, "data": c.creation_code}) for c in contracts])
    steps = workload.setup()
    await _send(connection, [sign(s.sender, {"gas": STEP_GAS, "to": s.recipient, "data": s.input}) for s in steps])
    return workload


async def _send(connection: HttpConnection, raws: Sequence[bytes]) -> None:
    for first in range(0, len(raws), SENT_AT_ONCE):
        part = raws[first : first + SENT_AT_ONCE]
        answers = await call_many(connection, [("eth_sendRawTransaction", ["0x" + raw.hex()]) for raw in part])
        refused = [answer.error.message for answer in answers if answer.error is not None]
        if refused:
            raise VoidRun(f"the network refused to prepare the workload: {refused[0]}", "has the funder enough?")
        await _wait(connection, ["0x" + _native.keccak256(raw).hex() for raw in part])


async def _wait(connection: HttpConnection, hashes: Sequence[str]) -> None:
    deadline = time.monotonic() + RECEIPTS_S_MAX
    left = list(hashes)
    while left:
        answers = await call_many(connection, [("eth_getTransactionReceipt", [one]) for one in left])
        receipts = [answer.result for answer in answers]
        if any(isinstance(receipt, dict) and receipt["status"] != "0x1" for receipt in receipts):
            raise VoidRun("a transaction that prepares the workload failed", "see the network's own logs")
        left = [one for one, receipt in zip(left, receipts, strict=True) if receipt is None]
        if left and time.monotonic() > deadline:
            raise VoidRun(f"{len(left)} transactions that prepare the workload have no receipt")
        await asyncio.sleep(_POLL_S if left else 0)
