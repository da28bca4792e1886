"""Foundry's cast, the binary that npm carries."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from .conftest import Endpoint, Sender

STRANGER = "0x00000000000000000000000000000000000A11cE"


class Cast:
    """Runs cast against the endpoint."""

    def __init__(self, binary: Path, endpoint: Endpoint) -> None:
        self._binary = binary
        self._endpoint = endpoint

    def run(self, *words: str) -> str:
        """Standard output of one command."""
        command = [str(self._binary), *words, "--rpc-url", self._endpoint.url]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def json(self, *words: str) -> Any:
        """The same, as JSON."""
        return json.loads(self.run(*words, "--json"))


@pytest.fixture(scope="module")
def cast(node_modules: Path, endpoint: Endpoint) -> Cast:
    """cast, or a skip where this machine has no build of it."""
    binary = node_modules / "@foundry-rs" / "cast-linux-amd64" / "bin" / "cast"
    if not binary.is_file():
        pytest.skip("npm carries no cast for this machine")
    return Cast(binary, endpoint)


def test_reading(cast: Cast, sender: Sender) -> None:
    assert int(cast.run("chain-id")) == sender.w3.eth.chain_id
    assert int(cast.run("balance", sender.account.address)) == sender.w3.eth.get_balance(sender.account.address)
    assert int(cast.run("block-number")) <= sender.w3.eth.block_number
    block = cast.json("block", "earliest")
    assert int(block["number"], 16) == 0
    assert cast.run("client").startswith("hansa/")
    assert int(cast.run("nonce", sender.account.address)) == sender.w3.eth.get_transaction_count(sender.account.address)


def test_sending_value(cast: Cast, sender: Sender, endpoint: Endpoint) -> None:
    before = sender.w3.eth.get_balance(STRANGER)
    receipt = cast.json("send", STRANGER, "--value", "123", "--private-key", endpoint.key)
    assert int(receipt["status"], 16) == 1
    assert sender.w3.eth.get_balance(STRANGER) == before + 123
    again = cast.json("receipt", receipt["transactionHash"])
    assert again["blockHash"] == receipt["blockHash"]
    assert cast.json("tx", receipt["transactionHash"])["hash"] == receipt["transactionHash"]


def test_contracts(cast: Cast, counter: Any, sender: Sender, endpoint: Endpoint) -> None:
    assert cast.run("call", counter.address, "total()(uint256)") == "7"
    receipt = cast.json("send", counter.address, "add(uint256)", "5", "--private-key", endpoint.key)
    assert cast.run("call", counter.address, "total()(uint256)") == "12"
    logs = cast.json("logs", "--address", counter.address, "--from-block", receipt["blockNumber"])
    assert [one["transactionHash"] for one in logs] == [receipt["transactionHash"]]
    assert int(cast.run("storage", counter.address, "0"), 16) == 12
    assert cast.run("code", counter.address) == sender.w3.eth.get_code(counter.address).to_0x_hex()
    estimate = cast.run("estimate", counter.address, "add(uint256)", "5", "--from", sender.account.address)
    assert int(estimate) > 21_000
    proof = cast.json("proof", counter.address, "0x0")
    assert int(proof["storageProof"][0]["value"], 16) == 12


def test_a_revert_is_shown(cast: Cast, counter: Any) -> None:
    with pytest.raises(AssertionError, match="nothing to add"):
        cast.run("call", counter.address, "add(uint256)", "0")
