"""An alliance founded for one measurement: four organisations, four node processes, a fresh folder."""

import datetime
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from hansa import _native
from hansa.alliance.draft import draft_alliance, encode_alliance
from hansa.alliance.files import write_public
from hansa.alliance.founding import found_organisation, install_nodes, load_parts
from hansa.alliance.genesis import assemble_genesis
from hansa.alliance.layout import AllianceFolder, NodeFolder
from hansa.alliance.model import Alliance, Consensus
from hansa.bench.accounts import RECEIVER_BALANCE, SENDER_BALANCE, Accounts
from hansa.bench.client.http_connection import Endpoint
from hansa.bench.errors import InvalidPlan, NodeFailed
from hansa.bench.workloads.contract import Contract, mapping_slot
from hansa.crypto.suite import KeyPair
from hansa.io.key_file import sign_birth
from hansa.io.vote_log_file import create_vote_log

READY_S_MAX = 120.0
READY_S_PER_ACCOUNT = 1e-4  # more, where genesis makes many: four nodes on two cores that others use as well
STOP_S_MAX = 20.0
CHAIN_ID = 915_001_337  # the same in every run, so that a seed always gives the same bytes
GENESIS_TIME_MS = 1_767_225_600_000  # 2026-01-01, the same in every run
_PORT_FIRST, _PORT_LAST, _PORTS_PER_NODE = 21_000, 32_000, 3
_POLL_S = 0.02


class _Ready(msgspec.Struct, frozen=True):
    """What is read of a node's ready.json."""

    pid: int


