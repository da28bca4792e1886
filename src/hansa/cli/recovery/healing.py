"""Checking a stopped node's folder, and healing it from the other nodes."""

import time
from dataclasses import dataclass
from pathlib import Path

from hansa import _native
from hansa.alliance.files import read_public
from hansa.alliance.founding import load_alliance, resolve_folder
from hansa.alliance.layout import NodeFolder
from hansa.cli.errors import LedgerBroken, LedgerUnreadable, NotReady, StillRunning
from hansa.cli.network import read_token
from hansa.cli.processes import (
    ProcessRecord,
    read_ready,
    running_process,
    start_node,
    started_at,
    stop_nodes,
    wait_ready,
)
from hansa.cli.screen import Screen
from hansa.cli.setup import genesis_hash_of
from hansa.consensus.errors import ForeignVoteLog, LostVoteLog
from hansa.io.key_file import is_birth_signed
from hansa.io.vote_log_file import examine_vote_log
from hansa.node.config import NodeConfig, load_node_config
from hansa.node.epochs.facts import read_known
from hansa.node.errors import InvalidNodeConfig
from hansa.node.genesis import decode_genesis
from hansa.sdk.client import Client
from hansa.sdk.errors import NodeUnreachable, RpcFailed

_POLL_S = 0.1
_STILL_BROKEN = "keep the folder and report it"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that does not hold."""

    file: str  # relative to the node's data folder
    offset: int | None  # bytes from the start of the file; None where none applies
    what: str  # with the block, where it is one

    def __str__(self) -> str:
        where = self.file if self.offset is None else f"{self.file} at byte {self.offset}"
        return f"{where}: {self.what}"

    def as_json(self) -> dict[str, object]:
        """The finding as data."""
        return {"file": self.file, "offset": self.offset, "what": self.what}


def open_node_folder(directory: Path) -> NodeFolder:
    """The folder of a node.

    Raises
    ------
    InvalidNodeConfig: it holds no node.toml, or one that does not hold.
    """
    folder = NodeFolder(directory)
    load_node_config(folder)
    return folder


def check_stopped(folder: NodeFolder) -> None:
    """Check that no process works on the folder.

    Raises
    ------
    StillRunning: one does.
    """
    ready = read_ready(folder)
    process = running_process(folder)
    pid = ready.pid if ready else process.pid if process else None
    if pid is not None:
        raise StillRunning(f"the node of {folder.root} runs (process {pid})", "stop it first: hansa down")


def find_damage(folder: NodeFolder) -> list[Finding]:
    """Everything in a stopped node's data that does not hold: ledger, then votes.

    Raises
    ------
    NoAlliance: genesis.json is missing.
    InvalidNodeConfig: node.toml or genesis.json does not hold.
    LedgerUnreadable: there is no ledger, or it cannot be examined at all.
    """
    genesis = read_public(folder.genesis)
    config = load_node_config(folder)
    data = folder.root / config.data
    try:
        found = _native.verify_ledger(str(data), genesis)
    except _native.NativeError as error:
        raise unreadable(error) from None
    ledger = [Finding(file, offset, what) for file, offset, what in found]
    return ledger + vote_damage(folder, genesis, config)


def vote_damage(folder: NodeFolder, genesis: bytes, config: NodeConfig) -> list[Finding]:
    """Everything in a stopped node's vote log that does not hold; nothing where a signer keeps it.

    Raises
    ------
    InvalidNodeConfig: neither genesis nor, if it joined later, members.json knows the node.
    """
    if config.signer is not None:
        return []
    data = folder.root / config.data
    known = read_known(folder) or decode_genesis(genesis).epoch()
    if config.index >= len(known.nodes):
        raise InvalidNodeConfig(
            f"node.toml: index {config.index}, and {len(known.nodes)} nodes are known here",
            "a node that joined later has members.json: restore it from your backup",
        )
    public = known.nodes[config.index].public_key
    try:
        found = examine_vote_log(
            data / "votes", genesis_hash_of(genesis), config.index, lambda birth: is_birth_signed(birth, public)
        )
    except (LostVoteLog, ForeignVoteLog) as error:
        return [Finding("votes", None, error.cause)]
    return [Finding(str(path.relative_to(data)), None, what) for path, what in found]


def unreadable(error: _native.NativeError) -> LedgerUnreadable:
    """What the native core found of a ledger, as an error of the command line."""
    code, message, hint = error.args
    return LedgerUnreadable(message, hint, native_code=code)


def repair_node(screen: Screen, directory: Path, yes: bool, timeout_s: float) -> None:
    """Put aside what does not hold, let the node fetch what is missing from the others, stop it, and verify again.

    The vote log stays where it is: each vote stands there twice, and the node mends one copy from the other when it
    opens the log. Where both are gone it puts the log aside itself and goes into quarantine, out of which it comes
    again while it runs.

    Raises
    ------
    StillRunning: the node runs.
    NotReady: the other nodes did not bring it up to their height in time.
    LedgerBroken: something still does not hold.
    """
    folder = open_node_folder(directory)
    check_stopped(folder)
    findings = find_damage(folder)
    if not findings:
        screen.step("sound", f"{directory}: nothing to repair")
        screen.data({"directory": str(directory), "repaired": []}, "")
        return
    for finding in findings:
        screen.say(f"  {finding}")
    config = load_node_config(folder)
    data = folder.root / config.data
    screen.say(f"  What does not hold goes to {data / 'quarantine'}. Then the node starts, fetches the missing blocks")
    screen.say("  with their certificates from the other nodes, stops, and everything is checked again.")
    if not yes and not screen.confirm("repair it?"):
        return
    began = time.monotonic()
    try:
        _, moved, kept = _native.repair_folder(str(data), read_public(folder.genesis))
    except _native.NativeError as error:
        raise unreadable(error) from None
    screen.step("put aside", ", ".join(moved) or "nothing", f"block {kept} holds")
    height = _catch_up(folder, config, began + timeout_s)
    left = find_damage(folder)
    if left:
        facts = [finding.as_json() for finding in left]
        raise LedgerBroken(f"{len(left)} things still do not hold in {directory}", _STILL_BROKEN, findings=facts)
    screen.step("repaired", f"{directory} at block {height}", f"{time.monotonic() - began:.1f} s")
    screen.say(f"  It is stopped. Next: hansa up {config.name}")
    repaired = [finding.as_json() for finding in findings]
    screen.data({"directory": str(directory), "repaired": repaired, "moved": moved, "height": height}, "")


def _catch_up(folder: NodeFolder, config: NodeConfig, deadline: float) -> int:
    """Run the node until it stands where the others stand, and stop it again; the height reached."""
    wanted = _height_of_others(folder, config)
    process = start_node(folder)
    try:
        wait_ready(folder, config.name, process, deadline)
        with Client(f"http://{config.rpc_listen}", token=read_token(folder)) as client:
            return _wait_caught_up(client, wanted, process, deadline)
    finally:
        stop_nodes({config.name: process})
        folder.pid.unlink(missing_ok=True)


def _wait_caught_up(client: Client, wanted: int, process: ProcessRecord, deadline: float) -> int:
    while True:
        status = client.call("hansa_status")
        height = int(status["height"])
        if status["peers"] > 0 and not status["syncing"] and height >= wanted:
            return height
        if started_at(process.pid) != process.started or time.monotonic() > deadline:
            raise NotReady(
                f"the node stands at block {height} of {wanted} with {status['peers']} peers",
                "start the other nodes (hansa up), then repair again",
            )
        time.sleep(_POLL_S)


def _height_of_others(folder: NodeFolder, config: NodeConfig) -> int:
    """The highest block of those other nodes whose RPC this machine may ask; 0 when none answers."""
    alliance = load_alliance(resolve_folder(folder.root))
    heights = [0]
    for _, node in alliance.nodes():
        if node.name != config.name:
            try:
                with Client(f"http://{node.rpc}", timeout_s=2) as client:
                    heights.append(int(client.call("eth_blockNumber"), 16))
            except (NodeUnreachable, RpcFailed):
                continue
    return max(heights)
