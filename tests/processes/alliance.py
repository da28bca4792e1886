"""A development alliance of real node processes on loopback, for tests."""

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from hansa import _native
from hansa.alliance.layout import AllianceFolder, NodeFolder
from hansa.alliance.model import Alliance
from hansa.cli.setup import describe_alliance, found_alliance
from hansa.crypto.derivation import derive_key_pairs
from hansa.crypto.suite import KeyPair, generate_key_pair
from tests.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]
DEADLINE_S = 60.0
RPC_TIMEOUT_S = 20.0
RECEIPTS_AT_ONCE = 250
GWEI = 10**9


class RpcFailed(Exception):
    """A node answered with an error object."""


@dataclass
class Node:
    """One node's folder and, while it runs, its process."""

    folder: NodeFolder
    name: str
    process: subprocess.Popen[bytes] | None = None
    module: str = "hansa.node"  # what runs it

    def start(self) -> None:
        """Start the process; returns at once."""
        environment = os.environ | {"PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
        with self.folder.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", self.module, str(self.folder.root)], stdout=log, stderr=log, env=environment
            )

    def wait_ready(self) -> None:
        """Wait until it serves."""
        process = self.process
        assert process is not None

        def ready() -> bool:
            assert process.poll() is None, f"{self.name} ended: {self.words()}"
            return self.ready_record().get("pid") == process.pid

        wait_until(ready, DEADLINE_S, f"{self.name} ready")

    def ready_record(self) -> dict[str, Any]:
        """What the node says about itself, empty while it does not serve."""
        try:
            return dict(json.loads(self.folder.ready.read_bytes()))
        except FileNotFoundError:
            return {}

    def kill(self) -> None:
        """kill -9."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self) -> int:
        """SIGTERM; returns the exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(DEADLINE_S)

    @property
    def is_running(self) -> bool:
        """Whether the process lives."""
        return self.process is not None and self.process.poll() is None

    def words(self) -> list[dict[str, Any]]:
        """The last lines of its log."""
        lines = self.folder.log.read_text().splitlines()[-5:]
        return [json.loads(line) if line.startswith("{") else {"what": line} for line in lines]

    def rpc(self, method: str, *params: Any) -> Any:
        """Call a JSON-RPC method.

        Raises
        ------
        RpcFailed: an error object. OSError: not reachable.
        """
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
        answer = self.post(body)
        if "error" in answer:
            raise RpcFailed(answer["error"])
        return answer["result"]

    def post(self, body: bytes) -> Any:
        """Send a JSON-RPC body and decode the answer."""
        url = "http://" + self.ready_record().get("rpc", "127.0.0.1:1")
        request = urllib.request.Request(url, body, {"content-type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=RPC_TIMEOUT_S) as response:
                return json.loads(response.read())
        except urllib.error.HTTPError as error:
            raise OSError(f"HTTP {error.code}") from error

    def height(self) -> int:
        """The latest sealed height."""
        return int(self.rpc("eth_blockNumber"), 16)

    def block(self, height: int) -> dict[str, Any]:
        """A block by number."""
        return dict(self.rpc("eth_getBlockByNumber", hex(height), False))


@dataclass
class RunningAlliance:
    """Node processes, accounts with money, and what was sent."""

    nodes: list[Node]
    alliance: Alliance
    accounts: list[KeyPair]
    nonces: dict[bytes, int] = field(default_factory=dict)

    def start(self) -> None:
        """Start every node that does not run and wait until all serve."""
        idle = [node for node in self.nodes if not node.is_running]
        for node in idle:
            node.start()
        for node in idle:
            node.wait_ready()

    def close(self) -> None:
        """End every process."""
        for node in self.nodes:
            if node.is_running:
                node.kill()

    def take_fresh_accounts(self) -> None:
        """Send from accounts that nobody used before; they own nothing and need nothing."""
        self.accounts = [generate_key_pair() for _ in self.accounts]

    def sign_transfer(self, sender: int, recipient: bytes, value: int = 0, data: bytes = b"") -> tuple[str, str]:
        """A signed transfer with the account's next nonce: (raw, hash), both 0x hex."""
        pair = self.accounts[sender]
        nonce = self.nonces.get(pair.address, 0)
        self.nonces[pair.address] = nonce + 1
        fields: dict[str, object] = {
            "chain_id": self.alliance.chain_id, "nonce": nonce, "gas": 21_000 + 12 * len(data), "gas_price": 0,
            "to": recipient, "value": value, "data": data,
        }  # fmt: skip
        raw = _native.sign_transaction(pair.secret, fields)
        return "0x" + raw.hex(), "0x" + _native.keccak256(raw).hex()

    def send(self, node: Node, count: int) -> list[str]:
        """Send transfers from all accounts in turn to `node` in one batch; returns the hashes."""
        signed = [self.sign_transfer(i % len(self.accounts), secrets.token_bytes(20)) for i in range(count)]
        calls = [
            {"jsonrpc": "2.0", "id": i, "method": "eth_sendRawTransaction", "params": [raw]}
            for i, (raw, _) in enumerate(signed)
        ]
        answers = node.post(json.dumps(calls).encode())
        refused = [answer["error"] for answer in answers if "error" in answer]
        assert not refused, refused[:3]
        return [transaction for _, transaction in signed]

    def wait_final(self, node: Node, hashes: list[str], deadline_s: float = DEADLINE_S) -> None:
        """Wait until every transaction has a receipt at `node`."""
        waiting = list(hashes)

        def done() -> bool:
            while waiting:
                portion = waiting[-RECEIPTS_AT_ONCE:]
                found = self.final_ones(node, portion)
                if len(found) < len(portion):
                    return False
                del waiting[-RECEIPTS_AT_ONCE:]
            return True

        wait_until(done, deadline_s, f"receipts at {node.name}")

    def final_ones(self, node: Node, hashes: list[str]) -> list[str]:
        """Those of `hashes` that have a receipt at `node`."""
        found: list[str] = []
        for start in range(0, len(hashes), RECEIPTS_AT_ONCE):
            portion = hashes[start : start + RECEIPTS_AT_ONCE]
            calls = [
                {"jsonrpc": "2.0", "id": i, "method": "eth_getTransactionReceipt", "params": [transaction]}
                for i, transaction in enumerate(portion)
            ]
            answers = node.post(json.dumps(calls).encode())
            found += [portion[answer["id"]] for answer in answers if answer.get("result") is not None]
        return found

    def wait_height(self, node: Node, height: int) -> None:
        """Wait until a node sealed `height`."""
        wait_until(lambda: node.height() >= height, DEADLINE_S, f"height {height} at {node.name}")

    def check_agreement(self) -> int:
        """All running nodes hold the same blocks up to the lowest head; returns that height."""
        running = [node for node in self.nodes if node.is_running]
        lowest = min(node.height() for node in running)
        for height in range(lowest + 1):
            blocks = {(b["hash"], b["stateRoot"]) for b in (node.block(height) for node in running)}
            assert len(blocks) == 1, f"the nodes disagree at height {height}: {blocks}"
        return lowest

    def leader(self) -> Node:
        """The node that leads now, by what a majority says."""
        said = [node.rpc("hansa_status")["leader"] for node in self.nodes if node.is_running]
        return self.nodes[max(set(said), key=said.count)]


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(s.getsockname()[1]) for s in sockets]
    for s in sockets:
        s.close()
    return ports


def found(root: Path, name: str = "test", **consensus: int) -> RunningAlliance:
    """Found the four-organisation development alliance in `root`; nothing runs yet.

    Parameters
    ----------
    consensus: settings that differ from the draft.
    """
    drafted = describe_alliance(name, None, dev=True)
    ports = iter(free_ports(3 * len(drafted.nodes())))
    organisations = tuple(
        msgspec.structs.replace(organisation, nodes=tuple(_with_ports(node, ports) for node in organisation.nodes))
        for organisation in drafted.organisations
    )
    settings = msgspec.structs.replace(drafted.consensus, **consensus)
    alliance = msgspec.structs.replace(drafted, organisations=organisations, consensus=settings)
    folder = AllianceFolder(root)
    found_alliance(folder, alliance)
    assert alliance.dev_accounts is not None
    accounts = derive_key_pairs(alliance.dev_accounts.mnemonic, alliance.dev_accounts.count)
    nodes = [Node(folder.node(organisation.name, node.name), node.name) for organisation, node in alliance.nodes()]
    return RunningAlliance(nodes, alliance, accounts)


def _with_ports(node: Any, ports: Any) -> Any:
    listen, rpc, ws = (f"127.0.0.1:{next(ports)}" for _ in range(3))
    return msgspec.structs.replace(node, listen=listen, rpc=rpc, ws=ws)


class Load:
    """Sends transfers until told to stop, remembering what was accepted; never waits for receipts."""

    def __init__(self, alliance: RunningAlliance, portion: int = 50) -> None:
        self.alliance = alliance
        self.portion = portion
        self.sent: list[str] = []

    def burst(self, node: Node, seconds: float) -> None:
        """Send portions to one node for a while."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.sent += self.alliance.send(node, self.portion)
