"""Starting, finding and stopping node processes; a process is only ever touched when it is certainly ours.

A process id alone is no proof, since the system gives it out again: its start time must fit too.
"""

import errno
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import msgspec

from hansa.alliance.files import write_public
from hansa.alliance.layout import NodeFolder
from hansa.alliance.model import split_address
from hansa.cli.errors import NodeDied, NothingRunning, NotReady, PortInUse

READY_S = 60.0
STOP_S = 20.0
_POLL_S = 0.01
_LAST_BYTES = 65_536  # of a log, enough for its last line


class ProcessRecord(msgspec.Struct, frozen=True):
    """`data/run/process.json`: which process `hansa up` started for a node."""

    pid: int
    started: int  # start time in clock ticks since boot: pid and this together are one process


class ReadyRecord(msgspec.Struct, frozen=True):
    """The part of a node's ready.json that the command line reads."""

    pid: int
    height: int
    rpc: str | None = None
    ws: str | None = None


def started_at(pid: int) -> int | None:
    """When the process began, in clock ticks since boot; None if it runs no more (a zombie counts as gone)."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return None
    fields = stat.rpartition(b")")[2].split()  # the name before may hold anything
    return None if fields[0] in (b"Z", b"X") else int(fields[19])


def running_process(folder: NodeFolder) -> ProcessRecord | None:
    """The process that `hansa up` started for this node, if it still is that process."""
    record = _recorded(folder)
    return record if record is not None and started_at(record.pid) == record.started else None


def _recorded(folder: NodeFolder) -> ProcessRecord | None:
    try:
        return msgspec.json.decode(folder.pid.read_bytes(), type=ProcessRecord)
    except (OSError, msgspec.DecodeError):
        return None


def read_ready(folder: NodeFolder) -> ReadyRecord | None:
    """What the node says about itself while it serves; None when it does not."""
    try:
        ready = msgspec.json.decode(folder.ready.read_bytes(), type=ReadyRecord)
    except (OSError, msgspec.DecodeError):
        return None
    record = _recorded(folder)
    if record is not None and record.pid == ready.pid:
        return ready if started_at(record.pid) == record.started else None
    return ready if started_at(ready.pid) is not None else None


def start_node(folder: NodeFolder) -> ProcessRecord:
    """Start a node as a process of its own session, so that it outlives this one; its words go to node.log."""
    folder.ready.parent.mkdir(parents=True, exist_ok=True)
    folder.ready.unlink(missing_ok=True)
    with folder.log.open("ab") as log:
        module = "hansa.node.signing" if folder.signer_config.exists() else "hansa.node"
        process = subprocess.Popen(
            [sys.executable, "-m", module, str(folder.root.resolve())],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    record = ProcessRecord(process.pid, started_at(process.pid) or 0)
    write_public(folder.pid, msgspec.json.encode(record) + b"\n")
    return record


def wait_ready(folder: NodeFolder, name: str, process: ProcessRecord, deadline: float) -> ReadyRecord:
    """Wait until the node serves.

    Parameters
    ----------
    deadline: on the monotonic clock, seconds.

    Raises
    ------
    NodeDied: it ended instead; its last words are shown.
    NotReady: the deadline passed.
    """
    while True:
        ready = read_ready(folder)
        if ready is not None and ready.pid == process.pid:
            return ready
        if started_at(process.pid) != process.started:
            words = last_words(folder)
            cause = f"node {name} ended while starting: {words.what}"
            raise NodeDied(cause, words.hint or f"see {folder.log}", node_code=words.code, log=str(folder.log))
        if time.monotonic() > deadline:
            raise NotReady(f"node {name} does not serve yet", f"see {folder.log}, or wait longer with --timeout")
        time.sleep(_POLL_S)


class LastWords(msgspec.Struct, frozen=True):
    """The last line of a node's log that says anything."""

    what: str = "it left no word"
    code: str | None = None
    hint: str | None = None


def last_words(folder: NodeFolder) -> LastWords:
    """Why a node ended, as far as its log tells: a structured line, or whatever else stands there last."""
    try:
        with folder.log.open("rb") as file:
            file.seek(max(0, folder.log.stat().st_size - _LAST_BYTES))
            lines = [line for line in file.read().decode(errors="replace").splitlines() if line.strip()]
    except OSError:
        lines = []
    if not lines:
        return LastWords()
    try:
        return msgspec.json.decode(lines[-1], type=LastWords)
    except msgspec.DecodeError:
        return LastWords(lines[-1].strip())


def stop_nodes(processes: dict[str, ProcessRecord], patience_s: float = STOP_S) -> list[str]:
    """Ask processes to end, and end those that do not; the names of the latter.

    A killed node loses nothing that was final: what it promised was on disk before it said so.
    """
    for record in processes.values():
        _signal(record, signal.SIGTERM)
    deadline = time.monotonic() + patience_s
    left = dict(processes)
    while left and time.monotonic() < deadline:
        left = {name: record for name, record in left.items() if started_at(record.pid) == record.started}
        if left:
            time.sleep(_POLL_S)
    for record in left.values():
        _signal(record, signal.SIGKILL)
    return list(left)


def _signal(record: ProcessRecord, number: signal.Signals) -> None:
    if started_at(record.pid) == record.started:
        try:
            os.kill(record.pid, number)
        except ProcessLookupError:
            return


def ask_to_step_down(folder: NodeFolder, name: str) -> None:
    """Have a node give leadership up.

    Raises
    ------
    NothingRunning: it does not run on this machine.
    """
    ready = read_ready(folder)
    started = None if ready is None else started_at(ready.pid)
    if ready is None or started is None:
        raise NothingRunning(f"{name} does not run here", "do this on the machine where it runs")
    _signal(ProcessRecord(ready.pid, started), signal.SIGUSR1)


def check_port_free(address: str, node: str) -> None:
    """Check that a node can listen there.

    Raises
    ------
    PortInUse: somebody else does; the process is named where the system tells.
    """
    host, port = split_address(address)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise PortInUse(
                    f"{address} of node {node} cannot be used: {error.strerror}", "choose another"
                ) from None
            owner = listening_process(port)
            by = f" by process {owner[0]} ({owner[1]})" if owner else ""
            raise PortInUse(
                f"port {port} of node {node} is in use{by}",
                "stop that process, or found the alliance on other ports: hansa up -d OTHER --port 21000",
                port=port,
            ) from None


def listening_process(port: int) -> tuple[int, str] | None:
    """Process id and name of who listens on a TCP port of this machine, where the system tells us."""
    sockets = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            lines = Path(table).read_text().splitlines()[1:]
        except OSError:
            continue
        for fields in map(str.split, lines):
            if fields[3] == "0A" and int(fields[1].rpartition(":")[2], 16) == port:
                sockets.add(f"socket:[{fields[9]}]")
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if any(os.readlink(entry) in sockets for entry in (process / "fd").iterdir()):
                return int(process.name), (process / "comm").read_text().strip()
        except OSError:
            continue
    return None
