"""Clocks that are wrong, one per node: libfaketime (Debian package of that name) between a node and the system's time.

Linux has namespaces for the monotonic clock only, and never lets a clock run at another rate.
"""

from pathlib import Path

from hansa.bench.own_alliance import OwnNode

_PLACES = (Path("/usr/lib"), Path("/usr/local/lib"))
_FILE = "clock"


def find_library() -> Path | None:
    """Where libfaketime is, None where it is not installed."""
    for place in _PLACES:
        for found in (*place.glob("faketime/libfaketimeMT.so.1"), *place.glob("*/faketime/libfaketimeMT.so.1")):
            return found
    return None


def give_clock(node: OwnNode, library: Path, with_rate: bool) -> None:
    """Let a node that does not run yet see a clock of its own.

    Parameters
    ----------
    with_rate: the monotonic clock runs at another rate as well, not only the wall clock.
    """
    set_clock(node, 0, 100)
    node.environment |= {
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": str(node.folder.root / _FILE),
        "FAKETIME_CACHE_DURATION": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "0" if with_rate else "1",
    }


def set_clock(node: OwnNode, jump_ms: int, rate_percent: int) -> None:
    """Show the node a clock so far ahead of ours, running at that rate from now on."""
    (node.folder.root / _FILE).write_text(f"{jump_ms / 1_000:+.3f} x{rate_percent / 100:.2f}\n")
