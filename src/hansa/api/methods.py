"""Every JSON-RPC method of a node: its name, its parameters, and where it is answered.

To add a method: if the core can answer it alone, add it to `METHODS` in native/rpc/src/methods.rs and its name to
`NATIVE` here; otherwise write a function in node_methods.py (or dev_methods.py) and a row below.
"""

import difflib
from typing import Any

import msgspec

from hansa.api import dev_methods as dev
from hansa.api import node_methods as node
from hansa.api.calls import Params
from hansa.api.context import Context, Handler


class Method(msgspec.Struct, frozen=True):
    """One method answered in Python."""

    name: str
    params: tuple[str, ...]
    answer: Handler
    dev: bool = False  # exists on `hansa dev` only

    @property
    def namespace(self) -> str:
        """What stands before the underscore."""
        return namespace_of(self.name)


# Answered by the native core alone; parameters stand in native/rpc/src/methods.rs. True = may take over 1 ms:
# whatever may read a block from the log counts, since its senders may have to be recovered.
NATIVE: dict[str, bool] = {
    "web3_clientVersion": False,
    "web3_sha3": False,
    "net_version": False,
    "net_listening": False,
    "eth_chainId": False,
    "eth_blockNumber": False,
    "eth_coinbase": False,
    "eth_gasPrice": False,
    "eth_maxPriorityFeePerGas": False,
    "eth_baseFee": False,
    "eth_blobBaseFee": False,
    "eth_feeHistory": True,
    "eth_getBlockByHash": True,
    "eth_getBlockByNumber": True,
    "eth_getBlockTransactionCountByHash": True,
    "eth_getBlockTransactionCountByNumber": True,
    "eth_getUncleCountByBlockHash": False,
    "eth_getUncleCountByBlockNumber": False,
    "eth_getUncleByBlockHashAndIndex": False,
    "eth_getUncleByBlockNumberAndIndex": False,
    "eth_getTransactionByHash": True,
    "eth_getTransactionByBlockHashAndIndex": True,
    "eth_getTransactionByBlockNumberAndIndex": True,
    "eth_getTransactionReceipt": True,
    "eth_getBlockReceipts": True,
    "eth_getLogs": True,
    "eth_getBalance": False,
    "eth_getTransactionCount": False,
    "eth_getCode": False,
    "eth_getStorageAt": False,
    "eth_getStorageValues": False,
    "eth_getProof": True,
    "eth_call": True,
    "eth_estimateGas": True,
    "eth_createAccessList": True,
    "eth_sendRawTransaction": False,
    "txpool_status": False,
    "txpool_content": True,
    "txpool_contentFrom": True,
    "txpool_inspect": True,
    "debug_getRawHeader": True,
    "debug_getRawBlock": True,
    "debug_getRawTransaction": True,
    "debug_getRawReceipts": True,
    "hansa_getBlockCertificate": True,
    "hansa_getBlockFacts": True,
    "hansa_getTransactionStatus": True,
    "hansa_getTransaction": True,
}


async def discover(context: Context, params: Params) -> Any:
    """rpc.discover: the table as an OpenRPC document."""
    native = [(name, tuple(names)) for name, names in context.node.rpc.methods()]
    own = [(one.name, one.params) for one in PYTHON.values() if context.dev is not None or not one.dev]
    methods = [
        {
            "name": name,
            "params": [{"name": label, "schema": {}} for label in names],
            "result": {"name": "result", "schema": {}},
        }
        for name, names in sorted(native + own)
    ]
    info = {"title": "Hansa JSON-RPC", "version": context.node.status().version}
    return {"openrpc": "1.2.6", "info": info, "methods": methods}


_ADDRESS = ("Address",)
_FILTER_ID = ("Filter identifier",)
_TRANSACTION = ("Transaction",)

