"""What support needs, in one file: findings, configuration, logs, facts of the machine. No secret is in it.

Files with secrets are never read into a bundle, and whatever is read is searched for the secrets of this folder, in
every form in which a log could have got hold of them.
"""

import base64
import gzip
import io
import json
import os
import platform
import sys
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from hansa import __version__
from hansa.alliance.layout import NodeFolder
from hansa.cli.recovery.doctor import Case, Finding
from hansa.errors import HansaError
from hansa.node.config import load_node_config

LOG_BYTES_MAX = 8 << 20  # of the log's end
FILE_BYTES_MAX = 64 << 20
LISTED_MAX = 20_000
REDACTED = b"[redacted]"
SECRET_BYTES_MIN = 8  # shorter things cannot be searched for
PUBLIC_FILES = ("node.toml", "genesis.json", "members.json", "epoch.json", "tls.crt", "ca-bundle.pem")
SECRET_FILES = ("consensus*.key", "tls*.key")  # with those of later epochs


def write_bundle(directory: Path, findings: list[Finding], case: Case | None, target: Path) -> list[str]:
    """Write a gzipped tar of one node; returns the names in it.

    Raises
    ------
    FileExistsError: something is there already.
    """
    folder = NodeFolder(directory)
    secrets = secret_forms(folder)
    entries: dict[str, bytes] = {
        "findings.json": _json([finding.as_json() for finding in findings]),
        "machine.json": _json(_machine(folder)),
        "files.txt": "\n".join(_listing(folder.root)).encode() + b"\n",
        "node.log": _tail(folder.log, LOG_BYTES_MAX),
    }
    if case is not None and case.status is not None:
        entries["status.json"] = _json({"status": case.status, "validators": case.validators})
    for name in PUBLIC_FILES:
        path = folder.root / name
        if path.is_file():
            entries[name] = _tail(path, FILE_BYTES_MAX)
    with target.open("xb") as raw:
        os.fchmod(raw.fileno(), 0o600)
        with gzip.GzipFile(fileobj=raw, mode="wb", mtime=0) as packed, tarfile.open(fileobj=packed, mode="w") as tar:
            for name, content in entries.items():
                clean = redact(content, secrets)
                facts = tarfile.TarInfo(f"hansa-bundle/{name}")
                facts.size = len(clean)
                tar.addfile(facts, io.BytesIO(clean))
    return list(entries)


def secret_forms(folder: NodeFolder) -> list[bytes]:
    """Every form of this folder's secrets that text could hold, longest first."""
    forms: set[bytes] = set()
    for path in _secret_paths(folder):
        try:
            content = path.read_bytes().strip()
        except OSError:
            continue
        forms |= _forms_of(content)
    return sorted((form for form in forms if len(form) >= SECRET_BYTES_MIN), key=lambda form: (-len(form), form))


def redact(content: bytes, secrets: Iterable[bytes]) -> bytes:
    """Return the content without the secrets."""
    for secret in secrets:
        content = content.replace(secret, REDACTED)
    return content


def _secret_paths(folder: NodeFolder) -> list[Path]:
    paths = [path for pattern in SECRET_FILES for path in sorted(folder.root.glob(pattern))]
    try:
        rpc = load_node_config(folder).rpc
    except HansaError:
        return paths
    return paths + [folder.root / name for name in (rpc.token_file, rpc.key) if name is not None]


def _forms_of(content: bytes) -> set[bytes]:
    """A file's own text, the lines of a PEM, and of hex digits the bytes, in either case and in base 64."""
    lines = [line.strip() for line in content.splitlines() if not line.startswith(b"-----")]
    forms = {content, *lines, b"".join(lines)}
    if content.startswith(b"-----"):
        return forms | {base64.b64decode(b"".join(lines))}
    try:
        raw = bytes.fromhex(content.decode("ascii").removeprefix("0x"))
    except (ValueError, UnicodeDecodeError):
        return forms
    digits = raw.hex().encode()
    decimal = str(int.from_bytes(raw)).encode()
    return forms | {raw, digits, digits.upper(), base64.b64encode(raw), decimal}


def _machine(folder: NodeFolder) -> dict[str, Any]:
    disk = os.statvfs(folder.root)
    return {
        "hansa": __version__,
        "python": sys.version,
        "system": platform.platform(),
        "cores": os.cpu_count(),
        "load": os.getloadavg(),
        "memory": _tail(Path("/proc/meminfo"), 4096).decode(errors="replace").splitlines()[:5],
        "disk": {"bytes": disk.f_blocks * disk.f_frsize, "free": disk.f_bavail * disk.f_frsize},
    }


def _listing(root: Path) -> list[str]:
    lines = []
    for path in sorted(root.rglob("*")):
        try:
            status = path.lstat()
        except OSError:
            continue  # a running node removes files
        lines.append(f"{status.st_mode:o} {status.st_size:>12} {status.st_mtime:.0f} {path.relative_to(root)}")
    return lines[:LISTED_MAX]


def _tail(path: Path, limit: int) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(limit) if path.parts[1:2] == ("proc",) else _end_of(file, limit)
    except OSError as error:
        return f"cannot be read: {error.strerror}\n".encode()
    return data


def _end_of(file: io.BufferedReader, limit: int) -> bytes:
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - limit))
    return file.read(limit)


def _json(value: object) -> bytes:
    return json.dumps(value, indent=1, ensure_ascii=False).encode() + b"\n"