@dataclass(slots=True)
class OwnNode:
    """One node of the alliance and its process while it runs."""

    name: str
    folder: NodeFolder
    rpc: Endpoint
    process: subprocess.Popen[bytes] | None = None
    module: str = "hansa.node"  # what runs it
    prefix: tuple[str, ...] = ()  # a command that becomes the node, say inside a network namespace
    environment: dict[str, str] = field(default_factory=dict)  # besides this process's own

    def start(self) -> None:
        """Start the process; its words go to node.log."""
        self.folder.ready.unlink(missing_ok=True)
        with self.folder.log.open("ab") as log:
            command = [*self.prefix, sys.executable, "-m", self.module, str(self.folder.root)]
            environment = os.environ | self.environment
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment)

    def wait_ready(self, deadline_s: float) -> None:
        """Wait until it serves, at most until the monotonic clock shows `deadline_s`.

        Raises
        ------
        NodeFailed: it ended, or is not ready in time.
        """
        assert self.process is not None
        while not self.is_ready():
            if self.process.poll() is not None:
                raise NodeFailed(
                    f"node {self.name} ended while starting: {self._last_words()}", f"see {self.folder.log}"
                )
            if time.monotonic() > deadline_s:
                raise NodeFailed(f"node {self.name} is not ready in time", f"see {self.folder.log}")
            time.sleep(_POLL_S)

    def kill(self) -> None:
        """End the process at once, as a power cut would (the machine's cache survives)."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """Ask the process to end, and end it when it does not."""
        if self.process is None:
            return
        try:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(STOP_S_MAX)
            self.process = None
        except subprocess.TimeoutExpired:
            self.kill()

    def _end(self, number: signal.Signals) -> None:
        if self.process is not None:
            self.process.send_signal(number)
            self.process.wait()
            self.process = None

    def is_ready(self) -> bool:
        """Whether this very process serves."""
        if self.process is None:
            return False
        try:
            return msgspec.json.decode(self.folder.ready.read_bytes(), type=_Ready).pid == self.process.pid
        except (OSError, msgspec.DecodeError):
            return False

    def _last_words(self) -> str:
        lines = self.folder.log.read_text(errors="replace").splitlines() if self.folder.log.exists() else []
        return lines[-1][:400] if lines else "no word"


class OwnAlliance:
    """Founds an alliance in an empty folder and runs its nodes.

    Raises
    ------
    InvalidPlan: no free ports, or a folder in use.
    """

    def __init__(
        self,
        root: Path,
        accounts: Accounts,
        nodes: int = 4,
        consensus: Consensus | None = None,
        contracts: Sequence[Contract] = (),
    ) -> None:
        self.root = root
        self._ready_s_max = READY_S_MAX + len(accounts) * READY_S_PER_ACCOUNT
        names = tuple(f"org{index}" for index in range(nodes))
        port = find_free_ports(nodes * _PORTS_PER_NODE)
        draft = draft_alliance("bench", CHAIN_ID, GENESIS_TIME_MS, True, names, port)
        if consensus is not None:
            draft = msgspec.structs.replace(draft, consensus=consensus)
        alliance = msgspec.structs.replace(draft, dev_accounts=None)
        self.nodes = found_nodes(AllianceFolder(root), alliance, accounts, contracts)

    @property
    def endpoints(self) -> list[Endpoint]:
        return [node.rpc for node in self.nodes]

    def start(self) -> float:
        """Start all nodes and wait until they serve; the seconds it took.

        Raises
        ------
        NodeFailed: one of them does not.
        """
        begin = time.monotonic()
        for node in self.nodes:
            node.start()
        for node in self.nodes:
            node.wait_ready(begin + self._ready_s_max)
        return time.monotonic() - begin

    def stop(self) -> None:
        """Stop all nodes; their data stays."""
        for node in self.nodes:
            if node.process is not None:
                node.process.send_signal(signal.SIGTERM)
        for node in self.nodes:
            node.stop()


def found_nodes(
    folder: AllianceFolder, alliance: Alliance, accounts: Accounts, contracts: Sequence[Contract] = ()
) -> list[OwnNode]:
    """Make every organisation's keys, genesis from their public parts, and all nodes; nothing runs yet.

    Raises
    ------
    InvalidPlan: the folder is in use.
    """
    if folder.description.exists():
        raise InvalidPlan(f"{folder.root} holds an alliance already", "name an empty folder")
    write_public(folder.description, encode_alliance(alliance).encode())
    now = datetime.datetime.now(datetime.UTC)
    keys: dict[str, KeyPair] = {}
    for organisation in alliance.organisations:
        keys |= found_organisation(folder, alliance, organisation.name, [], now).consensus_keys
    genesis = fill_genesis(assemble_genesis(load_parts(folder)), accounts, contracts)
    for organisation in alliance.organisations:
        install_nodes(folder, alliance, b"{}", organisation)
    genesis_hash = _native.genesis_hash(genesis)
    nodes = []
    first: Path | None = None
    for index, (organisation, entry) in enumerate(alliance.nodes()):
        where = folder.node(organisation.name, entry.name)
        if first is None:
            write_public(where.genesis, genesis)
            first = where.genesis
        else:
            where.genesis.unlink()
            os.link(first, where.genesis)  # one copy serves all: it may be 60 MB
        create_vote_log(where.votes, sign_birth(keys[entry.name], genesis_hash, index))
        host, _, port = entry.rpc.rpartition(":")
        nodes.append(OwnNode(entry.name, where, Endpoint(host, int(port))))
    return nodes


def fill_genesis(genesis: bytes, accounts: Accounts, contracts: Sequence[Contract]) -> bytes:
    """Put senders and contracts into a genesis.json one by one, and all other accounts as a range."""
    parsed = json.loads(genesis)
    alloc = parsed["alloc"]
    for address in accounts.senders:
        alloc["0x" + address.hex()] = {"balance": hex(SENDER_BALANCE)}
    holdings = []
    for number, contract in enumerate(contracts):
        address = own_contract_address(number)
        storage = dict(contract.storage)
        for slot, value in contract.holdings.items():
            storage |= {mapping_slot(slot, sender): value for sender in accounts.senders}
            holdings.append({"contract": "0x" + address.hex(), "slot": hex(slot), "value": hex(value)})
        alloc["0x" + address.hex()] = {
            "nonce": "0x1",
            "code": contract.artefact.runtime_bytecode,
            "storage": {hex(slot): hex(value) for slot, value in storage.items()},
        }
    if accounts.others:
        rule = {"label": accounts.label, "count": accounts.others, "balance": hex(RECEIVER_BALANCE)}
        parsed["alloc_ranges"] = [rule | {"holdings": holdings}]
    return json.dumps(parsed, separators=(",", ":"), ensure_ascii=False).encode()


def own_contract_address(number: int) -> bytes:
    """The 20-byte address of the contract that stands in genesis as the `number`-th."""
    return _native.keccak256(b"hansa/bench/contract/%d" % number)[12:]


def find_free_ports(count: int, lowest: int = _PORT_FIRST) -> int:
    """The first of `count` consecutive loopback ports from `lowest` on that nobody listens on.

    Raises
    ------
    InvalidPlan: there are none.
    """
    for first in range(lowest, _PORT_LAST, count):
        if all(_is_free(first + offset) for offset in range(count)):
            return first
    raise InvalidPlan(f"no {count} consecutive free ports from {lowest} to {_PORT_LAST}", "stop other alliances")


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
