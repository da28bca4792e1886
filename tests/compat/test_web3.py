"""web3.py and eth-account, as their users use them."""

import asyncio
from typing import Any

import pytest
from eth_account import Account
from eth_account.messages import encode_defunct, encode_typed_data
from eth_account.signers.local import LocalAccount
from hexbytes import HexBytes
from web3 import AsyncWeb3, Web3, WebSocketProvider
from web3.exceptions import ContractLogicError, TransactionNotFound, Web3RPCError

from hansa import _native

from .conftest import Endpoint, Sender

STRANGER = "0x00000000000000000000000000000000000A11cE"


def test_the_node_says_who_it_is(w3: Web3) -> None:
    assert w3.is_connected()
    assert w3.client_version.startswith("hansa/")
    assert w3.net.version == str(w3.eth.chain_id)
    assert w3.net.listening
    assert w3.eth.syncing is False
    assert w3.provider.make_request("web3_sha3", ["0x"])["result"].startswith("0xc5d2460186f7")  # type: ignore[arg-type]


def test_tags_name_blocks(w3: Web3) -> None:
    latest, safe, finalized = (w3.eth.get_block(tag)["number"] for tag in ("latest", "safe", "finalized"))
    assert latest <= safe <= finalized
    assert w3.eth.get_block("earliest")["number"] == 0
    assert len(w3.eth.get_block(0)["extraData"]) == 32
    genesis = w3.eth.get_block(w3.eth.get_block(0)["hash"])
    assert genesis["transactions"] == []


@pytest.mark.parametrize("kind", ["legacy", "access list", "fee market"])
def test_a_transfer_is_final_when_it_has_a_receipt(w3: Web3, sender: Sender, kind: str) -> None:
    target = Account.create().address
    transaction: dict[str, Any] = {"to": target, "value": 10**15}
    if kind != "fee market":
        transaction["gasPrice"] = w3.eth.gas_price
    if kind == "access list":
        transaction["accessList"] = [{"address": STRANGER, "storageKeys": ["0x" + "00" * 32]}]
    receipt = sender.send(transaction)
    assert (receipt["status"], receipt["from"], receipt["to"]) == (1, sender.account.address, target)
    assert receipt["type"] == {"legacy": 0, "access list": 1, "fee market": 2}[kind]
    assert w3.eth.get_balance(target) == 10**15
    sent = w3.eth.get_transaction(receipt["transactionHash"])
    assert (sent["value"], sent["blockHash"]) == (10**15, receipt["blockHash"])
    at = w3.eth.get_transaction_by_block(receipt["blockNumber"], receipt["transactionIndex"])
    assert at["hash"] == sent["hash"]
    receipts = w3.eth.get_block_receipts(receipt["blockNumber"])
    assert receipts[receipt["transactionIndex"]]["transactionHash"] == sent["hash"]


def test_our_own_type_is_shown_in_ethereums_words(w3: Web3, sender: Sender) -> None:
    fields = {
        "type": 0x48,
        "chain_id": w3.eth.chain_id,
        "nonce": 2**64 - 1,
        "block_limit": w3.eth.block_number + 500,
        "expires_at": w3.eth.get_block("latest")["timestamp"] + 10**9,
        "gas": 21_000,
        "to": bytes.fromhex(STRANGER[2:]),
        "value": 5,
        "max_fee_per_gas": 2 * w3.eth.gas_price,
    }
    before = w3.eth.get_transaction_count(sender.account.address)
    hash_ = w3.eth.send_raw_transaction(_native.sign_transaction(bytes(sender.account.key), fields))
    receipt = w3.eth.wait_for_transaction_receipt(hash_, timeout=30)
    assert (receipt["status"], receipt["type"], receipt["gasUsed"]) == (1, 0x48, 21_000)
    assert w3.eth.get_transaction_count(sender.account.address) == before
    sent = w3.eth.get_transaction(hash_)
    assert (sent["nonce"], sent["value"], sent["from"]) == (0, 5, sender.account.address)
    block = w3.eth.get_block(receipt["blockNumber"], full_transactions=True)
    assert [one["hash"] for one in block["transactions"]] == [hash_]
    with pytest.raises(Web3RPCError, match="used lately"):
        w3.eth.send_raw_transaction(_native.sign_transaction(bytes(sender.account.key), {**fields, "value": 6}))


