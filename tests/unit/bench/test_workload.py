"""Same seed, same bytes; nonces follow one another; genesis holds the accounts."""

import json

import pytest

from hansa import _native
from hansa.bench.accounts import derive_accounts
from hansa.bench.command import main
from hansa.bench.errors import InvalidPlan
from hansa.bench.own_alliance import fill_genesis, own_contract_address
from hansa.bench.transactions import (
    MIXED_SHARES,
    Nonces,
    Transactions,
    contract_address,
    fingerprint,
    make_mixed,
    make_transfers,
)
from hansa.bench.workloads.contract import Contract, load_artefact, mapping_slot

CHAIN = 31_337


def transfers(seed: int, runs: int = 1) -> Transactions:
    accounts, nonces = derive_accounts(seed, 3, 8), Nonces(3)
    for _ in range(runs - 1):
        make_transfers(accounts, nonces, 7, CHAIN, seed)
    return make_transfers(accounts, nonces, 7, CHAIN, seed)


def test_the_seed_decides_every_byte() -> None:
    assert fingerprint(transfers(1)) == fingerprint(transfers(1))
    assert fingerprint(transfers(1)) != fingerprint(transfers(2))


def test_nonces_follow_one_another_from_run_to_run() -> None:
    accounts = derive_accounts(5, 3, 8)
    nonces = Nonces(3)
    seen: dict[bytes, list[int]] = {}
    for count in (7, 5, 3):
        for raw in make_transfers(accounts, nonces, count, CHAIN, 5).raws:
            fields = _native.decode_transaction(raw)
            seen.setdefault(bytes(fields["sender"]), []).append(int(str(fields["nonce"])))  # type: ignore[call-overload]
    assert set(seen) == set(accounts.senders)
    assert all(sorted(values) == list(range(len(values))) for values in seen.values())
    assert sorted(map(len, seen.values())) == [5, 5, 5]


def test_receivers_are_accounts_of_genesis() -> None:
    accounts = derive_accounts(1, 3, 8)
    receivers = {bytes(_native.decode_transaction(raw)["to"]) for raw in transfers(1).raws}  # type: ignore[call-overload]
    assert receivers <= {accounts.address(index) for index in range(8)}


def test_hashes_are_those_of_the_bytes() -> None:
    workload = transfers(1)
    assert workload.hashes[0] == "0x" + _native.keccak256(workload.raws[0]).hex()


def test_mixed_workloads_hold_every_kind() -> None:
    accounts, nonces, contract = derive_accounts(1, 4, 8), Nonces(4), load_artefact("bench_token")
    token = contract_address(accounts.senders[0], 0)
    workload = make_mixed(accounts, nonces, 400, CHAIN, 1, contract, token)
    decoded = [_native.decode_transaction(raw) for raw in workload.raws]
    deploys = [fields for fields in decoded if not fields["to"]]
    selectors = {bytes(fields["data"])[:4] for fields in decoded if fields["to"] == token}  # type: ignore[call-overload]
    assert sum(share for _, share in MIXED_SHARES) == 100
    assert len(selectors) == 3 and deploys
    assert nonces.next == [100] * 4


def test_the_address_of_a_new_contract() -> None:
    """The first example of EIP-1014's predecessor that every client knows: sender 0x6ac7…, nonces 0 and 1."""
    sender = bytes.fromhex("6ac7ea33f8831ea9dcc53393aaa88b25a785dbf0")
    assert contract_address(sender, 0).hex() == "cd234a471b72ba2f1ccf0a70fcaba648a5eecd8d"
    assert contract_address(sender, 1).hex() == "343c43a37d37dff08ae8c4a11544c718abb4fcf8"


def test_accounts_and_contracts_are_put_into_genesis() -> None:
    accounts = derive_accounts(1, 2, 5)
    token = Contract(load_artefact("bench_token"), storage={7: 8}, holdings={1: 9})
    genesis = json.loads(fill_genesis(b'{"version":1,"alloc":{"0x01":{"balance":"0x0"}}}', accounts, [token]))
    address = "0x" + own_contract_address(0).hex()
    assert set(genesis["alloc"]) == {"0x01", address, *("0x" + sender.hex() for sender in accounts.senders)}
    slots = {hex(mapping_slot(1, sender)): "0x9" for sender in accounts.senders}
    assert genesis["alloc"][address]["storage"] == slots | {"0x7": "0x8"}
    holdings = [{"contract": address, "slot": "0x1", "value": "0x9"}]
    assert genesis["alloc_ranges"] == [{"label": "hansa/bench/1", "count": 3, "balance": "0x1", "holdings": holdings}]


def test_options_that_contradict_are_refused() -> None:
    with pytest.raises(InvalidPlan):
        main(["run", "transfer", "--accounts", "10", "--senders", "11"])
    with pytest.raises(InvalidPlan):
        main(["run", "transfer", "--accounts", "10", "--funder", "0xzz"])
    with pytest.raises(InvalidPlan):
        main(["run", "transfer", "--rpc", "http://far.example:8545"])
