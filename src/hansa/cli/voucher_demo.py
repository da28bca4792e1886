"""A voucher's life on a running alliance: each organisation signs for itself and talks to its own node."""

import datetime
import time
from dataclasses import dataclass
from typing import Any

from hansa import _native
from hansa.cli.keys import resolve_key
from hansa.cli.network import Network
from hansa.cli.registry import VOUCHER_BOOK, bundled_artefact, register
from hansa.cli.screen import Screen
from hansa.crypto.suite import KeyPair, keccak256
from hansa.sdk.client import Client
from hansa.sdk.contract import (
    Artefact,
    decode_log,
    encode_call,
    encode_deployment,
    event_signatures,
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
        data = encode_call("setRole(address,uint256)", ["0x" + demo.keys[user].address.hex(), str(ROLE_BITS[role])])
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
    holder = "0x" + demo.keys["supplier"].address.hex()
    invoice = "0x" + keccak256(b"invoice 2026-117").hex()
    arguments = [holder, str(FACE), str(int(due.timestamp())), "CNY", invoice]
    token = [0]

    def detail(events: dict[str, Any]) -> str:
        token[0] = int(events["Issued"]["token"])
        return f"core → supplier   {_money(FACE)} due {due.date()}"

    _step(demo, "issue", ("core", "core"), "issue", arguments, detail)
    return token[0]


def _split(demo: _Demo, token: int) -> int:
    child = [0]

    def detail(events: dict[str, Any]) -> str:
        child[0] = int(events["Split"]["child"])
        return f"V-{token} {_money(FACE - PART)}  +  V-{child[0]} {_money(PART)}"

    _step(demo, "split", ("supplier", "supplier"), "split", [str(token), str(PART)], detail)
    return child[0]


def _transfer(demo: _Demo, token: int) -> None:
    arguments = ["0x" + demo.keys[user].address.hex() for user in ("supplier", "tier2")] + [str(token)]
    detail = f"V-{token}  supplier → tier2"
    _step(demo, "transfer", ("supplier", "supplier"), "transferFrom", arguments, lambda _: detail)


def _finance(demo: _Demo, token: int) -> None:
    """The supplier asks, the bank takes: two signatures, shown as one step."""
    discount = round(PART * RATE_PERCENT / 100 * DAYS / 360)
    price = PART - discount
    bank = "0x" + demo.keys["bank"].address.hex()
    began = time.monotonic()
    _send(demo, ("supplier", "supplier"), "offer", [str(token), bank, str(price)])
    payment = "0x" + keccak256(b"payment 2026-4711").hex()
    _send(demo, ("bank", "bank"), "finance", [str(token), str(price), payment])
    detail = f"V-{token}  supplier → bank @ {RATE_PERCENT:.2f} %  paid {_money(price)}"
    demo.screen.step("finance", detail, _figure(demo.height, began))


def _step(demo: _Demo, label: str, who: tuple[str, str], function: str, arguments: list[str], detail: Any) -> None:
    began = time.monotonic()
    receipt = _send(demo, who, function, arguments)
    demo.screen.step(label, detail(_events(demo.artefact, receipt)), _figure(demo.height, began))


def _send(demo: _Demo, who: tuple[str, str], function: str, arguments: list[str]) -> dict[str, Any]:
    """Sign as a user and send through the node of an organisation; both named in `who`."""
    user, organisation = who
    client = demo.clients[organisation]
    _wait_height(client, demo.height)
    signature = function_signature(demo.artefact, function, len(arguments))
    intent = Intent(to=demo.contract, data=encode_call(signature, arguments))
    receipt = send_and_wait(client, sign_intent(client, demo.keys[user], intent))
    _check(receipt)
    demo.height = int(receipt["blockNumber"], 16)
    return receipt


def _wait_height(client: Client, height: int) -> None:
    """What was final at one node may reach another a moment later."""
    deadline = time.monotonic() + PATIENCE_S
    while int(client.call("eth_blockNumber"), 16) < height:
        if time.monotonic() > deadline:
            raise NotConfirmed(f"{client.url} is behind block {height}", "hansa status")
        time.sleep(_POLL_S)


def _check(receipt: dict[str, Any]) -> None:
    from hansa.cli.errors import ReceiptFailed

    if receipt["status"] != "0x1":
        raise ReceiptFailed(f"{receipt['transactionHash']} failed in block {int(receipt['blockNumber'], 16)}")


def _events(artefact: Artefact, receipt: dict[str, Any]) -> dict[str, Any]:
    """The parameters of each event in a receipt, by event name."""
    known = event_signatures(artefact)
    found: dict[str, Any] = {}
    for log in receipt["logs"]:
        topics = [bytes.fromhex(topic[2:]) for topic in log["topics"]]
        if topics and topics[0] in known:
            name, signature = known[topics[0]]
            found[name] = decode_log(signature, topics, bytes.fromhex(log["data"][2:]))
    return found


def _money(amount: int) -> str:
    return f"¥{amount // 100:,}.{amount % 100:02}"


def _figure(height: int, began: float) -> str:
    return f"block {height}  {(time.monotonic() - began) * 1_000:.0f} ms"
