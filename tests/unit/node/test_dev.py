"""`hansa dev` from the inside: sealing at once, time and state at will, snapshots, impersonation."""

import json
from pathlib import Path
from typing import Any

import pytest

from hansa.api import ApiOptions
from hansa.api.dispatch import Dispatcher
from hansa.node.dev import DevNode, DevOptions

COUNTER = Path(__file__).resolve().parents[2] / "compat" / "contracts" / "Counter.json"
STRANGER = "0x" + "11" * 20
COIN = 10**18


class Dev:
    """A development node asked without sockets."""

    def __init__(self) -> None:
        self.node = DevNode(DevOptions())
        self._dispatcher = Dispatcher(self.node, ApiOptions(), self.node)

    async def ask(self, method: str, *params: Any) -> Any:
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
        return json.loads(await self._dispatcher.answer(body))

    async def get(self, method: str, *params: Any) -> Any:
        answer = await self.ask(method, *params)
        assert "result" in answer, answer
        return answer["result"]

    async def number(self, method: str, *params: Any) -> int:
        return int(await self.get(method, *params), 16)

    async def pay(self, value: int = 1, **fields: Any) -> str:
        first, second = (await self.get("eth_accounts"))[:2]
        sent: str = await self.get("eth_sendTransaction", {"from": first, "to": second, "value": hex(value), **fields})
        return sent

    async def block(self, tag: str = "latest") -> dict[str, Any]:
        found: dict[str, Any] = await self.get("eth_getBlockByNumber", tag, False)
        return found


@pytest.fixture
def dev() -> Dev:
    return Dev()


async def test_the_well_known_accounts_are_funded(dev: Dev) -> None:
    accounts = await dev.get("eth_accounts")
    assert len(accounts) == 10
    assert accounts[0] == "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266"
    assert accounts[9] == "0xa0ee7a142d267c1f36714e4a8f75612f20a79720"
    assert await dev.number("eth_getBalance", accounts[9]) == 10_000 * COIN
    assert await dev.number("eth_chainId") == 31337


async def test_a_send_returns_after_its_block_is_sealed(dev: Dev) -> None:
    sent = await dev.pay()
    receipt = await dev.get("eth_getTransactionReceipt", sent)
    assert receipt["blockNumber"] == "0x1"
    assert await dev.get("hansa_getTransactionStatus", sent) == {
        "hash": sent,
        "status": "final",
        "reason": None,
        "blockNumber": "0x1",
        "transactionIndex": "0x0",
    }


async def test_without_automine_transactions_wait(dev: Dev) -> None:
    await dev.get("evm_setAutomine", False)
    assert await dev.get("hardhat_getAutomine") is False
    sent = await dev.pay()
    assert await dev.get("eth_getTransactionReceipt", sent) is None
    assert (await dev.get("txpool_status"))["pending"] == "0x1"
    first = (await dev.get("eth_accounts"))[0]
    assert await dev.number("eth_getTransactionCount", first, "pending") == 1
    assert await dev.number("eth_getTransactionCount", first, "latest") == 0
    await dev.get("evm_mine")
    assert await dev.get("eth_getTransactionReceipt", sent)
    dropped = await dev.pay()
    assert await dev.get("hardhat_dropTransaction", dropped) is True
    assert (await dev.get("txpool_status"))["pending"] == "0x0"


async def test_turning_automine_on_seals_what_waits(dev: Dev) -> None:
    await dev.get("evm_setAutomine", False)
    sent = await dev.pay()
    await dev.get("evm_setAutomine", True)
    assert await dev.get("eth_getTransactionReceipt", sent)


async def test_mining_many_blocks_at_an_interval(dev: Dev) -> None:
    await dev.get("hardhat_mine", "0x5", "0x3c")
    times = [int((await dev.block(hex(number)))["timestamp"], 16) for number in range(1, 6)]
    assert [later - earlier for earlier, later in zip(times, times[1:], strict=False)] == [60] * 4
    assert await dev.number("eth_blockNumber") == 5
    assert (await dev.ask("hardhat_mine", hex(10**9)))["error"]["data"]["code"] == "DEV-2"


