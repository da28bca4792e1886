"""A network that runs already: senders are paid, contracts deployed and prepared, all over JSON-RPC."""

import itertools
from pathlib import Path

import pytest

from hansa import _native
from hansa.bench.accounts import derive_accounts
from hansa.bench.client.deployment import deploy_workload
from hansa.bench.client.funding import FUND_WEI, fund_senders
from hansa.bench.client.http_connection import HttpConnection
from hansa.bench.client.reader import RpcState
from hansa.bench.errors import InvalidPlan
from hansa.bench.own_alliance import fill_genesis
from hansa.bench.run import RunOptions, measure_workload
from hansa.bench.transactions import Nonces
from hansa.bench.workloads import WORKLOADS
from tests.unit.bench.test_http_connection import answer, server
from tests.unit.bench.test_workloads import CHAIN_ID, bare_genesis

UNKNOWN = b'{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"no such method"}}'
RICH = derive_accounts(9, 1, 1)  # whose account stands in the network's genesis


class Network:
    """One node in memory that seals a block after every request."""

    def __init__(self) -> None:
        self._chain = _native.Chain.create(None, fill_genesis(bare_genesis(), RICH, []))
        self._rpc = _native.Rpc(self._chain, {})
        self._times = itertools.count(1_000_000, 1_000)

    def respond(self, body: bytes) -> bytes:
        answers = self._rpc.handle(body) or UNKNOWN
        if self._chain.pool_status()[0]:
            self._chain.dev_mine(next(self._times))
        return answer(answers)


async def test_a_measurement_counts_receipts_and_checks_the_state(tmp_path: Path) -> None:
    async with server(Network().respond) as endpoint:
        options = RunOptions(
            workload="mixed",
            accounts=60,
            senders=50,
            batch=10,
            rate=200.0,
            duration_s=0.5,
            repeat=2,
            p99_ms_max=1e6,
            rpc=(f"http://127.0.0.1:{endpoint.port}",),
            funder=RICH.secrets[0],
            allow_load=True,
        )
        report = await measure_workload(options, tmp_path)
    assert [(run.offered, run.final, run.failed, run.receipts_read) for run in report.counted] == [
        (100, 100, 0, 100)
    ] * 2
    assert report.best in report.counted
    assert report.conflict_share is not None and (report.own_alliance, report.half, report.beyond) == (False, None, ())
    assert report.best is not None and report.best.reads is not None and not report.best.reads.failed


@pytest.mark.parametrize("name", ["transfer", "erc20", "swap-1", "voucher"])
async def test_senders_are_paid_and_contracts_stand(name: str) -> None:
    kind = WORKLOADS[name]
    accounts = derive_accounts(1, 6, 8)
    async with server(Network().respond) as endpoint:
        nonces = Nonces(6)
        nonces.next = await fund_senders(endpoint, accounts, RICH.secrets[0])
        connection, state = HttpConnection(endpoint), RpcState(endpoint)
        workload = await deploy_workload(connection, kind, accounts, nonces, CHAIN_ID, 0, 1)
        assert all(balance >= FUND_WEI for balance in await state.balances(accounts.senders))
        await workload.begin(state)
        await workload.check(state)
        assert await fund_senders(endpoint, accounts, None) == nonces.next
        connection.close()
        state.close()


async def test_nobody_pays_senders_without_a_funder() -> None:
    async with server(Network().respond) as endpoint:
        with pytest.raises(InvalidPlan, match="6 senders have nothing"):
            await fund_senders(endpoint, derive_accounts(1, 6, 8), None)
