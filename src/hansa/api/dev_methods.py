"""Methods of development nodes: unlocked accounts, time, mining, state, snapshots (evm_, hardhat_, anvil_).

Names and shapes follow Hardhat Network and anvil, so that test-suites written for them run here.
"""

from typing import Any

import msgspec

from hansa._native import sign_recoverable
from hansa.api.calls import Params, encode_json, parse_bytes, parse_quantity, parse_word
from hansa.api.context import Context, DevControl
from hansa.api.errors import InvalidParams, MethodNotFound
from hansa.crypto.suite import keccak256
from hansa.errors import Refused

_ACCOUNT_BYTES = 20


def _dev(context: Context) -> DevControl:
    if context.dev is None:
        raise MethodNotFound("this method exists on `hansa dev` only")
    return context.dev


def _account(params: Params, index: int = 0) -> bytes:
    return parse_bytes(params, index, "Address", _ACCOUNT_BYTES)


# --- unlocked accounts


async def send_transaction(context: Context, params: Params) -> Any:
    """eth_sendTransaction: fill what is missing, sign with an unlocked key, send."""
    dev = _dev(context)
    raw, sender = await _build(context, params)
    if sender is None:
        sent: str = _core(context, "eth_sendRawTransaction", "0x" + raw.hex())
    else:
        sent = "0x" + dev.submit_as(sender, raw).hex()
    context.node.kick()
    return sent


async def _build(context: Context, params: Params) -> tuple[bytes, bytes | None]:
    dev = _dev(context)
    request = params[0] if params else None
    if not isinstance(request, dict):
        raise InvalidParams("invalid argument 0 (Transaction): not an object")
    request = dict(request)
    accounts = dev.accounts()
    sender = parse_bytes([request.get("from")], 0, "from", _ACCOUNT_BYTES) if "from" in request else accounts[0]
    secret = dev.secret(sender)
    if secret is None and not dev.is_impersonated(sender):
        raise Refused(f"unknown account 0x{sender.hex()}", "use one of eth_accounts or impersonate it first")
    request["from"] = "0x" + sender.hex()
    filled = _fill(context, request)
    built = context.node.rpc.build_transaction(encode_json(filled), secret)
    return built, sender if secret is None else None


def _fill(context: Context, request: dict[str, Any]) -> dict[str, Any]:
    """Nonce, gas and fees where the caller left them open."""
    if request.get("nonce") is None:
        request["nonce"] = _core(context, "eth_getTransactionCount", request["from"], "pending")
    request["chainId"] = _core(context, "eth_chainId")
    if request.get("gasPrice") is None and request.get("maxFeePerGas") is None:
        tip = request.get("maxPriorityFeePerGas") or _core(context, "eth_maxPriorityFeePerGas")
        cap = 2 * int(_core(context, "eth_baseFee"), 16) + int(tip, 16)
        request |= {"maxPriorityFeePerGas": tip, "maxFeePerGas": hex(cap)}
    elif request.get("maxFeePerGas") is not None and request.get("maxPriorityFeePerGas") is None:
        tip = min(int(_core(context, "eth_maxPriorityFeePerGas"), 16), int(request["maxFeePerGas"], 16))
        request["maxPriorityFeePerGas"] = hex(tip)
    if request.get("gas") is None:
        request["gas"] = request.pop("gasLimit", None) or _core(context, "eth_estimateGas", request, "pending")
    return request


def _core(context: Context, method: str, *params: Any) -> Any:
    return msgspec.json.decode(context.core(method, *params))


async def sign_message(context: Context, params: Params) -> Any:
    """eth_sign(address, data): EIP-191 signature of an unlocked account."""
    return _sign(context, _account(params), parse_bytes(params, 1, "Message"))


async def personal_sign(context: Context, params: Params) -> Any:
    """personal_sign(data, address)."""
    return _sign(context, _account(params, 1), parse_bytes(params, 0, "Message"))


def _sign(context: Context, account: bytes, message: bytes) -> str:
    digest = keccak256(b"\x19Ethereum Signed Message:\n" + str(len(message)).encode() + message)
    return _sign_digest(context, account, digest)


async def sign_typed_data(context: Context, params: Params) -> Any:
    """eth_signTypedData_v4(address, typed data): EIP-712 signature of an unlocked account."""
    data = params[1] if len(params) > 1 else None
    text = data.encode() if isinstance(data, str) else encode_json(data)
    return _sign_digest(context, _account(params), context.node.rpc.typed_data_digest(text))


def _sign_digest(context: Context, account: bytes, digest: bytes) -> str:
    secret = _dev(context).secret(account)
    if secret is None:
        raise Refused(f"unknown account 0x{account.hex()}", "use one of eth_accounts")
    signature = sign_recoverable(secret, digest)
    return "0x" + signature[:64].hex() + (signature[64] + 27).to_bytes(1).hex()


# --- impersonation


async def impersonate(context: Context, params: Params) -> Any:
    """hardhat_impersonateAccount."""
    _dev(context).impersonate(_account(params))
    return True


async def stop_impersonating(context: Context, params: Params) -> Any:
    """hardhat_stopImpersonatingAccount."""
    _dev(context).stop_impersonating(_account(params))
    return True


async def auto_impersonate(context: Context, params: Params) -> Any:
    """anvil_autoImpersonateAccount."""
    _dev(context).set_auto_impersonate(_flag(params))
    return None


# --- blocks and time


