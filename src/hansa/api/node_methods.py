"""Methods about the running node: peers, syncing, filters, subscriptions, waiting sends, validators."""

from typing import Any

import msgspec

from hansa.api.calls import Params, encode_json, parse_bytes, parse_quantity
from hansa.api.context import Context
from hansa.api.errors import Busy, CoreRefusal, InvalidParams, NonceGap, SendTimeout
from hansa.api.filters import FilterKind, changes_criteria, encode_criteria
from hansa.api.options import AWAITED_MAX, SEND_SYNC_MS_DEFAULT, SEND_SYNC_MS_MAX
from hansa.api.sending import look_at_each_block
from hansa.types.ports import ValidatorInfo


async def peer_count(context: Context, params: Params) -> Any:
    """net_peerCount."""
    return hex(context.node.status().peers)


async def syncing(context: Context, params: Params) -> Any:
    """eth_syncing: false, or from where to where."""
    status = context.node.status()
    if not status.syncing:
        return False
    current = hex(status.height)
    highest = hex(max(status.height, status.ordered_height))
    return {"startingBlock": current, "currentBlock": current, "highestBlock": highest}


async def accounts(context: Context, params: Params) -> Any:
    """eth_accounts: the keys this node holds for its users, none outside development."""
    return [] if context.dev is None else ["0x" + one.hex() for one in context.dev.accounts()]


async def new_filter(context: Context, params: Params) -> Any:
    """eth_newFilter.

    Raises
    ------
    InvalidParams: the filter is no object. LimitExceeded: it is too large.
    """
    criteria = params[0] if params else None
    if not isinstance(criteria, dict):
        raise InvalidParams("invalid argument 0 (Filter): not an object")
    context.node.rpc.log_events(0, encode_criteria(criteria))  # raises for a malformed one
    head: int = context.node.chain.head()[0]
    return context.filters.install(FilterKind.LOGS, head, criteria)


async def new_block_filter(context: Context, params: Params) -> Any:
    """eth_newBlockFilter."""
    return context.filters.install(FilterKind.BLOCKS, context.node.chain.head()[0])


async def new_pending_filter(context: Context, params: Params) -> Any:
    """eth_newPendingTransactionFilter."""
    return context.filters.install(FilterKind.PENDING, context.node.chain.pending_hashes_since(-1)[0])


async def filter_changes(context: Context, params: Params) -> Any:
    """eth_getFilterChanges: what came since the last look."""
    one = context.filters.get(_filter_id(params))
    if one.kind is FilterKind.PENDING:
        one.cursor, hashes = context.node.chain.pending_hashes_since(one.cursor)
        return ["0x" + hashes[start : start + 32].hex() for start in range(0, len(hashes), 32)]
    head: int = context.node.chain.head()[0]
    if one.kind is FilterKind.LOGS:
        before = one.cursor
        criteria = changes_criteria(one, head)
        if criteria is None:
            return []
        after = one.cursor
        try:
            return await _find_logs(context, msgspec.Raw(criteria))
        except BaseException:
            if one.cursor == after:  # what was not told comes again with the next look
                one.cursor = before
            raise
    first = min(one.cursor, head) + 1
    one.cursor = head
    hashes_of = (context.node.chain.sealed_hash(number) for number in range(max(first, head - 4_095), head + 1))
    return ["0x" + block.hex() for block in hashes_of if block is not None]


async def filter_logs(context: Context, params: Params) -> Any:
    """eth_getFilterLogs: everything the filter matches.

    Raises
    ------
    InvalidParams: the filter is not for logs.
    """
    one = context.filters.get(_filter_id(params))
    if one.kind is not FilterKind.LOGS:
        raise InvalidParams("this filter is not for logs", "poll it with eth_getFilterChanges")
    return await _find_logs(context, one.criteria)


async def _find_logs(context: Context, criteria: Any) -> msgspec.Raw:
    """A range may take long: beside the event loop."""
    return msgspec.Raw(await context.beside(lambda: context.core("eth_getLogs", criteria)))


async def uninstall_filter(context: Context, params: Params) -> Any:
    """eth_uninstallFilter."""
    return context.filters.uninstall(_filter_id(params))


def _filter_id(params: Params) -> str:
    if not params or not isinstance(params[0], str):
        raise InvalidParams("invalid argument 0 (Filter identifier): not a quantity")
    return params[0]


async def subscribe(context: Context, params: Params) -> Any:
    """eth_subscribe, over WebSocket only.

    Raises
    ------
    InvalidParams: asked over HTTP.
    """
    if context.sink is None:
        raise InvalidParams("notifications not supported over HTTP", "connect by WebSocket to the same address")
    kind = params[0] if params else None
    return context.hub.add(context.sink, kind, params[1] if len(params) > 1 else None)


async def unsubscribe(context: Context, params: Params) -> Any:
    """eth_unsubscribe.

    Raises
    ------
    InvalidParams: asked over HTTP, or no subscription named.
    """
    if context.sink is None or not params:
        raise InvalidParams("missing value for required argument 0 (Subscription)")
    return context.hub.remove(context.sink, params[0])


