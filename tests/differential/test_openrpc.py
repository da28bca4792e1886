"""Every answer has the shape that ethereum/execution-apis prescribes for it (its merged OpenRPC document)."""

import json
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("jsonschema", reason="the jsonschema package is not installed")
from eth_account import Account
from jsonschema import Draft202012Validator

from hansa.api import ApiOptions
from hansa.api.dispatch import Dispatcher
from hansa.api.methods import NATIVE, PYTHON
from hansa.node.dev import DevNode, DevOptions

COUNTER = Path(__file__).resolve().parent.parent / "compat" / "contracts" / "Counter.json"
STRANGER = "0x00000000000000000000000000000000000A11cE"

# Methods of the document that a node does not answer, and why.
LEFT_OUT = {
    "eth_getBlockAccessList": "EIP-7928 is not active in Osaka",
    "debug_getRawBlockAccessList": "EIP-7928 is not active in Osaka",
    "eth_capabilities": "retention is told by errors that name the oldest block; see hansa_status",
    "eth_config": "EIP-7910 describes forks by time; this chain changes its rules at heights",
    "eth_simulateV1": "not built yet",
    "eth_fillTransaction": "clients fill transactions themselves",
    "eth_signTransaction": "clients sign with their own keys; development has eth_sendTransaction",
    "debug_getBadBlocks": "a block that does not hold stops the node instead of being kept",
    "debug_traceBlockByNumber": "not built yet",
    "debug_traceBlockByHash": "not built yet",
    "debug_traceTransaction": "not built yet",
    "testing_buildBlockV1": "evm_mine builds blocks in development",
}