def test_a_delegation_runs_the_contracts_code(w3: Web3, sender: Sender, counter: Any) -> None:
    delegator: LocalAccount = Account.create()
    authorization = delegator.sign_authorization({"chainId": w3.eth.chain_id, "address": counter.address, "nonce": 0})
    receipt = sender.send({"to": delegator.address, "value": 0, "gas": 200_000, "authorizationList": [authorization]})
    assert (receipt["type"], receipt["status"]) == (4, 0)  # the contract has no default function
    assert w3.eth.get_code(delegator.address) == HexBytes("0xef0100" + counter.address[2:])


def test_a_contract_counts_and_logs(w3: Web3, sender: Sender, counter: Any) -> None:
    assert counter.functions.total().call() == 7
    receipt = sender.send({"to": counter.address, "data": counter.encode_abi("add", [5]), "value": 0})
    assert counter.functions.total().call() == 12
    assert counter.functions.given(sender.account.address).call() == 5
    (event,) = counter.events.Added().process_receipt(receipt)
    assert dict(event["args"]) == {"by": sender.account.address, "amount": 5, "total": 12}
    found = counter.events.Added().get_logs(from_block=receipt["blockNumber"])
    assert [one["transactionHash"] for one in found] == [receipt["transactionHash"]]
    by_hash = w3.eth.get_logs({"blockHash": receipt["blockHash"], "address": counter.address})
    assert [one["logIndex"] for one in by_hash] == [event["logIndex"]]
    assert w3.eth.get_logs({"address": STRANGER, "fromBlock": "earliest"}) == []


def test_historic_state_is_answered(w3: Web3, sender: Sender, counter: Any) -> None:
    before = w3.eth.block_number
    sender.send({"to": counter.address, "data": counter.encode_abi("add", [1]), "value": 0})
    assert counter.functions.total().call(block_identifier=before) == 7
    assert counter.functions.total().call() == 8


def test_reverts_carry_their_reason(sender: Sender, counter: Any) -> None:
    with pytest.raises(ContractLogicError, match="nothing to add"):
        counter.functions.add(0).call()
    with pytest.raises(ContractLogicError, match="nothing to add"):
        counter.functions.add(0).estimate_gas({"from": sender.account.address})
    failed = sender.send({"to": counter.address, "data": counter.encode_abi("add", [0]), "gas": 100_000, "value": 0})
    assert failed["status"] == 0


def test_calls_take_overrides(w3: Web3, counter: Any) -> None:
    slot = "0x" + "00" * 32
    changed = {counter.address: {"stateDiff": {slot: "0x" + "00" * 31 + "2a"}}}
    assert counter.functions.total().call(state_override=changed) == 42
    moved = w3.provider.make_request(
        "eth_call",  # type: ignore[arg-type]
        [
            {"to": counter.address, "data": counter.encode_abi("now", [])},
            "latest",
            {},
            {"number": "0x64", "time": "0x7"},
        ],
    )
    assert HexBytes(moved["result"]) == (100).to_bytes(32) + (7).to_bytes(32)


def test_proofs_are_of_the_state_root(w3: Web3, counter: Any) -> None:
    proof = w3.eth.get_proof(counter.address, [0], "latest")
    assert proof["storageProof"][0]["value"] == HexBytes("0x07")
    block = w3.eth.get_block("latest")
    assert w3.keccak(proof["accountProof"][0]) in (block["stateRoot"], w3.eth.get_block("latest")["stateRoot"])


def test_refusals_say_why(w3: Web3, sender: Sender, funded: LocalAccount) -> None:
    sender.send({"to": STRANGER, "value": 1})
    used = sender.fill({"to": STRANGER, "value": 1, "nonce": 0, "gas": 21_000})
    with pytest.raises(Web3RPCError, match="nonce too low"):
        w3.eth.send_raw_transaction(funded.sign_transaction(used).raw_transaction)
    poor = Account.create()
    with pytest.raises(Web3RPCError, match="insufficient funds"):
        w3.eth.send_raw_transaction(
            poor.sign_transaction(sender.fill({"to": STRANGER, "value": 1, "nonce": 0, "gas": 21_000})).raw_transaction
        )
    with pytest.raises(Web3RPCError, match="chain id"):
        foreign = sender.fill({"to": STRANGER, "value": 1, "gas": 21_000}) | {"chainId": 1}
        w3.eth.send_raw_transaction(funded.sign_transaction(foreign).raw_transaction)
    with pytest.raises(TransactionNotFound):
        w3.eth.get_transaction(HexBytes(b"\1" * 32))