async def send_raw_transaction_sync(context: Context, params: Params) -> Any:
    """eth_sendRawTransactionSync (EIP-7966): the receipt, or error 4 after the timeout, 6 behind a nonce gap.

    Raises
    ------
    InvalidParams: the transaction was refused or dropped meanwhile.
    SendTimeout: it is not final in time.
    Busy: AWAITED_MAX clients wait already.
    """
    parse_bytes(params, 0, "Transaction")
    timeout_ms = min(parse_quantity(params, 1, "Timeout", SEND_SYNC_MS_DEFAULT), SEND_SYNC_MS_MAX)
    if context.gate.awaited >= AWAITED_MAX:
        raise Busy("too many clients wait for receipts", "use eth_sendRawTransaction")
    context.gate.awaited += 1
    try:
        return await _send_and_wait(context, params[0], timeout_ms)
    finally:
        context.gate.awaited -= 1


async def _send_and_wait(context: Context, raw: Any, timeout_ms: int) -> msgspec.Raw:
    call = {"jsonrpc": "2.0", "id": 0, "method": "eth_sendRawTransaction", "params": [raw]}
    text = await context.gate.answer(encode_json(call))
    transaction = _sent_hash(text)
    async for _ in look_at_each_block(context.node, timeout_ms / 1_000):
        receipt = context.core("eth_getTransactionReceipt", transaction)
        if receipt != b"null":
            return msgspec.Raw(receipt)
        status, reason = context.node.chain.status_of(bytes.fromhex(transaction[2:]))
        if status in ("refused", "dropped"):
            raise InvalidParams(f"the transaction was {status}: {reason}")
        _check_gap(context, transaction)
    raise SendTimeout(transaction, timeout_ms)


def _sent_hash(answer: bytes | None) -> str:
    reply: dict[str, Any] = msgspec.json.decode(answer or b"{}")
    if "result" not in reply:
        raise CoreRefusal(encode_json(reply.get("error")))
    return str(reply["result"])


def _check_gap(context: Context, transaction: str) -> None:
    sent = msgspec.json.decode(context.core("eth_getTransactionByHash", transaction))
    if sent is None or sent["blockNumber"] is not None:
        return
    pending = msgspec.json.decode(context.core("eth_getTransactionCount", sent["from"], "pending"))
    if int(pending, 16) < int(sent["nonce"], 16):
        raise NonceGap(pending)


async def validators(context: Context, params: Params) -> Any:
    """hansa_validators: who signs, as this node sees them."""
    return [_validator(one) for one in context.node.validators()]


async def peers(context: Context, params: Params) -> Any:
    """hansa_peers: the other validators and the links to them."""
    own = context.node.status().index
    return [_validator(one) for one in context.node.validators() if one.index != own]


def _validator(one: ValidatorInfo) -> dict[str, Any]:
    return {
        "index": one.index,
        "name": one.name,
        "organisation": one.organisation,
        "publicKey": "0x" + one.public_key.hex(),
        "account": "0x" + one.account.hex(),
        "connected": one.connected,
        "rttMs": one.rtt_ms,
        "clockOffsetMs": one.clock_offset_ms,
        "protocolMax": one.protocol_max,
    }


async def status(context: Context, params: Params) -> Any:
    """hansa_status: one moment of this node."""
    now = context.node.status()
    return {
        "name": now.name,
        "organisation": now.organisation,
        "index": now.index,
        "chainId": hex(now.chain_id),
        "genesisHash": "0x" + now.genesis_hash.hex(),
        "dev": now.dev,
        "version": now.version,
        "protocol": now.protocol,
        "height": now.height,
        "orderedHeight": now.ordered_height,
        "epoch": now.epoch,
        "view": now.view,
        "leader": now.leader,
        "passedOver": now.passed_over,
        "peers": now.peers,
        "poolExecutable": now.pool_executable,
        "poolWaiting": now.pool_waiting,
        "uptimeSeconds": now.uptime_s,
        "syncing": now.syncing,
        "voting": now.voting,
        "paused": now.paused,
        "quarantine": now.quarantine,
        "standby": now.standby,
        "halted": now.halted,
        "checkpoint": {
            "height": now.checkpoint.height,
            "size": now.checkpoint.size,
            "writing": now.checkpoint.writing,
            "written": now.checkpoint.written,
            "tookMs": now.checkpoint.took_ms,
            "heldUpUs": now.checkpoint.held_up_us,
        },
    }


async def stages(context: Context, params: Params) -> Any:
    """hansa_stages: where the processor time of this node went since its start, in microseconds."""
    report = context.node.stages.report()
    return {
        "transactions": report.transactions,
        "processCpuUs": report.process_cpu_us,
        "checkpoints": context.node.status().checkpoint.written,
        "stages": [{"name": one.name, "calls": one.calls, "cpuUs": one.cpu_us} for one in report.stages],
        "loopLag": {"boundsMs": report.loop_lag.bounds_ms, "counts": report.loop_lag.counts},
    }
