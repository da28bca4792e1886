"""`data/run/ready.json`: written in one step once the node serves, removed when it stops; `hansa up` waits for it."""

import os
from pathlib import Path

import msgspec


class Ready(msgspec.Struct, frozen=True):
    """What a running node says about itself."""

    pid: int
    name: str
    organisation: str
    listen: str
    rpc: str | None
    ws: str | None
    height: int
    genesis_hash: str  # 0x and 64 hex digits


def write_ready(path: Path, ready: Ready) -> None:
    """Write the file: a reader sees the whole of it or nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.new")
    temporary.write_bytes(msgspec.json.encode(ready) + b"\n")
    os.replace(temporary, path)


def remove_ready(path: Path) -> None:
    """Remove the file, also one left by a process that was killed."""
    path.unlink(missing_ok=True)
