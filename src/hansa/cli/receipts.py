"""Blocks, transactions and receipts as rows for people; the JSON keeps Ethereum's own form."""

import datetime
from typing import Any


def receipt_rows(receipt: dict[str, Any]) -> list[list[str]]:
    """What happened to a transaction."""
    rows = [
        ["transaction", receipt["transactionHash"]],
        ["status", "done" if receipt["status"] == "0x1" else "reverted"],
        ["block", f"{int(receipt['blockNumber'], 16)}  {receipt['blockHash']}"],
        ["from", receipt["from"]],
    ]
    if receipt.get("to"):
        rows.append(["to", receipt["to"]])
    if receipt.get("contractAddress"):
        rows.append(["contract", receipt["contractAddress"]])
    rows.append(["gas used", f"{int(receipt['gasUsed'], 16):,}"])
    rows.append(["logs", str(len(receipt["logs"]))])
    return rows


def transaction_rows(transaction: dict[str, Any], status: dict[str, Any] | None) -> list[list[str]]:
    """What a transaction wants."""
    number = transaction.get("blockNumber")
    data = transaction.get("input", "0x")
    rows = [
        ["transaction", transaction["hash"]],
        ["block", str(int(number, 16)) if number else "not yet"],
        ["from", transaction["from"]],
        ["to", transaction.get("to") or "(creates a contract)"],
        ["value", f"{int(transaction['value'], 16):,}"],
        ["nonce", str(int(transaction["nonce"], 16))],
        ["gas limit", f"{int(transaction['gas'], 16):,}"],
        ["data", data if len(data) <= 74 else f"{data[:74]}… ({len(data) // 2 - 1} bytes)"],
    ]
    if status is not None:
        rows.append(["status", " ".join(str(status[key]) for key in ("status", "reason") if status.get(key))])
    return rows


def block_rows(block: dict[str, Any]) -> list[list[str]]:
    """The facts of a block."""
    seconds = int(block["timestamp"], 16)
    when = datetime.datetime.fromtimestamp(seconds, datetime.UTC).isoformat().replace("+00:00", "Z")
    return [
        ["block", str(int(block["number"], 16))],
        ["hash", block["hash"]],
        ["parent", block["parentHash"]],
        ["time", when],
        ["proposer", block["miner"]],
        ["state root", block["stateRoot"]],
        ["transactions", str(len(block["transactions"]))],
        ["gas used", f"{int(block['gasUsed'], 16):,} of {int(block['gasLimit'], 16):,}"],
    ]
