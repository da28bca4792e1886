"""Preparing, signing and sending transactions, and waiting until they are final."""

import secrets
import time
from typing import Any

import msgspec

from hansa import _native
from hansa.crypto.suite import KeyPair
from hansa.sdk.client import Client
from hansa.sdk.contract import revert_reason
from hansa.sdk.errors import NotConfirmed, Reverted, RpcFailed

GAS_MARGIN = 1.2  # above the estimate, as the state may move before execution
CONFIRM_S = 30.0
PARALLEL_BLOCKS = 1_000  # within the 1,023 of rule 2.7, less what the head may lag
PARALLEL_S = 600
OWN_TYPE = 0x48
_POLL_FIRST_S = 0.02
_POLL_MAX_S = 0.25
_TIMED_OUT = 4  # EIP-7966: sent, but no receipt in time
_NO_METHOD = -32601


class Intent(msgspec.Struct, frozen=True):
    """What a transaction is to do; None is filled in from the node."""

    to: bytes | None  # 20 bytes; None creates a contract
    data: bytes = b""
    value: int = 0  # units of 10^-18 coins
    gas: int | None = None
    nonce: int | None = None
    parallel: bool = False  # type 0x48: a random number in place of the next nonce; needs `to`


class Signed(msgspec.Struct, frozen=True):
    """A transaction ready to be sent."""

    raw: bytes
    hash: bytes  # 32 bytes


def sign_intent(client: Client, key: KeyPair, intent: Intent) -> Signed:
    """Fill in what is missing and sign; three calls in one batch at most.

    Raises
    ------
    Reverted: the contract refuses already now.
    NodeUnreachable, InvalidAnswer, RpcFailed: the node could not be asked.
    """
    call = call_object(intent, key.address)
    sender = "0x" + key.address.hex()
    place = ("eth_blockNumber", []) if intent.parallel else ("eth_getTransactionCount", [sender, "pending"])
    wanted: list[tuple[str, list[Any]]] = [("eth_chainId", []), ("eth_gasPrice", []), place]
    if intent.gas is None:
        wanted.append(("eth_estimateGas", [call]))
    try:
        numbers = [int(answer, 16) for answer in client.batch_all(wanted)]
    except RpcFailed as failure:
        raise explained(failure) from None
    gas = intent.gas if intent.gas is not None else round(numbers[3] * GAS_MARGIN)
    if intent.parallel:
        return sign_parallel(key, intent, chain_id=numbers[0], gas_price=numbers[1], height=numbers[2], gas=gas)
    nonce = intent.nonce if intent.nonce is not None else numbers[2]
    return sign_fields(key, intent, chain_id=numbers[0], gas_price=numbers[1], nonce=nonce, gas=gas)


def sign_fields(key: KeyPair, intent: Intent, *, chain_id: int, gas_price: int, nonce: int, gas: int) -> Signed:
    """Sign with everything given; no node is asked."""
    return _sign(key, intent, gas_price, {"type": 2, "chain_id": chain_id, "nonce": nonce, "gas": gas})


def sign_parallel(key: KeyPair, intent: Intent, *, chain_id: int, gas_price: int, height: int, gas: int) -> Signed:
    """Sign as type 0x48 with a random number, valid for PARALLEL_BLOCKS after `height` and PARALLEL_S from now.

    No node is asked; as many of them as one likes may be on their way at once.
    """
    own = {
        "type": OWN_TYPE,
        "chain_id": chain_id,
        "nonce": intent.nonce if intent.nonce is not None else secrets.randbits(64),
        "block_limit": height + PARALLEL_BLOCKS,
        "expires_at": round(time.time()) + PARALLEL_S,
        "gas": gas,
    }
    return _sign(key, intent, gas_price, own)


def _sign(key: KeyPair, intent: Intent, gas_price: int, place: dict[str, Any]) -> Signed:
    """Sign what `intent` wants, with the fields of its type in `place`."""
    wanted = {"to": intent.to, "value": intent.value, "data": intent.data}
    fees = {"max_fee_per_gas": 2 * gas_price, "max_priority_fee_per_gas": 0}
    raw = _native.sign_transaction(key.secret, {**place, **wanted, **fees})
    return Signed(raw, _native.keccak256(raw))


def send(client: Client, signed: Signed) -> None:
    """Hand a transaction to the node's pool.

    Raises
    ------
    RpcFailed: the node refuses it, and says why.
    """
    client.call("eth_sendRawTransaction", "0x" + signed.raw.hex())


def send_and_wait(client: Client, signed: Signed, timeout_s: float = CONFIRM_S) -> dict[str, Any]:
    """Send, and return the receipt once it is final.

    Raises
    ------
    NotConfirmed: accepted, but not final in time; the hash is in `data`.
    RpcFailed: the node refuses it, and says why.
    """
    try:
        receipt = client.call("eth_sendRawTransactionSync", "0x" + signed.raw.hex(), round(timeout_s * 1_000))
    except RpcFailed as failure:
        number = failure.data.get("rpc_code")
        if number == _TIMED_OUT:
            raise _not_confirmed(signed.hash, timeout_s) from failure
        if number != _NO_METHOD:
            raise explained(failure) from None
        send(client, signed)
        return wait_receipt(client, signed.hash, timeout_s)
    return dict(receipt)


def wait_receipt(client: Client, transaction_hash: bytes, timeout_s: float = CONFIRM_S) -> dict[str, Any]:
    """Return the receipt once there is one.

    Raises
    ------
    NotConfirmed: there is none in time.
    """
    deadline = time.monotonic() + timeout_s
    pause = _POLL_FIRST_S
    while True:
        receipt = client.call("eth_getTransactionReceipt", "0x" + transaction_hash.hex())
        if receipt is not None:
            return dict(receipt)
        if time.monotonic() + pause > deadline:
            raise _not_confirmed(transaction_hash, timeout_s)
        time.sleep(pause)
        pause = min(_POLL_MAX_S, pause * 1.5)


def call_object(intent: Intent, sender: bytes | None = None) -> dict[str, str]:
    """The call as eth_call and eth_estimateGas take it."""
    call = {"data": "0x" + intent.data.hex(), "value": hex(intent.value)}
    if intent.to is not None:
        call["to"] = "0x" + intent.to.hex()
    if sender is not None:
        call["from"] = "0x" + sender.hex()
    return call


def explained(failure: RpcFailed) -> RpcFailed:
    """A revert whose cause is the contract's own word, where its data tells."""
    data = failure.data.get("revert_data")
    if not isinstance(failure, Reverted) or not isinstance(data, str):
        return failure
    try:
        reason = revert_reason(bytes.fromhex(data.removeprefix("0x")))
    except ValueError:
        return failure
    return Reverted(f'reverted: "{reason}"', failure.hint, code=failure.remote_code, **failure.data)


def _not_confirmed(transaction_hash: bytes, timeout_s: float) -> NotConfirmed:
    text = "0x" + transaction_hash.hex()
    return NotConfirmed(f"{text} is not final after {timeout_s:g} s", f"hansa receipt {text} --wait 60", hash=text)