def test_filters_tell_what_is_new(w3: Web3, sender: Sender, counter: Any) -> None:
    blocks = w3.eth.filter("latest")
    pending = w3.eth.filter("pending")
    added = counter.events.Added().create_filter(from_block="latest")
    receipt = sender.send({"to": counter.address, "data": counter.encode_abi("add", [3]), "value": 0})
    assert receipt["blockHash"] in blocks.get_new_entries()
    assert receipt["transactionHash"] in pending.get_new_entries()
    assert [one["args"]["amount"] for one in added.get_new_entries()] == [3]
    assert added.get_new_entries() == []
    assert w3.eth.uninstall_filter(blocks.filter_id)
    with pytest.raises(Web3RPCError, match="filter not found"):
        blocks.get_new_entries()


def test_fees_are_whole(w3: Web3) -> None:
    history = w3.eth.fee_history(4, "latest", [10.0, 90.0])
    blocks = len(history["gasUsedRatio"])
    assert len(history["baseFeePerGas"]) == blocks + 1
    assert [len(one) for one in history["reward"]] == [2] * blocks
    assert w3.eth.gas_price >= w3.eth.max_priority_fee >= 0


def test_batches(w3: Web3) -> None:
    with w3.batch_requests() as batch:
        batch.add(w3.eth.get_block("earliest"))
        batch.add(w3.eth.get_balance(STRANGER))
        answers = batch.execute()
    assert answers[0]["number"] == 0
    assert isinstance(answers[1], int)


def test_the_receipt_comes_with_the_send(w3: Web3, sender: Sender, funded: LocalAccount) -> None:
    signed = funded.sign_transaction(sender.fill({"to": STRANGER, "value": 1}))
    raw = signed.raw_transaction.to_0x_hex()
    answer = w3.provider.make_request("eth_sendRawTransactionSync", [raw, 10_000])  # type: ignore[arg-type]
    assert answer["result"]["transactionHash"] == signed.hash.to_0x_hex()
    gapped = sender.fill({"to": STRANGER, "value": 1})
    gapped["nonce"] += 5
    raw = funded.sign_transaction(gapped).raw_transaction.to_0x_hex()
    answer = w3.provider.make_request("eth_sendRawTransactionSync", [raw, "0x64"])  # type: ignore[arg-type]
    assert answer["error"]["code"] == 6
    w3.provider.make_request("hardhat_dropTransaction", [w3.keccak(hexstr=raw).to_0x_hex()])  # type: ignore[arg-type]


async def test_subscriptions(endpoint: Endpoint, w3: Web3, sender: Sender, counter: Any) -> None:
    async with AsyncWeb3(WebSocketProvider(endpoint.ws_url)) as live:
        heads = await live.eth.subscribe("newHeads")
        logs = await live.eth.subscribe("logs", {"address": counter.address})
        pending = await live.eth.subscribe("newPendingTransactions")
        data = counter.encode_abi("add", [9])
        receipt = await asyncio.to_thread(sender.send, {"to": counter.address, "data": data, "value": 0})
        seen: dict[str, list[Any]] = {heads: [], logs: [], pending: []}
        async with asyncio.timeout(20):
            async for message in live.socket.process_subscriptions():
                seen[message["subscription"]].append(message["result"])
                if seen[logs] and seen[pending] and any(one["hash"] == receipt["blockHash"] for one in seen[heads]):
                    break
        assert seen[logs][0]["transactionHash"] == receipt["transactionHash"]
        assert receipt["transactionHash"] in seen[pending]
        assert await live.eth.unsubscribe(heads)


def test_signatures_of_unlocked_accounts_are_eth_accounts(w3: Web3, funded: LocalAccount, dev_only: None) -> None:
    message = encode_defunct(text="a promise")
    assert w3.eth.sign(funded.address, text="a promise") == funded.sign_message(message).signature
    document: dict[str, Any] = {
        "types": {
            "EIP712Domain": [{"name": "name", "type": "string"}, {"name": "chainId", "type": "uint256"}],
            "Note": [{"name": "owner", "type": "address"}, {"name": "lines", "type": "string[]"}],
        },
        "primaryType": "Note",
        "domain": {"name": "notes", "chainId": 31337},
        "message": {"owner": STRANGER, "lines": ["one", "two"]},
    }
    signed = funded.sign_message(encode_typed_data(full_message=document)).signature
    answer = w3.provider.make_request("eth_signTypedData_v4", [funded.address, document])  # type: ignore[arg-type]
    assert HexBytes(answer["result"]) == signed
