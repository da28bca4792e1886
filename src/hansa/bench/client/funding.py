"""Senders on a network that runs already: paid by one account whose key the caller gives."""

import asyncio

from hansa import _native
from hansa.bench.accounts import Accounts
from hansa.bench.client.http_connection import Endpoint, HttpConnection, call, call_many
from hansa.bench.errors import InvalidPlan, VoidRun
from hansa.crypto.suite import key_pair

CALLS_MAX = 200  # in one batch
FUND_WEI = 10**17
DEPLOYER_FUND_WEI = 10**19  # more for the first sender, which deploys contracts and prepares them
FUNDED_ENOUGH_WEI = 10**16
FUND_S_MAX = 120.0


async def fund_senders(endpoint: Endpoint, accounts: Accounts, funder: bytes | None) -> list[int]:
    """Give every sender something to send; the next nonce of each.

    Raises
    ------
    InvalidPlan: senders have nothing and no funder was named.
    VoidRun: the network did not make them rich in time.
    Unreachable: it does not answer.
    """
    connection = HttpConnection(endpoint)
    try:
        poor = [
            s
            for s, b in zip(accounts.senders, await _balances(connection, accounts), strict=True)
            if b < FUNDED_ENOUGH_WEI
        ]
        if poor:
            if funder is None:
                raise InvalidPlan(
                    f"{len(poor)} senders have nothing on that network", "name a rich account with --funder"
                )
            await _pay(connection, poor, accounts.senders[0], funder)
            await _wait_rich(connection, accounts)
        return await _quantities(connection, "eth_getTransactionCount", accounts.senders)
    finally:
        connection.close()


async def _balances(connection: HttpConnection, accounts: Accounts) -> list[int]:
    return await _quantities(connection, "eth_getBalance", accounts.senders)


async def _quantities(connection: HttpConnection, method: str, addresses: tuple[bytes, ...]) -> list[int]:
    found = []
    for first in range(0, len(addresses), CALLS_MAX):
        part = addresses[first : first + CALLS_MAX]
        answers = await call_many(connection, [(method, ["0x" + address.hex(), "latest"]) for address in part])
        found += [int(str(answer.result), 16) for answer in answers]
    return found


async def _pay(connection: HttpConnection, poor: list[bytes], deployer: bytes, funder: bytes) -> None:
    chain_id = int(str(await call(connection, "eth_chainId")), 16)
    gas_price = int(str(await call(connection, "eth_gasPrice")), 16) * 2
    payer = "0x" + key_pair(funder).address.hex()
    nonce = int(str(await call(connection, "eth_getTransactionCount", payer, "pending")), 16)

    def sign(recipients: list[bytes], first: int, wei: int) -> list[bytes]:
        columns = [0] * len(recipients), recipients, [b""] * len(recipients)
        return _native.sign_many([funder], [first], *columns, chain_id, wei, 21_000, gas_price)

    raws = sign(poor, nonce, FUND_WEI) + sign([deployer], nonce + len(poor), DEPLOYER_FUND_WEI)
    for first in range(0, len(raws), CALLS_MAX):
        part = raws[first : first + CALLS_MAX]
        await call_many(connection, [("eth_sendRawTransaction", ["0x" + raw.hex()]) for raw in part])


async def _wait_rich(connection: HttpConnection, accounts: Accounts) -> None:
    for _ in range(round(FUND_S_MAX)):
        if all(balance >= FUNDED_ENOUGH_WEI for balance in await _balances(connection, accounts)):
            return
        await asyncio.sleep(1.0)
    raise VoidRun(f"the senders were not funded within {FUND_S_MAX:.0f} s", "has the funder enough?")
