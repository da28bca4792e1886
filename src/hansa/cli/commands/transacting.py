"""`hansa send`, `hansa call`, `hansa deploy`: transactions and calls in words."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hansa.cli.options import As, Folder, PasswordFile, Rpc, Wait, screen_of

if TYPE_CHECKING:
    from hansa.sdk.contract import Artefact
    from hansa.sdk.signing import Intent

Target = Annotated[str, typer.Argument(help="Address, user, or Contract.function.")]
Words = Annotated[
    list[str] | None,
    typer.Argument(help="'function(types)' and its arguments; only the arguments for Contract.function."),
]
Value = Annotated[str, typer.Option("--value", help="Coins to send along: 1000, 5gwei, 1.5ether.")]
Gas = Annotated[int | None, typer.Option("--gas", help="Gas limit; estimated otherwise.", show_default=False)]
Nonce = Annotated[int | None, typer.Option("--nonce", help="Nonce; the next one otherwise.", show_default=False)]


@dataclass(frozen=True, slots=True)
class _Who:
    """Who signs, with which password, through which node; all as typed."""

    sender: str | None
    folder: Path | None
    password_file: Path | None
    rpc: str | None


def send(
    context: typer.Context,
    target: Target,
    words: Words = None,
    value: Value = "0",
    sender: As = None,
    gas: Gas = None,
    nonce: Nonce = None,
    data: Annotated[str, typer.Option("--data", help="Raw call data in hex.")] = "0x",
    parallel: Annotated[
        bool, typer.Option("--parallel", help="Take a random number (type 0x48): it waits for no other transaction.")
    ] = False,
    wait: Wait = 30.0,
    rpc: Rpc = None,
    folder: Folder = None,
    password_file: PasswordFile = None,
) -> None:
    """Sign and send a transaction, and wait for it."""
    from hansa.cli.words import parse_amount, parse_data
    from hansa.sdk.signing import Intent

    to, call_data, _ = _target(target, words or [], folder, parse_data(data))
    intent = Intent(to, call_data, parse_amount(value), gas, nonce, parallel)
    _submit(context, intent, _Who(sender, folder, password_file, rpc), wait)


def call(
    context: typer.Context,
    target: Target,
    words: Words = None,
    sender: Annotated[str | None, typer.Option("--from", help="Address that asks.", show_default=False)] = None,
    block: Annotated[str, typer.Option("--block", help="Number, hash or tag.")] = "latest",
    value: Value = "0",
    rpc: Rpc = None,
    folder: Folder = None,
) -> None:
    """Ask a contract without a transaction."""
    from hansa.cli.network import open_client
    from hansa.cli.words import parse_address, parse_amount, parse_block
    from hansa.sdk.contract import decode_output
    from hansa.sdk.errors import RpcFailed
    from hansa.sdk.signing import Intent, call_object, explained

    to, data, signature = _target(target, words or [], folder, b"")
    intent = Intent(to=to, data=data, value=parse_amount(value))
    request = call_object(intent, parse_address(sender) if sender else None)
    tag, is_hash = parse_block(block)
    client = open_client(rpc, folder)
    try:
        answer = client.call("eth_call", request, {"blockHash": tag} if is_hash else tag)
    except RpcFailed as failure:
        raise explained(failure) from None
    screen = screen_of(context)
    if not _has_outputs(signature):
        screen.data(answer, answer)
        return
    values = decode_output(signature, bytes.fromhex(answer[2:]))
    screen.data(values, "\n".join(_plain(value) for value in values))


def deploy(
    context: typer.Context,
    source: Annotated[str, typer.Argument(help="Compiled contract (JSON with abi and bytecode), or VoucherBook.")],
    arguments: Annotated[list[str] | None, typer.Argument(help="Arguments of its constructor.")] = None,
    name: Annotated[
        str | None, typer.Option("--name", help="Call it NAME.function from now on.", show_default=False)
    ] = None,
    sender: As = None,
    gas: Gas = None,
    wait: Wait = 30.0,
    rpc: Rpc = None,
    folder: Folder = None,
    password_file: PasswordFile = None,
) -> None:
    """Deploy a compiled contract."""
    from hansa.cli.network import choose_contracts_folder
    from hansa.cli.registry import read_artefact, register
    from hansa.cli.words import parse_address
    from hansa.sdk.contract import encode_deployment
    from hansa.sdk.signing import Intent

    artefact, origin = read_artefact(source)
    intent = Intent(to=None, data=encode_deployment(artefact, arguments or []), gas=gas)
    receipt = _submit(context, intent, _Who(sender, folder, password_file, rpc), wait, artefact)
    where = choose_contracts_folder(folder)
    if receipt is not None and (name is not None or where.description.exists()):
        register(where, name or artefact.name, parse_address(receipt["contractAddress"]), origin)


def _target(target: str, words: list[str], folder: Path | None, data: bytes) -> tuple[bytes, bytes, str]:
    """Address, call data and signature with outputs ("" for none)."""
    from hansa.cli.keys import resolve_address
    from hansa.cli.network import choose_contracts_folder
    from hansa.cli.registry import find_contract, split_named_call
    from hansa.sdk.contract import encode_call, function_signature

    named = split_named_call(target)
    if named is not None:
        address, artefact = find_contract(choose_contracts_folder(folder), named[0])
        signature = function_signature(artefact, named[1], len(words))
        return address, encode_call(signature, words), signature
    to = resolve_address(target, folder)
    if not words:
        return to, data, ""
    return to, encode_call(words[0], words[1:]), words[0].replace(" ", "")


def _has_outputs(signature: str) -> bool:
    """Whether `f(types)(outputs)` says how to read an answer; tuples among the arguments do not count."""
    depth, groups = 0, 0
    for letter in signature:
        depth += {"(": 1, ")": -1}.get(letter, 0)
        groups += letter == ")" and depth == 0
    return groups == 2 and not signature.endswith("()")


def _submit(
    context: typer.Context,
    intent: "Intent",
    who: _Who,
    wait: float,
    artefact: "Artefact | None" = None,
) -> dict[str, Any] | None:
    """Sign, send and show; the receipt, or None when there was no waiting."""
    import time

    from hansa.cli.errors import ReceiptFailed
    from hansa.cli.keys import resolve_key
    from hansa.cli.network import open_client
    from hansa.cli.receipts import receipt_rows
    from hansa.cli.screen import table
    from hansa.sdk.signing import send as send_signed
    from hansa.sdk.signing import send_and_wait, sign_intent

    screen = screen_of(context)
    key = resolve_key(who.sender, who.folder, who.password_file, screen)
    client = open_client(who.rpc, who.folder)
    signed = sign_intent(client, key, intent)
    transaction = "0x" + signed.hash.hex()
    if wait <= 0:
        send_signed(client, signed)
        screen.data({"transactionHash": transaction}, transaction)
        return None
    began = time.monotonic()
    receipt = send_and_wait(client, signed, wait)
    milliseconds = (time.monotonic() - began) * 1_000
    height = int(receipt["blockNumber"], 16)
    if receipt["status"] != "0x1":
        raise ReceiptFailed(f"reverted in block {height}", f"hansa tx {transaction}", hash=transaction)
    what = f"{artefact.name} at {receipt['contractAddress']}" if artefact else transaction
    screen.step("deployed" if artefact else "final", what, f"block {height}  {milliseconds:.0f} ms")
    screen.data(receipt, table(receipt_rows(receipt)))
    return receipt


def _plain(value: Any) -> str:
    import json

    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