class Asked:
    """A development node with something on it, asked without sockets."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document
        self.node = DevNode(DevOptions())
        self.dispatcher = Dispatcher(self.node, ApiOptions(), self.node)
        self.facts: dict[str, Any] = {}

    async def answer(self, method: str, *params: Any) -> Any:
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
        return json.loads(await self.dispatcher.answer(body))

    async def result(self, method: str, *params: Any) -> Any:
        answer = await self.answer(method, *params)
        assert "result" in answer, answer
        return answer["result"]

    def check(self, method: str, result: Any) -> None:
        schema = self.document["methods"][method]["result"]["schema"]
        if method == "eth_getTransactionByHash" and result is not None and result["blockHash"] is None:
            # The document knows pending transactions in txpool_ only; all clients expect them here too.
            schema = {"$ref": "#/components/schemas/PendingTransactionInfo"}
        validator = Draft202012Validator({**schema, "components": self.document["components"]})
        validator.validate(result)


async def furnish(asked: Asked) -> None:
    """Blocks with a transfer of every type, a contract with logs and storage, and something in the pool."""
    first, second = (await asked.result("eth_accounts"))[:2]
    creation = json.loads(COUNTER.read_text())["bytecode"] + "00" * 31 + "07"
    transfer = {"from": first, "to": second, "value": "0x1"}
    listed = [{"address": STRANGER, "storageKeys": ["0x" + "00" * 32]}]
    sent = [
        await asked.result("eth_sendTransaction", transfer),
        await asked.result("eth_sendTransaction", transfer | {"gasPrice": "0x77359400"}),
        await asked.result("eth_sendTransaction", transfer | {"gasPrice": "0x77359400", "accessList": listed}),
        await asked.result("eth_sendTransaction", {"from": first, "data": creation}),
    ]
    receipt = await asked.result("eth_getTransactionReceipt", sent[3])
    contract = receipt["contractAddress"]
    add = "0x1003e2d2" + (5).to_bytes(32).hex()
    sent.append(await asked.result("eth_sendTransaction", {"from": first, "to": contract, "data": add}))
    authorized = delegation(await asked.result("eth_getTransactionCount", first, "latest"), asked, contract)
    sent.append(await asked.result("eth_sendRawTransaction", authorized))
    await asked.result("evm_setAutomine", False)
    pending = await asked.result("eth_sendTransaction", transfer)
    logged = await asked.result("eth_getTransactionReceipt", sent[4])
    assert logged["logs"], "the contract says what it counts"
    asked.facts = {
        "first": first,
        "second": second,
        "contract": contract,
        "sent": sent,
        "pending": pending,
        "logged": logged,
        "transfer": transfer,
    }


def delegation(nonce: str, asked: Asked, contract: str) -> str:
    """A type 4 transaction of the first account, for a fresh account."""
    account = Account.from_key(asked.node.keys[0].secret)
    authorization = Account.create().sign_authorization({"chainId": 31337, "address": contract, "nonce": 0})
    fields = {
        "chainId": 31337,
        "nonce": int(nonce, 16),
        "gas": 100_000,
        "maxFeePerGas": 10**10,
        "maxPriorityFeePerGas": 1,
        "to": STRANGER,
        "value": 0,
        "authorizationList": [authorization],
    }
    raw: str = account.sign_transaction(fields).raw_transaction.to_0x_hex()
    return raw


def requests(facts: dict[str, Any]) -> dict[str, list[list[Any]]]:
    """Parameters to ask each method with."""
    block = facts["logged"]["blockHash"]
    number = facts["logged"]["blockNumber"]
    call = {"from": facts["first"], "to": facts["contract"], "data": "0x2ddbd13a"}
    typed = [[one] for one in [*facts["sent"], facts["pending"], "0x" + "11" * 32]]
    return {
        "eth_getBlockByHash": [[block, True], [block, False], ["0x" + "11" * 32, False]],
        "eth_getBlockByNumber": [["latest", True], ["earliest", False], ["0xffff", False]],
        "eth_getBlockTransactionCountByHash": [[block]],
        "eth_getBlockTransactionCountByNumber": [[number]],
        "eth_getBlockReceipts": [[number], ["latest"], ["earliest"]],
        "eth_chainId": [[]],
        "eth_syncing": [[]],
        "eth_coinbase": [[]],
        "eth_accounts": [[]],
        "eth_blockNumber": [[]],
        "net_version": [[]],
        "eth_call": [[call, "latest"], [call, "latest", {facts["contract"]: {"balance": "0x1"}}]],
        "eth_estimateGas": [[call], [facts["transfer"], "latest"]],
        "eth_createAccessList": [[call, "latest"], [facts["transfer"]]],
        "eth_gasPrice": [[]],
        "eth_baseFee": [[]],
        "eth_blobBaseFee": [[]],
        "eth_maxPriorityFeePerGas": [[]],
        "eth_feeHistory": [["0x5", "latest", [10, 50, 90]], ["0x2", "0x3", []]],
        "eth_newFilter": [[{"address": facts["contract"], "fromBlock": "earliest"}]],
        "eth_newBlockFilter": [[]],
        "eth_newPendingTransactionFilter": [[]],
        "eth_getLogs": [[{"fromBlock": "earliest", "toBlock": "latest"}], [{"blockHash": block}]],
        "eth_sign": [[facts["first"], "0x1234"]],
        "eth_getBalance": [[facts["first"], "latest"]],
        "eth_getStorageAt": [[facts["contract"], "0x0", "latest"]],
        "eth_getStorageValues": [[{facts["contract"]: ["0x" + "00" * 32]}, "latest"]],
        "eth_getTransactionCount": [[facts["first"], "pending"]],
        "eth_getCode": [[facts["contract"], "latest"], [STRANGER, "latest"]],
        "eth_getProof": [[facts["contract"], ["0x0", "0x" + "00" * 31 + "07"], "latest"], [STRANGER, [], "latest"]],
        "eth_getTransactionByHash": typed,
        "eth_getTransactionByBlockHashAndIndex": [[block, "0x0"], [block, "0x9"]],
        "eth_getTransactionByBlockNumberAndIndex": [[number, "0x0"]],
        "eth_getTransactionReceipt": typed,
        "eth_sendTransaction": [[facts["transfer"]]],
        "debug_getRawHeader": [[number]],
        "debug_getRawBlock": [[number]],
        "debug_getRawTransaction": [[facts["sent"][5]]],
        "debug_getRawReceipts": [[number]],
        "txpool_status": [[]],
        "txpool_content": [[]],
        "txpool_contentFrom": [[facts["first"]], [STRANGER]],
    }


@pytest.fixture
def document(vectors: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((vectors / "ethereum-openrpc.json").read_text())
    return found


async def test_every_answer_has_its_shape(document: dict[str, Any]) -> None:
    asked = Asked(document)
    await furnish(asked)
    for method, calls in requests(asked.facts).items():
        for params in calls:
            asked.check(method, await asked.result(method, *params))


async def test_filters_and_sends_have_their_shapes(document: dict[str, Any]) -> None:
    asked = Asked(document)
    await furnish(asked)
    logs = await asked.result("eth_newFilter", {"address": asked.facts["contract"], "fromBlock": "earliest"})
    blocks = await asked.result("eth_newBlockFilter")
    pending = await asked.result("eth_newPendingTransactionFilter")
    asked.check("eth_sendRawTransaction", await asked.result("eth_sendTransaction", asked.facts["transfer"]))
    await asked.result("evm_mine")
    for name in (logs, blocks, pending):
        changes = await asked.result("eth_getFilterChanges", name)
        if changes:  # no changes fit both of the document's alternatives, of which one must fit
            asked.check("eth_getFilterChanges", changes)
    found = await asked.result("eth_getFilterLogs", logs)
    asked.check("eth_getFilterLogs", found)
    assert found, "the contract's log is found"
    asked.check("eth_uninstallFilter", await asked.result("eth_uninstallFilter", logs))


def test_each_gap_is_explained(document: dict[str, Any]) -> None:
    answered = set(NATIVE) | set(PYTHON)
    missing = set(document["methods"]) - answered
    assert missing == set(LEFT_OUT)
