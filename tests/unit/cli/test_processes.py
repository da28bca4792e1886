"""Processes are touched only when they are certainly ours; ports in use are named with their owner."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

from hansa.alliance.layout import NodeFolder
from hansa.cli.errors import NodeDied, PortInUse
from hansa.cli.processes import (
    LastWords,
    ProcessRecord,
    check_port_free,
    last_words,
    listening_process,
    read_ready,
    running_process,
    started_at,
    stop_nodes,
    wait_ready,
)
from tests.waiting import wait_until

DEADLINE_S = 20.0


def sleeper(code: str = "import time; time.sleep(60)") -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)


def record_of(process: "subprocess.Popen[bytes]") -> ProcessRecord:
    return ProcessRecord(process.pid, started_at(process.pid) or 0)


def test_a_process_is_its_id_and_its_start(tmp_path: Path) -> None:
    folder = NodeFolder(tmp_path)
    folder.pid.parent.mkdir(parents=True)
    assert running_process(folder) is None
    own = ProcessRecord(os.getpid(), started_at(os.getpid()) or 0)
    folder.pid.write_bytes(msgspec.json.encode(own))
    assert running_process(folder) == own
    # The id was given out again to another process: not ours any more.
    folder.pid.write_bytes(msgspec.json.encode(ProcessRecord(own.pid, own.started + 1)))
    assert running_process(folder) is None
    folder.pid.write_bytes(b"rubbish")
    assert running_process(folder) is None


def test_a_foreign_process_is_never_signalled() -> None:
    process = sleeper()
    try:
        wrong = ProcessRecord(process.pid, (started_at(process.pid) or 0) + 1)
        assert stop_nodes({"x": wrong}) == []
        assert process.poll() is None
    finally:
        process.kill()
        process.wait()


def test_our_process_ends_when_asked() -> None:
    process = sleeper()
    assert stop_nodes({"x": record_of(process)}, DEADLINE_S) == []
    assert process.wait() == -signal.SIGTERM


def test_one_that_does_not_listen_is_killed() -> None:
    process = sleeper("import signal, time; signal.signal(15, signal.SIG_IGN); print('on', flush=True); time.sleep(60)")
    assert process.stdout is not None
    process.stdout.readline()
    assert stop_nodes({"x": record_of(process)}, patience_s=0.05) == ["x"]
    assert process.wait() == -signal.SIGKILL


def test_a_zombie_counts_as_gone() -> None:
    process = sleeper("pass")
    wait_until(lambda: started_at(process.pid) is None, DEADLINE_S, "the process ended")
    process.wait()


def test_a_port_in_use_names_its_owner() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert listening_process(port) == (os.getpid(), Path("/proc/self/comm").read_text().strip())
        with pytest.raises(PortInUse, match=f"port {port} of node bank is in use by process {os.getpid()}") as caught:
            check_port_free(f"127.0.0.1:{port}", "bank")
        assert caught.value.exit_code == 6
    check_port_free(f"127.0.0.1:{port}", "bank")
    assert listening_process(port) is None


def test_a_node_that_dies_says_its_last_words(tmp_path: Path) -> None:
    folder = NodeFolder(tmp_path)
    folder.log.write_text('first\n{"code": "NODE-1", "what": "port taken", "hint": "use another"}\n')
    process = sleeper("pass")
    gone = record_of(process)
    process.wait()
    with pytest.raises(NodeDied, match="node bank ended while starting: port taken") as caught:
        wait_ready(folder, "bank", gone, time.monotonic() + DEADLINE_S)
    assert caught.value.hint == "use another"
    assert caught.value.data["node_code"] == "NODE-1"
    folder.log.write_text("Traceback\nImportError: no module\n")
    assert last_words(folder) == LastWords("ImportError: no module")
    assert last_words(NodeFolder(tmp_path / "nothing")) == LastWords()


def test_ready_counts_only_while_its_process_lives(tmp_path: Path) -> None:
    folder = NodeFolder(tmp_path)
    folder.ready.parent.mkdir(parents=True)
    folder.ready.write_text(f'{{"pid": {os.getpid()}, "height": 7, "rpc": "127.0.0.1:1"}}')
    ready = read_ready(folder)
    assert ready is not None
    assert ready.height == 7
    own = ProcessRecord(os.getpid(), (started_at(os.getpid()) or 0) - 1)
    folder.pid.write_bytes(msgspec.json.encode(own))
    assert read_ready(folder) is None, "the id was given out again"
    process = sleeper("pass")
    process.wait()
    folder.ready.write_text(f'{{"pid": {process.pid}, "height": 7}}')
    assert read_ready(folder) is None
