"""A world of its own for one run: networks, mounts and processes that vanish with the process that made them.

The tool has `unshare` start it again in new network, mount and process namespaces, passes SIGTERM and Ctrl-C on to it,
and removes its temporary files. However it ends, kill -9 included, the kernel ends every process inside and forgets
every link and mount: no process can be left behind, and nothing of the machine outside can be touched.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

INSIDE = "HANSA_CHAOS_INSIDE"  # set in the environment of what runs inside
_NEW = ("--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
_WITH_US = ("setpriv", "--pdeathsig", "KILL", "--")
_TRIAL_S_MAX = 10.0
_END_S_MAX = 20.0  # for what runs inside to end by itself, once told to


def is_inside() -> bool:
    """Whether this process runs in a sandbox."""
    return os.getpid() == 1 and INSIDE in os.environ


def is_possible() -> bool:
    """Whether this machine lets us make one."""
    if any(shutil.which(tool) is None for tool in ("unshare", "nsenter", "setpriv", "ip")):
        return False
    script = "ip link set lo up && ip link add hansa0 type veth peer name hansa1"
    try:
        done = subprocess.run([*_command(), "sh", "-c", script], capture_output=True, timeout=_TRIAL_S_MAX, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def enter(tool: str, arguments: Sequence[str]) -> int:
    """Run this tool inside a new sandbox until it ends, or we are told to; returns its exit code."""
    sys.stdout.flush()
    sys.stderr.flush()
    _end_by_sigterm()
    with tempfile.TemporaryDirectory(prefix="hansa-chaos-", ignore_cleanup_errors=True) as folder:
        environment = os.environ | {INSIDE: "yes", "TMPDIR": folder}
        command = [*_WITH_US, *_command(), sys.executable, "-m", "hansa.chaos", tool, *arguments]
        running = subprocess.Popen(command, env=environment, process_group=0)  # Ctrl-C comes to us alone
        try:
            code = running.wait()
            return code if code >= 0 else 128 - code  # by a signal
        except KeyboardInterrupt:
            _end(running)
            return 130


def _end(running: "subprocess.Popen[bytes]") -> None:
    """End the first process of the sandbox; `unshare` itself heeds no signal, and ends when all inside are gone."""
    for number, seconds in ((signal.SIGTERM, _END_S_MAX), (signal.SIGKILL, None)):
        inside = _first_inside(running.pid)
        with contextlib.suppress(ProcessLookupError):
            os.kill(inside or running.pid, number if inside else signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired, KeyboardInterrupt):  # told again: at once
            running.wait(seconds)
            return


def _first_inside(unshare: int) -> int | None:
    try:
        children = Path(f"/proc/{unshare}/task/{unshare}/children").read_text().split()
    except OSError:
        return None
    return int(children[0]) if children else None


def _command() -> list[str]:
    rights = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    return ["unshare", *rights, *_NEW]


def begin_inside() -> None:
    """Let SIGTERM end this process as Ctrl-C does: the first process of a namespace ignores it otherwise."""
    _end_by_sigterm()


def _end_by_sigterm() -> None:
    signal.signal(signal.SIGTERM, signal.default_int_handler)
