"""The endpoints that stock clients speak to: `hansa dev` and an alliance of four, or any node with HANSA_RPC_URL.

HANSA_RPC_URL      HTTP address of a node; WebSocket is taken from the same address unless HANSA_WS_URL says otherwise
HANSA_FUNDED_KEY   private key of an account with some coins there; the first well-known development key by default
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from eth_account.signers.local import LocalAccount
from web3 import HTTPProvider, Web3
from web3.types import TxReceipt

from tests.processes.alliance import found

FOLDER = Path(__file__).resolve().parent
ROOT = FOLDER.parent.parent
DEV_KEY = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"
RECEIPT_SECONDS_MAX = 30
START = (
    "from hansa.node.dev import DevOptions, run_dev; "
    "run_dev(DevOptions(port=0), lambda node, port: print(port, flush=True))"
)


@dataclass(frozen=True)
class Endpoint:
    """Where a node answers, and who pays there."""

    url: str
    ws_url: str
    key: str


@pytest.fixture(scope="session", params=["dev", "alliance"])
def endpoint(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    """The node under test: a development chain, then the last node of a running alliance of four."""
    key = os.environ.get("HANSA_FUNDED_KEY", DEV_KEY)
    url = os.environ.get("HANSA_RPC_URL")
    if url:
        if request.param == "dev":
            pytest.skip("HANSA_RPC_URL names the node to test")
        yield Endpoint(url, os.environ.get("HANSA_WS_URL", "ws" + url.removeprefix("http")), key)
    elif request.param == "dev":
        yield from _development_chain(key)
    else:
        alliance = found(tmp_path_factory.mktemp("alliance"))
        try:
            alliance.start()
            address = alliance.nodes[-1].ready_record()["rpc"]
            yield Endpoint(f"http://{address}", f"ws://{address}", key)
        finally:
            alliance.close()


def _development_chain(key: str) -> Iterator[Endpoint]:
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    with subprocess.Popen([sys.executable, "-c", START], stdout=subprocess.PIPE, text=True, env=environment) as node:
        assert node.stdout is not None
        port = node.stdout.readline().strip()
        assert port, "hansa dev did not start"
        yield Endpoint(f"http://127.0.0.1:{port}", f"ws://127.0.0.1:{port}", key)
        node.terminate()
        assert node.wait(10) == 0


@pytest.fixture(scope="session")
def w3(endpoint: Endpoint) -> Web3:
    """web3.py over HTTP."""
    return Web3(HTTPProvider(endpoint.url))


@pytest.fixture(scope="session")
def is_dev(w3: Web3) -> bool:
    """Whether the development helpers are there."""
    return "error" not in w3.provider.make_request("hardhat_metadata", [])  # type: ignore[arg-type]


@pytest.fixture
def dev_only(is_dev: bool) -> None:
    """Skips where there are no development helpers."""
    if not is_dev:
        pytest.skip("this node is not `hansa dev`")


@pytest.fixture(scope="session")
def funded(endpoint: Endpoint) -> LocalAccount:
    """The account that pays."""
    account: LocalAccount = Account.from_key(endpoint.key)
    return account


class Sender:
    """Signs and sends for one account, and waits."""

    def __init__(self, w3: Web3, account: LocalAccount) -> None:
        self.w3 = w3
        self.account = account

    def fill(self, transaction: dict[str, Any]) -> dict[str, Any]:
        """Chain id, nonce, fees and gas where they are missing."""
        filled = {"chainId": self.w3.eth.chain_id, **transaction}
        filled.setdefault("nonce", self.w3.eth.get_transaction_count(self.account.address, "pending"))
        if "gasPrice" not in filled and "maxFeePerGas" not in filled:
            tip = self.w3.eth.max_priority_fee
            base_fee = self.w3.eth.get_block("latest")["baseFeePerGas"]
            filled |= {"maxPriorityFeePerGas": tip, "maxFeePerGas": 2 * base_fee + tip}
        if "gas" not in filled:
            filled["gas"] = self.w3.eth.estimate_gas({**filled, "from": self.account.address})  # type: ignore[typeddict-item]
        return filled

    def send(self, transaction: dict[str, Any]) -> TxReceipt:
        """Sign, send, wait for the receipt."""
        signed = self.account.sign_transaction(self.fill(transaction))
        sent = self.w3.eth.send_raw_transaction(signed.raw_transaction)
        return self.w3.eth.wait_for_transaction_receipt(sent, RECEIPT_SECONDS_MAX, 0.02)


@pytest.fixture
def sender(w3: Web3, funded: LocalAccount) -> Sender:
    """Signs with the funded account's key, in this process."""
    return Sender(w3, funded)


@pytest.fixture(scope="session")
def artefact() -> dict[str, Any]:
    """The Counter contract's ABI and creation code."""
    found: dict[str, Any] = json.loads((FOLDER / "contracts" / "Counter.json").read_text())
    return found


@pytest.fixture
def counter(w3: Web3, sender: Sender, artefact: dict[str, Any]) -> Any:
    """A Counter that starts at 7."""
    factory = w3.eth.contract(abi=artefact["abi"], bytecode=artefact["bytecode"])
    receipt = sender.send({"data": factory.constructor(7).data_in_transaction, "value": 0})
    assert receipt["status"] == 1
    return w3.eth.contract(receipt["contractAddress"], abi=artefact["abi"])


@pytest.fixture(scope="session")
def node_modules() -> Path:
    """The JavaScript clients, installed from the lock file; skipped where Node.js is absent."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("Node.js is not on this machine: its client tests are skipped")
    modules = FOLDER / "node_modules"
    stamp = modules / ".package-lock.json"
    if not stamp.is_file() or stamp.stat().st_mtime < (FOLDER / "package-lock.json").stat().st_mtime:
        command = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
        done = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, timeout=600, check=False)
        if done.returncode != 0:
            pytest.skip(f"npm ci failed, so the Node.js client tests are skipped: {done.stderr.strip()[-200:]}")
    return modules
