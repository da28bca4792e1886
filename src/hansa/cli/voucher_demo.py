"""A voucher's life on a running alliance: each organisation signs for itself and talks to its own node."""

import datetime
import time
from dataclasses import dataclass
from typing import Any

from hansa import _native
from hansa.cli.errors import ReceiptFailed
from hansa.cli.keys import resolve_key
from hansa.cli.network import Network
from hansa.cli.registry import VOUCHER_BOOK, bundled_artefact, register
from hansa.cli.screen import Screen
from hansa.crypto.suite import KeyPair, keccak256
from hansa.sdk.client import Client
from hansa.sdk.contract import (
    Artefact,
    decode_events,
    encode_call,
    encode_deployment,
    function_signature,
)
from hansa.sdk.errors import NotConfirmed
from hansa.sdk.signing import Intent, send, send_and_wait, sign_fields, sign_intent, wait_receipt

ROLES = {"core": "ISSUER", "supplier": "HOLDER", "tier2": "HOLDER", "bank": "BANK"}
ROLE_BITS = {"ISSUER": 1, "HOLDER": 2, "BANK": 4}  # the order of `flag Role` in VoucherBook.vy
FACE = 100_000_000  # hundredths of a yuan
PART = 40_000_000
RATE_PERCENT = 3.60  # a year, of 360 days
DAYS = 130
DEPLOY_GAS = 4_000_000
ROLE_GAS = 120_000
PATIENCE_S = 30.0
_POLL_S = 0.005


@dataclass(slots=True)
class _Demo:
    """What the steps share."""

    network: Network
    screen: Screen
    artefact: Artefact
    clients: dict[str, Client]
    keys: dict[str, KeyPair]
    contract: bytes = b""
    height: int = 0  # of the last step: the next signer's node must have come as far


def can_play(network: Network) -> bool:
    """Whether the demo's four organisations and their users are all here."""
    names = {organisation.name for organisation in network.alliance.organisations}
    users = {user for organisation in network.alliance.organisations for user in organisation.users}
    return network.alliance.dev and {"core", "supplier", "bank"} <= names and set(ROLES) <= users


def play_voucher(network: Network, screen: Screen) -> None:
    """Deploy the voucher book, then issue, split, transfer and finance one voucher, showing each step.

    Raises
    ------
    HansaError: whatever a node or the contract answers.
    """
    demo = _Demo(
        network=network,
        screen=screen,
        artefact=bundled_artefact(VOUCHER_BOOK),
        clients={name: network.client_of(name) for name in ("core", "supplier", "bank")},
        keys={user: resolve_key(user, network.folder.root, None, screen) for user in ROLES},
    )
    try:
        _deploy(demo)
        token = _issue(demo)
        child = _split(demo, token)
        _transfer(demo, token)
        _finance(demo, child)
    finally:
        for client in demo.clients.values():
            client.close()


def _deploy(demo: _Demo) -> None:
    """Contract and roles in one go: all are signed ahead, in the order of their nonces."""
    began = time.monotonic()
    client, key = demo.clients["core"], demo.keys["core"]
    sender = "0x" + key.address.hex()
    answers = client.batch_all(
        [("eth_chainId", []), ("eth_gasPrice", []), ("eth_getTransactionCount", [sender, "pending"])]
    )
    chain_id, gas_price, nonce = (int(answer, 16) for answer in answers)
    # The address of a created contract (yellow paper, section 7).
    demo.contract = keccak256(_native.rlp_encode([key.address, nonce]))[12:]
    intents = [(Intent(to=None, data=encode_deployment(demo.artefact, [])), DEPLOY_GAS)]
    for user, role in ROLES.items():
        data = encode_call("setRole(address,uint256)", [_address(demo, user), str(ROLE_BITS[role])])
        intents.append((Intent(to=demo.contract, data=data), ROLE_GAS))
    signed = [
        sign_fields(key, intent, chain_id=chain_id, gas_price=gas_price, nonce=nonce + position, gas=gas)
        for position, (intent, gas) in enumerate(intents)
    ]
    for transaction in signed[:-1]:
        send(client, transaction)
    last = send_and_wait(client, signed[-1])
    created = wait_receipt(client, signed[0].hash)
    _check(created)
    _check(last)
    demo.height = int(last["blockNumber"], 16)
    register(demo.network.folder, VOUCHER_BOOK, demo.contract, VOUCHER_BOOK)
    address = "0x" + demo.contract.hex()
    demo.screen.step("contracts", f"{VOUCHER_BOOK} at {address}", f"{time.monotonic() - began:.1f} s")


