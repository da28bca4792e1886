"""What the operating system says about the nodes and the machine: processor time, memory, disk."""

import os
import platform
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

FEATURES = ("avx2", "avx512f", "avx512ifma")
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PROBE_SYNCS = 20
_BLOCK_BYTES = 4_096
_CHUNK_BYTES = 1 << 20
_SECTOR_BYTES = 512  # the unit of the kernel's tables, whatever the disk's


@dataclass(frozen=True, slots=True)
class Usage:
    """What one process has used since it began."""

    cpu_s: float
    rss_peak_bytes: int


@dataclass(frozen=True, slots=True)
class MachineTime:
    """Processor seconds of the whole machine since it began, and of this moment's named processes."""

    busy_s: float
    total_s: float


@dataclass(frozen=True, slots=True)
class Machine:
    """The facts without which a figure means nothing."""

    processor: str
    features: tuple[str, ...]  # of the processor, those that Hansa's fast paths need
    cores: int
    memory_gib: float
    kernel: str
    python: str
    sync_ms_p50: float  # write of 4 KiB and fdatasync where the ledgers lie


def read_usage(pid: int) -> Usage:
    """Read the use of a running process, all its threads included."""
    stat = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":" in line)
    return Usage(
        cpu_s=(int(stat[11]) + int(stat[12])) / _TICKS_PER_S,
        rss_peak_bytes=int(status["VmHWM"].split()[0]) * 1_024,
    )


def read_machine_time() -> MachineTime:
    """Read how busy the whole machine was."""
    fields = [int(field) for field in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    idle = fields[3] + fields[4]
    return MachineTime((sum(fields) - idle) / _TICKS_PER_S, sum(fields) / _TICKS_PER_S)


def foreign_share(before: MachineTime, after: MachineTime, own_s: float) -> float:
    """The share of the machine, 0 to 1, that others used meanwhile.

    Parameters
    ----------
    own_s: processor seconds of the nodes and the client in that time.
    """
    total = after.total_s - before.total_s
    return max(0.0, (after.busy_s - before.busy_s - own_s) / total) if total else 0.0


def device_bytes(folder: Path) -> int | None:
    """Bytes written so far to the disk on which `folder` lies, by whomever; None where the system does not tell.

    The count of a process (`/proc/PID/io`) will not do: it takes a whole large page for every small write into it.
    """
    number = folder.stat().st_dev
    table = Path(f"/sys/dev/block/{os.major(number)}:{os.minor(number)}/stat")
    try:
        return int(table.read_text().split()[6]) * _SECTOR_BYTES
    except (OSError, IndexError):
        return None


def loopback_bytes() -> int:
    """Bytes that went over the loopback interface so far, headers included; by whomever."""
    for line in Path("/proc/net/dev").read_text().splitlines():
        name, _, fields = line.partition(":")
        if name.strip() == "lo":
            return int(fields.split()[0])
    return 0


def ledger_bytes(folders: Sequence[Path]) -> int:
    """Bytes of the files below the folders without the zeros that files of fixed size end with."""
    return sum(used_bytes(path) for folder in folders for path in sorted(folder.rglob("*")) if path.is_file())


def used_bytes(path: Path) -> int:
    """The size of a file up to its last byte that is not zero."""
    with path.open("rb") as file:
        at = file.seek(0, os.SEEK_END)
        while at > 0:
            start = max(0, at - _CHUNK_BYTES)
            file.seek(start)
            rest = file.read(at - start).rstrip(b"\0")
            if rest:
                return start + len(rest)
            at = start
    return 0


def read_machine(folder: Path) -> Machine:
    """Gather the facts of this machine; measures the disk below `folder`."""
    facts: dict[str, str] = {}
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        facts.setdefault(name.strip(), value.strip())
    flags = facts.get("flags", "").split()
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
    return Machine(
        processor=facts.get("model name", "unknown"),
        features=tuple(feature for feature in FEATURES if feature in flags),
        cores=len(os.sched_getaffinity(0)),
        memory_gib=round(memory, 1),
        kernel=platform.release(),
        python=platform.python_version(),
        sync_ms_p50=round(_measure_sync_ms(folder), 2),
    )


def _measure_sync_ms(folder: Path) -> float:
    path = folder / ".sync-probe"
    times = []
    with path.open("wb", buffering=0) as file:
        for _ in range(_PROBE_SYNCS):
            begin = time.perf_counter()
            file.write(bytes(_BLOCK_BYTES))
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - begin)
    path.unlink()
    return sorted(times)[_PROBE_SYNCS // 2] * 1_000