async def evm_mine(context: Context, params: Params) -> Any:
    """evm_mine(timestamp?): one block; anvil's {blocks, timestamp} too."""
    option = params[0] if params else None
    count, timestamp = 1, None
    if isinstance(option, dict):
        count = parse_quantity([option.get("blocks")], 0, "blocks", 1)
        timestamp = option.get("timestamp")
    elif option is not None:
        timestamp = option
    at = None if timestamp is None else parse_quantity([timestamp], 0, "timestamp")
    _dev(context).mine(count, None, at)
    return "0x0"


async def hardhat_mine(context: Context, params: Params) -> Any:
    """hardhat_mine(count?, interval?): many blocks, `interval` seconds apart."""
    count = parse_quantity(params, 0, "blocks", 1)
    interval = parse_quantity(params, 1, "interval") if len(params) > 1 and params[1] is not None else None
    _dev(context).mine(count, interval, None)
    return True


async def set_automine(context: Context, params: Params) -> Any:
    """evm_setAutomine."""
    _dev(context).set_automine(_flag(params))
    return True


async def get_automine(context: Context, params: Params) -> Any:
    """anvil_getAutomine."""
    return _dev(context).is_automine()


async def set_interval_mining(context: Context, params: Params) -> Any:
    """evm_setIntervalMining(milliseconds), as Hardhat counts."""
    _dev(context).set_interval(parse_quantity(params, 0, "milliseconds"))
    return True


async def anvil_set_interval_mining(context: Context, params: Params) -> Any:
    """anvil_setIntervalMining(seconds)."""
    _dev(context).set_interval(parse_quantity(params, 0, "seconds") * 1_000)
    return None


async def increase_time(context: Context, params: Params) -> Any:
    """evm_increaseTime(seconds): the total offset."""
    return _dev(context).increase_time(parse_quantity(params, 0, "seconds"))


async def set_time(context: Context, params: Params) -> Any:
    """evm_setTime(timestamp)."""
    return _dev(context).set_time(parse_quantity(params, 0, "timestamp"))


async def set_next_timestamp(context: Context, params: Params) -> Any:
    """evm_setNextBlockTimestamp(timestamp)."""
    timestamp = parse_quantity(params, 0, "timestamp")
    _dev(context).set_next_timestamp(timestamp)
    return str(timestamp)


async def set_next_base_fee(context: Context, params: Params) -> Any:
    """hardhat_setNextBlockBaseFeePerGas(wei)."""
    _dev(context).set_next_base_fee(parse_quantity(params, 0, "base fee"))
    return True


# --- state


async def set_balance(context: Context, params: Params) -> Any:
    """hardhat_setBalance(address, wei)."""
    _dev(context).set_balance(_account(params), parse_word(params, 1, "balance"))
    return True


async def set_nonce(context: Context, params: Params) -> Any:
    """hardhat_setNonce(address, nonce)."""
    _dev(context).set_nonce(_account(params), parse_quantity(params, 1, "nonce"))
    return True


async def set_code(context: Context, params: Params) -> Any:
    """hardhat_setCode(address, code)."""
    _dev(context).set_code(_account(params), parse_bytes(params, 1, "code"))
    return True


async def set_storage(context: Context, params: Params) -> Any:
    """hardhat_setStorageAt(address, slot, value)."""
    _dev(context).set_storage(_account(params), parse_word(params, 1, "slot"), parse_word(params, 2, "value"))
    return True


async def snapshot(context: Context, params: Params) -> Any:
    """evm_snapshot."""
    return hex(_dev(context).snapshot())


async def revert(context: Context, params: Params) -> Any:
    """evm_revert(id)."""
    return _dev(context).revert(parse_quantity(params, 0, "snapshot"))


async def reset(context: Context, params: Params) -> Any:
    """hardhat_reset: back to genesis; forking is not offered.

    Raises
    ------
    InvalidParams: forking was asked for.
    """
    option = params[0] if params else None
    if isinstance(option, dict) and option.get("forking"):
        raise InvalidParams("forking another chain is not offered", "leave out the forking option")
    _dev(context).reset()
    return True


async def drop_transaction(context: Context, params: Params) -> Any:
    """hardhat_dropTransaction(hash)."""
    return _dev(context).drop_transaction(parse_bytes(params, 0, "Transaction hash", 32))


async def metadata(context: Context, params: Params) -> Any:
    """hardhat_metadata."""
    facts = _dev(context).facts()
    head: tuple[int, bytes, bytes] = context.node.chain.head()
    return {
        "clientVersion": facts["version"],
        "chainId": facts["chainId"],
        "instanceId": facts["instanceId"],
        "latestBlockNumber": head[0],
        "latestBlockHash": "0x" + head[1].hex(),
    }


async def node_info(context: Context, params: Params) -> Any:
    """anvil_nodeInfo."""
    facts = _dev(context).facts()
    block = _core(context, "eth_getBlockByNumber", "latest", False)
    return {
        "currentBlockNumber": block["number"],
        "currentBlockTimestamp": int(block["timestamp"], 16),
        "currentBlockHash": block["hash"],
        "hardFork": facts["hardFork"],
        "transactionOrder": "fifo",
        "environment": {
            "baseFee": _core(context, "eth_baseFee"),
            "chainId": facts["chainId"],
            "gasLimit": block["gasLimit"],
            "gasPrice": _core(context, "eth_gasPrice"),
        },
        "forkConfig": {"forkUrl": None, "forkBlockNumber": None, "forkRetryBackoff": None},
    }


def _flag(params: Params) -> bool:
    if not params or not isinstance(params[0], bool):
        raise InvalidParams("invalid argument 0: not true or false")
    return params[0]