def _issue(demo: _Demo) -> int:
    due = datetime.datetime.now(datetime.UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    due += datetime.timedelta(days=DAYS)
    invoice = "0x" + keccak256(b"invoice 2026-117").hex()
    arguments = [_address(demo, "supplier"), str(FACE), str(int(due.timestamp())), "CNY", invoice]
    began = time.monotonic()
    events = _send(demo, "core", "issue", arguments)
    _show(demo, "issue", f"core → supplier   {_money(FACE)} due {due.date()}", began)
    return int(events["Issued"]["token"])


def _split(demo: _Demo, token: int) -> int:
    began = time.monotonic()
    events = _send(demo, "supplier", "split", [str(token), str(PART)])
    child = int(events["Split"]["child"])
    _show(demo, "split", f"V-{token} {_money(FACE - PART)}  +  V-{child} {_money(PART)}", began)
    return child


def _transfer(demo: _Demo, token: int) -> None:
    began = time.monotonic()
    _send(demo, "supplier", "transferFrom", [_address(demo, "supplier"), _address(demo, "tier2"), str(token)])
    _show(demo, "transfer", f"V-{token}  supplier → tier2", began)


def _finance(demo: _Demo, token: int) -> None:
    """The supplier asks, the bank takes: two signatures, shown as one step."""
    price = PART - round(PART * RATE_PERCENT / 100 * DAYS / 360)
    began = time.monotonic()
    _send(demo, "supplier", "offer", [str(token), _address(demo, "bank"), str(price)])
    payment = "0x" + keccak256(b"payment 2026-4711").hex()
    _send(demo, "bank", "finance", [str(token), str(price), payment])
    _show(demo, "finance", f"V-{token}  supplier → bank @ {RATE_PERCENT:.2f} %  paid {_money(price)}", began)


def _send(demo: _Demo, user: str, function: str, arguments: list[str]) -> dict[str, Any]:
    """Sign as a user, send through the node of the organisation of that name; the events by name."""
    client = demo.clients[user]
    _wait_height(client, demo.height)
    signature = function_signature(demo.artefact, function, len(arguments))
    intent = Intent(to=demo.contract, data=encode_call(signature, arguments))
    receipt = send_and_wait(client, sign_intent(client, demo.keys[user], intent))
    _check(receipt)
    demo.height = int(receipt["blockNumber"], 16)
    return decode_events(demo.artefact, receipt["logs"])


def _show(demo: _Demo, label: str, detail: str, began: float) -> None:
    demo.screen.step(label, detail, f"block {demo.height}  {(time.monotonic() - began) * 1_000:.0f} ms")


def _address(demo: _Demo, user: str) -> str:
    return "0x" + demo.keys[user].address.hex()


def _wait_height(client: Client, height: int) -> None:
    """What was final at one node may reach another a moment later."""
    deadline = time.monotonic() + PATIENCE_S
    while int(client.call("eth_blockNumber"), 16) < height:
        if time.monotonic() > deadline:
            raise NotConfirmed(f"{client.url} is behind block {height}", "hansa status")
        time.sleep(_POLL_S)


def _check(receipt: dict[str, Any]) -> None:
    if receipt["status"] != "0x1":
        where = f"block {int(receipt['blockNumber'], 16)}"
        raise ReceiptFailed(
            f"{receipt['transactionHash']} reverted in {where}", f"hansa tx {receipt['transactionHash']}"
        )


def _money(amount: int) -> str:
    return f"¥{amount // 100:,}.{amount % 100:02}"