async def test_time_moves_as_told(dev: Dev) -> None:
    await dev.get("evm_mine")
    now = int((await dev.block())["timestamp"], 16)
    await dev.get("evm_setNextBlockTimestamp", now + 1_000)
    await dev.get("evm_mine")
    assert int((await dev.block())["timestamp"], 16) == now + 1_000
    await dev.get("evm_increaseTime", 500)
    await dev.get("evm_mine")
    assert int((await dev.block())["timestamp"], 16) >= now + 1_500
    assert (await dev.ask("evm_setNextBlockTimestamp", now))["error"]["data"]["code"] == "DEV-1"
    await dev.get("evm_mine", now + 9_000)
    assert int((await dev.block())["timestamp"], 16) == now + 9_000


async def test_every_block_is_later_than_its_parent(dev: Dev) -> None:
    for _ in range(5):
        await dev.pay()
    times = [int((await dev.block(hex(number)))["timestamp"], 16) for number in range(6)]
    assert times == sorted(set(times))


async def test_accounts_are_set_at_will(dev: Dev) -> None:
    await dev.get("hardhat_setBalance", STRANGER, hex(7 * COIN))
    await dev.get("anvil_setNonce", STRANGER, "0x9")
    await dev.get("hardhat_setCode", STRANGER, "0x602a60005260206000f3")
    await dev.get("hardhat_setStorageAt", STRANGER, "0x1", "0x" + "00" * 31 + "05")
    assert await dev.number("eth_getBalance", STRANGER) == 7 * COIN
    assert await dev.number("eth_getTransactionCount", STRANGER) == 9
    assert await dev.number("eth_call", {"to": STRANGER}) == 42
    assert await dev.number("eth_getStorageAt", STRANGER, "0x1") == 5
    await dev.get("evm_mine")
    assert await dev.number("eth_getBalance", STRANGER) == 7 * COIN
    await dev.get("hardhat_setStorageAt", STRANGER, "0x1", "0x0")
    assert await dev.number("eth_getStorageAt", STRANGER, "0x1") == 0


async def test_a_snapshot_brings_everything_back_once(dev: Dev) -> None:
    await dev.pay()
    snapshot = await dev.get("evm_snapshot")
    later = await dev.get("evm_snapshot")
    await dev.get("hardhat_setBalance", STRANGER, "0x1")
    sent = await dev.pay()
    assert await dev.get("evm_revert", snapshot) is True
    assert await dev.number("eth_blockNumber") == 1
    assert await dev.number("eth_getBalance", STRANGER) == 0
    assert await dev.get("eth_getTransactionReceipt", sent) is None
    assert await dev.get("evm_revert", snapshot) is False
    assert await dev.get("evm_revert", later) is False
    await dev.pay()
    assert await dev.number("eth_blockNumber") == 2


async def test_block_filters_go_on_after_a_revert(dev: Dev) -> None:
    snapshot = await dev.get("evm_snapshot")
    name = await dev.get("eth_newBlockFilter")
    await dev.get("hardhat_mine", "0x3")
    assert len(await dev.get("eth_getFilterChanges", name)) == 3
    await dev.get("evm_revert", snapshot)
    assert await dev.get("eth_getFilterChanges", name) == []
    await dev.get("evm_mine")
    assert await dev.get("eth_getFilterChanges", name) == [(await dev.block())["hash"]]


async def test_anybody_can_be_impersonated(dev: Dev) -> None:
    await dev.get("hardhat_setBalance", STRANGER, hex(COIN))
    transfer = {"from": STRANGER, "to": "0x" + "22" * 20, "value": "0x5"}
    assert (await dev.ask("eth_sendTransaction", transfer))["error"]["code"] == -32003
    await dev.get("hardhat_impersonateAccount", STRANGER)
    sent = await dev.get("eth_sendTransaction", transfer)
    assert (await dev.get("eth_getTransactionReceipt", sent))["from"] == STRANGER
    await dev.get("hardhat_stopImpersonatingAccount", STRANGER)
    assert (await dev.ask("eth_sendTransaction", transfer))["error"]["code"] == -32003


