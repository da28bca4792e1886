"""Each workload runs on a ledger in memory: every transaction succeeds, and the check of its end state can tell."""

import itertools
import json
from collections.abc import Sequence

import pytest

from hansa import _native
from hansa.bench.accounts import derive_accounts
from hansa.bench.errors import Disagreement
from hansa.bench.own_alliance import fill_genesis, own_contract_address
from hansa.bench.transactions import Nonces, contract_address, sign_draft
from hansa.bench.workloads import WORKLOADS
from hansa.bench.workloads.shape import Workload
from hansa.crypto.suite import key_pair

CHAIN_ID = 31_337
COUNT = 210  # of each draft
CHECKED_BY_RECEIPTS_ALONE = {"nothing", "cpu"}


class Memory:
    """A ledger of one node, with genesis as for a measurement or bare."""

    def __init__(self, name: str, in_genesis: bool = True) -> None:
        kind = WORKLOADS[name]
        self.accounts = derive_accounts(1, min(kind.senders_max or 20, 20), 60)
        count = kind.count_contracts(len(self.accounts.senders))
        self.workload: Workload = kind(self.accounts, [own_contract_address(n) for n in range(count)], 1)
        assert len(self.workload.contracts()) == count
        contracts = self.workload.contracts() if in_genesis else []
        self.nonces = Nonces(len(self.accounts.senders))
        self._chain = _native.Chain.create(None, fill_genesis(bare_genesis(), self.accounts, contracts))
        self._rpc = _native.Rpc(self._chain, {})
        self._times = itertools.count(1_000_000, 1_000)
        if not in_genesis:
            self._deploy(kind)

    def _deploy(self, kind: type[Workload]) -> None:
        senders, nonces = self.accounts.senders, [0] * len(self.accounts.senders)
        addresses = []
        for contract in self.workload.contracts():
            addresses.append(contract_address(senders[contract.deployer], nonces[contract.deployer]))
            nonces[contract.deployer] += 1
        self.workload = kind(self.accounts, addresses, 1)
        for contract in self.workload.contracts():
            self.send_one(contract.deployer, None, contract.creation_code)
        for step in self.workload.setup():
            self.send_one(step.sender, step.recipient, step.input)

    def send_one(self, sender: int, to: bytes | None, data: bytes) -> None:
        fields: dict[str, object] = {"chain_id": CHAIN_ID, "nonce": self.nonces.use(sender), "gas": 15_000_000}
        fields |= {"to": to, "data": data}
        assert self.seal([_native.sign_transaction(self.accounts.secrets[sender], fields)]) == ["0x1"]

    def send(self, count: int) -> list[str]:
        work = self.workload
        signed = sign_draft(work.draft(count), self.accounts, self.nonces, CHAIN_ID, work.gas, work.value, 0)
        return self.seal(list(signed.raws))

    def seal(self, raws: list[bytes]) -> list[str]:
        """The status of each transaction."""
        answers = self._chain.submit(raws)
        assert [error for _, error in answers if error is not None] == []
        statuses: list[str] = []
        while len(statuses) < len(raws):
            height, _ = self._chain.dev_mine(next(self._times))
            receipts = self.ask("eth_getBlockReceipts", hex(height))
            assert isinstance(receipts, list) and receipts
            statuses += [receipt["status"] for receipt in receipts]
        return statuses

    def submit(self, raws: list[bytes]) -> list[tuple[bytes | None, str | None]]:
        return self._chain.submit(raws)

    def ask(self, method: str, *params: object) -> object:
        succeeded, text = self._rpc.result(method, json.dumps(params).encode())
        assert succeeded, text
        return json.loads(text)

    async def balances(self, addresses: Sequence[bytes]) -> list[int]:
        return [int(str(self.ask("eth_getBalance", "0x" + address.hex(), "latest")), 16) for address in addresses]

    async def call(self, calls: Sequence[tuple[bytes, bytes]]) -> list[int]:
        requests = [{"to": "0x" + to.hex(), "data": "0x" + data.hex()} for to, data in calls]
        return [int(str(self.ask("eth_call", request, "latest")), 16) for request in requests]


def bare_genesis() -> bytes:
    validator = key_pair(b"\x77" * 32)
    entry = {"name": "one", "organisation": "one", "public_key": "0x" + validator.public.hex()}
    genesis = {
        "version": 1,
        "name": "bench",
        "chain_id": CHAIN_ID,
        "dev": True,
        "timestamp_ms": 1_000,
        "gas_limit": 1_000_000_000,
        "rules": {"evm": "osaka", "fees": "none", "suite": 0},
        "consensus": {"kind": "solo"},
        "organisations": [],
        "validators": [entry | {"account": "0x" + validator.address.hex()}],
        "alloc": {},
    }
    return json.dumps(genesis).encode()


@pytest.mark.parametrize("in_genesis", [True, False], ids=["in genesis", "deployed"])
@pytest.mark.parametrize("name", WORKLOADS)
async def test_every_transaction_succeeds_and_the_end_state_holds(name: str, in_genesis: bool) -> None:
    ledger = Memory(name, in_genesis)
    await ledger.workload.begin(ledger)
    for _ in range(2):
        assert set(ledger.send(COUNT)) == {"0x1"}
        await ledger.workload.check(ledger)


@pytest.mark.parametrize("name", sorted(set(WORKLOADS) - CHECKED_BY_RECEIPTS_ALONE))
async def test_a_check_sees_what_is_missing(name: str) -> None:
    """Drafted and never sent: the ledger does not hold what the workload believes."""
    ledger = Memory(name)
    await ledger.workload.begin(ledger)
    ledger.workload.draft(COUNT)
    if name.startswith("swap"):  # their check holds at any time, so the ledger is spoilt
        ledger.send_one(0, ledger.workload.addresses[0], mint_to(ledger.workload.addresses[2]))
    with pytest.raises(Disagreement):
        await ledger.workload.check(ledger)


def mint_to(address: bytes) -> bytes:
    return _native.abi_encode_call("mint(address,uint256)", ["0x" + address.hex(), "1"])


@pytest.mark.parametrize("name", WORKLOADS)
def test_the_same_seed_drafts_the_same(name: str) -> None:
    one, two = (Memory(name).workload.draft(COUNT) for _ in range(2))
    assert one == two
    assert len(one.senders) == len(one.recipients) == len(one.inputs) == COUNT


async def test_the_mixed_workload_reads() -> None:
    ledger = Memory("mixed")
    ledger.send(COUNT)
    reads = ledger.workload.reads(100, CHAIN_ID)
    assert {read.method for read in reads} == {"eth_call", "eth_getLogs"}
    for read in reads:
        ledger.ask(read.method, *read.params)


def test_forged_transfers_have_the_form_of_real_ones_and_are_refused() -> None:
    ledger = Memory("poisoned")
    forged = [bytes.fromhex(str(read.params[0])[2:]) for read in ledger.workload.reads(50, CHAIN_ID)]
    codes = {error for _, error in ledger.submit(forged)}
    assert codes <= {"TX-SIGNATURE", "TX-RECOVER", "POOL-FUNDS"}, codes
    assert set(ledger.send(COUNT)) == {"0x1"}