_ROWS = (
    Method("rpc.discover", (), discover),
    Method("net_peerCount", (), node.peer_count),
    Method("eth_syncing", (), node.syncing),
    Method("eth_accounts", (), node.accounts),
    Method("eth_newFilter", ("Filter",), node.new_filter),
    Method("eth_newBlockFilter", (), node.new_block_filter),
    Method("eth_newPendingTransactionFilter", (), node.new_pending_filter),
    Method("eth_getFilterChanges", _FILTER_ID, node.filter_changes),
    Method("eth_getFilterLogs", _FILTER_ID, node.filter_logs),
    Method("eth_uninstallFilter", _FILTER_ID, node.uninstall_filter),
    Method("eth_subscribe", ("Kind", "Filter"), node.subscribe),
    Method("eth_unsubscribe", ("Subscription",), node.unsubscribe),
    Method("eth_sendRawTransactionSync", ("Transaction", "Timeout"), node.send_raw_transaction_sync),
    Method("hansa_validators", (), node.validators),
    Method("hansa_peers", (), node.peers),
    Method("hansa_status", (), node.status),
    Method("hansa_stages", (), node.stages),
    Method("eth_sendTransaction", _TRANSACTION, dev.send_transaction, True),
    Method("eth_sign", ("Address", "Message"), dev.sign_message, True),
    Method("personal_sign", ("Message", "Address", "Password"), dev.personal_sign, True),
    Method("eth_signTypedData_v4", ("Address", "TypedData"), dev.sign_typed_data, True),
    Method("evm_snapshot", (), dev.snapshot, True),
    Method("evm_revert", ("Snapshot",), dev.revert, True),
    Method("evm_mine", ("Timestamp",), dev.evm_mine, True),
    Method("evm_increaseTime", ("Seconds",), dev.increase_time, True),
    Method("evm_setNextBlockTimestamp", ("Timestamp",), dev.set_next_timestamp, True),
    Method("evm_setTime", ("Timestamp",), dev.set_time, True),
    Method("evm_setAutomine", ("Enabled",), dev.set_automine, True),
    Method("evm_setIntervalMining", ("Milliseconds",), dev.set_interval_mining, True),
    Method("hardhat_getAutomine", (), dev.get_automine, True),
    Method("hardhat_metadata", (), dev.metadata, True),
    Method("anvil_getAutomine", (), dev.get_automine, True),
    Method("anvil_setAutomine", ("Enabled",), dev.set_automine, True),
    Method("anvil_setIntervalMining", ("Seconds",), dev.anvil_set_interval_mining, True),
    Method("anvil_autoImpersonateAccount", ("Enabled",), dev.auto_impersonate, True),
    Method("anvil_increaseTime", ("Seconds",), dev.increase_time, True),
    Method("anvil_setNextBlockTimestamp", ("Timestamp",), dev.set_next_timestamp, True),
    Method("anvil_setTime", ("Timestamp",), dev.set_time, True),
    Method("anvil_snapshot", (), dev.snapshot, True),
    Method("anvil_revert", ("Snapshot",), dev.revert, True),
    Method("anvil_nodeInfo", (), dev.node_info, True),
    Method("anvil_metadata", (), dev.metadata, True),
)

# The same under two names: hardhat_… and anvil_….
_TWICE: tuple[tuple[str, tuple[str, ...], Handler], ...] = (
    ("mine", ("Blocks", "Interval"), dev.hardhat_mine),
    ("setBalance", ("Address", "Balance"), dev.set_balance),
    ("setNonce", ("Address", "Nonce"), dev.set_nonce),
    ("setCode", ("Address", "Code"), dev.set_code),
    ("setStorageAt", ("Address", "Slot", "Value"), dev.set_storage),
    ("impersonateAccount", _ADDRESS, dev.impersonate),
    ("stopImpersonatingAccount", _ADDRESS, dev.stop_impersonating),
    ("setNextBlockBaseFeePerGas", ("BaseFee",), dev.set_next_base_fee),
    ("dropTransaction", ("Transaction hash",), dev.drop_transaction),
    ("reset", ("Options",), dev.reset),
)

PYTHON: dict[str, Method] = {one.name: one for one in _ROWS} | {
    f"{space}_{name}": Method(f"{space}_{name}", params, answer, True)
    for name, params, answer in _TWICE
    for space in ("hardhat", "anvil")
}

DEV_NAMESPACES = ("evm", "hardhat", "anvil", "personal")


def namespace_of(name: str) -> str:
    """What stands before the first underscore or dot."""
    return name.replace(".", "_").split("_", 1)[0]


def nearest_name(name: str) -> str | None:
    """The known method that a caller may have meant."""
    close = difflib.get_close_matches(name[:64], [*NATIVE, *PYTHON], 1, 0.8)
    return close[0] if close else None
