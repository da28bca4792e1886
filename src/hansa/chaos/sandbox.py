"""A world of its own for one run: networks, mounts and processes that vanish with the process that made them.

The tool becomes `unshare`, which starts it again in new network, mount and process namespaces. However it ends, kill -9
included, the kernel then ends every process inside and forgets every link and mount: nothing can be left behind, and
nothing of the machine outside can be touched.
"""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence

INSIDE = "HANSA_CHAOS_INSIDE"  # set in the environment of what runs inside
_NEW = ("--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
_TRIAL_S_MAX = 10.0


def is_inside() -> bool:
    """Whether this process runs in a sandbox."""
    return os.getpid() == 1 and INSIDE in os.environ


def is_possible() -> bool:
    """Whether this machine lets us make one."""
    if any(shutil.which(tool) is None for tool in ("unshare", "nsenter", "ip")):
        return False
    script = "ip link set lo up && ip link add hansa0 type veth peer name hansa1"
    try:
        done = subprocess.run([*_command(), "sh", "-c", script], capture_output=True, timeout=_TRIAL_S_MAX, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def enter(tool: str, arguments: Sequence[str]) -> None:
    """Become this tool inside a new sandbox; never returns."""
    sys.stdout.flush()
    sys.stderr.flush()
    environment = os.environ | {INSIDE: "yes"}
    command = [*_command(), sys.executable, "-m", "hansa.chaos", tool, *arguments]
    os.execvpe(command[0], command, environment)


def _command() -> list[str]:
    rights = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    return ["unshare", *rights, *_NEW]


def begin_inside() -> None:
    """Let SIGTERM end this process as Ctrl-C does: the first process of a namespace ignores it otherwise."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