async def test_contracts_can_be_impersonated(dev: Dev) -> None:
    first = (await dev.get("eth_accounts"))[0]
    creation = json.loads(COUNTER.read_text())["bytecode"] + "00" * 32
    deployed = await dev.get("eth_sendTransaction", {"from": first, "data": creation})
    contract = (await dev.get("eth_getTransactionReceipt", deployed))["contractAddress"]
    await dev.get("hardhat_setBalance", contract, hex(COIN))
    await dev.get("hardhat_impersonateAccount", contract)
    sent = await dev.get("eth_sendTransaction", {"from": contract, "to": STRANGER, "value": "0x7"})
    assert (await dev.get("eth_getTransactionReceipt", sent))["status"] == "0x1"
    assert await dev.number("eth_getBalance", STRANGER) == 7


async def test_the_next_base_fee_is_set(dev: Dev) -> None:
    await dev.get("hardhat_setNextBlockBaseFeePerGas", hex(5 * 10**9))
    await dev.pay(maxFeePerGas=hex(10**10), maxPriorityFeePerGas="0x0")
    assert int((await dev.block())["baseFeePerGas"], 16) == 5 * 10**9
    await dev.get("hardhat_setNextBlockBaseFeePerGas", "0x0")
    await dev.pay(gasPrice="0x0")
    assert int((await dev.block())["baseFeePerGas"], 16) == 0


async def test_reset_goes_back_to_genesis(dev: Dev) -> None:
    await dev.pay()
    assert await dev.get("hardhat_reset") is True
    assert await dev.number("eth_blockNumber") == 0
    assert (await dev.ask("hardhat_reset", {"forking": {"jsonRpcUrl": "http://x"}}))["error"]["code"] == -32602
    await dev.pay()
    assert await dev.number("eth_blockNumber") == 1


async def test_a_batch_of_sends_is_one_block(dev: Dev) -> None:
    await dev.get("evm_setAutomine", False)
    raws = []
    first, second = (await dev.get("eth_accounts"))[:2]
    key = dev.node.keys[0].secret
    for nonce in range(20):
        request = {"from": first, "to": second, "value": "0x1", "nonce": hex(nonce), "gas": "0x5208"}
        request |= {"chainId": "0x7a69", "maxFeePerGas": hex(10**10), "maxPriorityFeePerGas": "0x1"}
        raws.append("0x" + dev.node.rpc.build_transaction(json.dumps(request).encode(), key).hex())
    await dev.get("evm_setAutomine", True)
    batch = [
        {"jsonrpc": "2.0", "id": index, "method": "eth_sendRawTransaction", "params": [raw]}
        for index, raw in enumerate(raws)
    ]
    answers = json.loads(await dev._dispatcher.answer(json.dumps(batch).encode()))
    assert [one["id"] for one in answers] == list(range(20))
    assert all("result" in one for one in answers)
    assert await dev.number("eth_blockNumber") == 1
    assert len((await dev.block())["transactions"]) == 20


async def test_log_ranges_are_bounded_and_the_error_names_one_to_use(dev: Dev) -> None:
    await dev.get("hardhat_mine", hex(10_050))
    error = (await dev.ask("eth_getLogs", {"fromBlock": "0x1", "toBlock": "latest"}))["error"]
    assert error["code"] == -32005
    assert (error["data"]["from"], error["data"]["to"]) == ("0x1", hex(10_000))
    assert await dev.get("eth_getLogs", {"fromBlock": "0x1", "toBlock": error["data"]["to"]}) == []


async def test_hints_and_codes_stand_in_every_error(dev: Dev) -> None:
    for method, *params in (
        ("eth_getBalance", "nonsense"),
        ("eth_getBlockByNumber",),
        ("eth_nothing",),
        ("eth_sendRawTransaction", "0x00"),
        ("eth_getFilterChanges", "0x1"),
        ("eth_getBalance", STRANGER, "0xffffff"),
    ):
        error = (await dev.ask(method, *params))["error"]
        assert error["data"]["code"], (method, error)
        assert error["message"]
