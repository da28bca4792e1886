"""One script of torment, played with real processes by the command: crash, cuts, an intruder, a lost vote log.

`hansa chaos matrix` plays every row of the fault matrix, `hansa soak` goes on for as long as one likes.
"""

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from hansa.chaos import sandbox
from hansa.chaos.run import RunResult
from hansa.sim.script import (
    Attack,
    AttackKind,
    ChangeKind,
    Crash,
    Cut,
    Disk,
    DiskTrouble,
    Fault,
    Links,
    Membership,
    Script,
    encode_script,
)
from tests.waiting import wait_until

DEADLINE_S = 180.0
OTHERS = (0, 1, 2)


def play(tmp_path: Path, faults: tuple[Fault, ...], *options: str) -> RunResult:
    """What `hansa chaos run` makes of a script."""
    script = Script("slice", 7, 4, faults, calm_ms=max(fault.until_ms for fault in faults), deadline_ms=60_000)
    path, out = tmp_path / "script.json", tmp_path / "result.json"
    path.write_bytes(encode_script(script))
    command = [sys.executable, "-m", "hansa.cli", "chaos", "run", str(path), "--out", str(out), *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_S, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return msgspec.json.decode(out.read_bytes(), type=RunResult)


def test_crash_cuts_and_a_lost_vote_log(tmp_path: Path) -> None:
    if not sandbox.is_possible():
        pytest.skip("needs the right to make network namespaces")
    faults = (
        Crash(500, 1_500, (0,)),
        Disk(1_600, 3_500, (1,), DiskTrouble.LOST),
        Cut(1_500, 2_500, (3,), OTHERS, is_one_way=True),
        Cut(4_000, 5_000, (2,), (0, 1, 3)),
        Links(0, 5_000, (0,), (1, 2), loss_percent=5, delay_ms=50),
    )
    result = play(tmp_path, faults)
    assert result.namespaces and result.violation is None and result.transactions > 0


def test_keys_change_while_a_validator_lies(tmp_path: Path) -> None:
    faults = (
        Attack(0, 4_000, (0,), AttackKind.EQUIVOCATING),
        Membership(1_000, 2_000, (1,), ChangeKind.ROTATE_KEY),
        Disk(500, 3_000, (2,), DiskTrouble.SLOW, amount_ms=20),
    )
    result = play(tmp_path, faults, "--loopback")
    assert result.violation is None and set(result.guilty) <= {0}


@pytest.mark.parametrize("options", [(), ("--loopback",)], ids=["namespaces", "loopback"])
def test_nothing_is_left_behind_by_a_command_that_is_killed(tmp_path: Path, options: tuple[str, ...]) -> None:
    if not options and not sandbox.is_possible():
        pytest.skip("needs the right to make network namespaces")
    path, folder = tmp_path / "script.json", tmp_path / "kept"
    path.write_bytes(encode_script(Script("killed", 1, 4, (), calm_ms=60_000, deadline_ms=80_000)))
    command = [sys.executable, "-m", "hansa.cli", "chaos", "run", str(path), "-d", str(folder), *options]
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    running = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_until(lambda: len(list(folder.glob("**/ready.json"))) == 4, DEADLINE_S, "four nodes")
    running.kill()
    running.wait()
    wait_until(lambda: not processes_about(folder), DEADLINE_S, "the end of all nodes")


def test_a_sandbox_ends_and_leaves_no_file_when_it_is_told_to(tmp_path: Path) -> None:
    if not sandbox.is_possible():
        pytest.skip("needs the right to make network namespaces")
    path, folder = tmp_path / "script.json", tmp_path / "temporary"
    folder.mkdir()
    path.write_bytes(encode_script(Script("told", 1, 4, (), calm_ms=60_000, deadline_ms=80_000)))
    command = [sys.executable, "-m", "hansa.cli", "chaos", "run", str(path)]
    environment = os.environ | {"TMPDIR": str(folder)}
    running = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_until(lambda: len(list(folder.glob("**/ready.json"))) == 4, DEADLINE_S, "four nodes")
    running.terminate()
    assert running.wait(DEADLINE_S) != 0
    assert not processes_about(folder) and not list(folder.iterdir())


def processes_about(folder: Path) -> list[str]:
    """Command lines of running processes that name the folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            found.append(path.read_text(errors="replace"))
    return [line for line in found if str(folder) in line]


def test_an_intruder_on_loopback(tmp_path: Path) -> None:
    result = play(tmp_path, (Attack(0, 2_000, (3,), AttackKind.FLOOD),), "--loopback")
    assert not result.namespaces and set(result.guilty) <= {3}
