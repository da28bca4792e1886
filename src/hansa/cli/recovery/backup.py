"""Backups of a node's ledger in a folder, made while the node runs.

    BACKUP/backup.json            what it is: chain, height, hash of every file
    BACKUP/genesis.json           the same for all
    BACKUP/epoch.json             who keeps the chain above that height; none where that never changes
    BACKUP/data/{blocks,checkpoints}/…
    BACKUP/data/base              where the ledger begins, if not at genesis
    BACKUP/data/epochs            who signed in the epochs that ended

No keys, no votes: a node that forgets a vote can contradict itself, so a restored one begins in quarantine
(rules 1.13). The log only ever grows, and its last segment is read from behind: what is seen of a write implies all
writes before it, so a copy ends where some sync of the running node ended, or in a torn record that opening it cuts.
"""

import hashlib
import os
import shutil
import time
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from hansa import __version__, _native
from hansa.alliance.errors import FolderTaken, NoAlliance
from hansa.alliance.files import make_private_folder, read_public, sync_path, write_public
from hansa.alliance.layout import NodeFolder
from hansa.cli.errors import BackupBroken, RestoreRefused
from hansa.cli.recovery.healing import check_stopped, open_node_folder
from hansa.cli.screen import Screen
from hansa.cli.setup import genesis_hash_of
from hansa.consensus.validators import ValidatorSet, can_rejoin
from hansa.io.vote_log_file import put_votes_aside
from hansa.node.config import load_node_config
from hansa.node.epochs.facts import note_epoch, read_epoch, read_latest, read_noted
from hansa.node.errors import ForeignGenesis, explain_native
from hansa.node.genesis import decode_genesis
from hansa.types.epoch import EpochFacts

MANIFEST = "backup.json"
MANIFEST_VERSION = 1
MANIFEST_BYTES_MAX = 16 << 20
PAGE_BYTES = 4096
CHUNK_BYTES = 1 << 20
COPY_TRIES = 5  # a running node removes old checkpoints and, if it is told to, old blocks
LEDGER = ("epochs", "base", "checkpoints", "blocks")  # in the order in which they are put in place


class BackupFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One file of a backup."""

    name: str  # relative to the backup, with /
    size: int  # bytes
    sha256: str  # hex


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a backup is."""

    version: int
    genesis_hash: str  # 0x hex
    chain_id: int
    node: str
    organisation: str
    height: int
    sealed_hash: str  # 0x hex, of the header at `height`
    created: str  # RFC 3339, UTC
    software: str
    files: tuple[BackupFile, ...]


def create_backup(screen: Screen, directory: Path, target: Path) -> Manifest:
    """Copy a node's ledger, running or stopped, prove that the copy holds, and give it its name.

    Raises
    ------
    FolderTaken: something is there already. NoAlliance: the node has no ledger or genesis.
    BackupBroken: the copy does not hold, as the ledger itself does not.
    """
    folder = open_node_folder(directory)
    config = load_node_config(folder)
    if target.exists() and any(target.iterdir()):
        raise FolderTaken(f"{target} is not empty", "name a new folder for each backup")
    began = time.monotonic()
    data = folder.root / config.data
    partial = target.with_name(f".{target.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    genesis = read_public(folder.genesis)
    make_private_folder(partial)  # a ledger is its members' alone
    write_public(partial / "genesis.json", genesis)
    _copy_ledger(data, partial / "data")
    chain_id, height, sealed_hash, epoch = _settle(partial / "data", genesis)
    if epoch is not None:
        note_epoch(NodeFolder(partial), epoch, genesis_hash_of(genesis))
    screen.step("copied", str(directory), f"{time.monotonic() - began:.1f} s")
    _check_ledger(partial / "data", genesis)
    manifest = Manifest(
        version=MANIFEST_VERSION,
        genesis_hash="0x" + genesis_hash_of(genesis).hex(),
        chain_id=chain_id,
        node=config.name,
        organisation=config.organisation,
        height=height,
        sealed_hash="0x" + sealed_hash.hex(),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        software=__version__,
        files=tuple(_describe(partial, path) for path in files_of(partial)),
    )
    write_public(partial / MANIFEST, msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n")
    _sync_tree(partial)
    if target.exists():
        target.rmdir()
    target.parent.mkdir(parents=True, exist_ok=True)
    partial.rename(target)
    screen.step("verified", f"{target} at block {height}", f"{time.monotonic() - began:.1f} s")
    return manifest


def verify_backup(target: Path) -> Manifest:
    """Hold every byte of a backup against its manifest, and every block against headers and certificates.

    Raises
    ------
    NoAlliance: there is no backup. BackupBroken: something does not hold; all of it is in `data`.
    """
    manifest = read_manifest(target)
    known = {file.name: file for file in manifest.files}
    present = {path.relative_to(target).as_posix(): path for path in files_of(target)}
    found = [f"{name}: missing" for name in sorted(known.keys() - present.keys())]
    found += [f"{name}: not part of this backup" for name in sorted(present.keys() - known.keys())]
    for name in sorted(known.keys() & present.keys()):
        if _describe(target, present[name]) != known[name]:
            found.append(f"{name}: not the bytes that were backed up")
    if found:
        raise BackupBroken(f"{target}: {found[0]}", "use another backup", findings=found)
    genesis = read_public(target / "genesis.json")
    if "0x" + genesis_hash_of(genesis).hex() != manifest.genesis_hash:
        raise BackupBroken(f"{target}: genesis.json is of another chain than {MANIFEST} says", "use another backup")
    _check_ledger(target / "data", genesis)
    return manifest


def restore_backup(screen: Screen, target: Path, directory: Path, yes: bool) -> Manifest | None:
    """Put a backup in place of a stopped node's ledger; None when the question was answered with no.

    What is there is put aside, and the votes with it: the node begins in quarantine and leaves it by itself.

    Raises
    ------
    StillRunning: the node runs. ForeignGenesis: the backup is of another chain. BackupBroken: it does not hold.
    RestoreRefused: the others are too few to take this validator back without its votes.
    """
    folder = open_node_folder(directory)
    check_stopped(folder)
    config = load_node_config(folder)
    genesis = read_public(folder.genesis)
    manifest = read_manifest(target)
    if "0x" + genesis_hash_of(genesis).hex() != manifest.genesis_hash:
        raise ForeignGenesis(f"{target} is a backup of another chain", "choose a backup of this alliance")
    epoch = _latest_epoch(folder, genesis, target)
    validators = ValidatorSet.of_epoch(epoch)
    if not can_rejoin(validators, config.index):
        raise RestoreRefused(
            f"with {len(validators.voters)} validators the others cannot take back one without its votes",
            f"keep data/votes and fetch the ledger from the others: hansa repair {directory}",
        )
    began = time.monotonic()
    verify_backup(target)
    screen.step("verified", f"{target} at block {manifest.height}", f"{time.monotonic() - began:.1f} s")
    data = folder.root / config.data
    screen.say(f"  Ledger and votes of {directory} go to {data / 'quarantine'}; this node then votes again by itself")
    screen.say("  once the others have moved to a view in which it cannot have promised anything.")
    if not yes and not screen.confirm("restore it?"):
        return None
    _replace_ledger(target / "data", data)
    note_epoch(folder, epoch, genesis_hash_of(genesis))
    screen.step("restored", f"{directory} at block {manifest.height}", f"{time.monotonic() - began:.1f} s")
    screen.say(f"  Next: hansa up {config.name}")
    return manifest


def _latest_epoch(folder: NodeFolder, genesis: bytes, target: Path) -> EpochFacts:
    """The latest epoch of which the node to restore or its backup knows."""
    genesis_hash = genesis_hash_of(genesis)
    own = read_latest(folder, decode_genesis(genesis), genesis_hash)
    theirs = read_noted(NodeFolder(target), genesis_hash)
    return own if theirs is None or theirs.number < own.number else theirs


def _replace_ledger(source: Path, data: Path) -> None:
    """The votes go first, the ledger comes last: whatever is interrupted, no old vote stands beside a new ledger."""
    put_votes_aside(data / "votes", data / "quarantine")
    incoming = data / "run" / "incoming"
    shutil.rmtree(incoming, ignore_errors=True)
    shutil.copytree(source, incoming)
    _sync_tree(incoming)
    aside = _free_name(data / "quarantine")
    for name in ("snapshot", *reversed(LEDGER)):
        if (data / name).exists():
            aside.mkdir(parents=True, exist_ok=True)
            (data / name).rename(aside / name)
    for name in LEDGER:
        if (incoming / name).exists():
            (incoming / name).rename(data / name)
    incoming.rmdir()
    sync_path(data)


def _free_name(folder: Path) -> Path:
    number = 1
    while (path := folder / f"replaced-{number}").exists():
        number += 1
    return path


def _copy_ledger(source: Path, target: Path) -> None:
    """Copy a ledger, once more where the running node removed something meanwhile.

    Checkpoints come before the log, so that none is of a block that the copy lacks.
    """
    for attempt in range(COPY_TRIES):
        shutil.rmtree(target, ignore_errors=True)
        begin = _read_base(source)
        try:
            (target / "checkpoints").mkdir(parents=True)
            for path in sorted((source / "checkpoints").glob("*.ckpt")):
                shutil.copyfile(path, target / "checkpoints" / path.name)
            _copy_log(source / "blocks", target / "blocks")
        except FileNotFoundError:
            if attempt + 1 == COPY_TRIES:
                raise
            continue
        if _read_base(source) == begin:
            break
    if begin is not None:
        (target / "base").write_bytes(begin)
    # Last: whatever blocks the copy lacks, their epochs were written before they were dropped.
    if (source / "epochs").exists():
        shutil.copyfile(source / "epochs", target / "epochs")


def _read_base(data: Path) -> bytes | None:
    try:
        return (data / "base").read_bytes()
    except FileNotFoundError:
        return None


def _copy_log(source: Path, target: Path) -> None:
    segments = sorted(source.glob("*.seg"))
    if not segments:
        raise NoAlliance(f"{source} holds no ledger", "start the node once, or name another folder")
    target.mkdir(parents=True)
    _copy_backwards(segments[-1], target / segments[-1].name)
    for path in segments[:-1]:
        shutil.copyfile(path, target / path.name)


def _copy_backwards(source: Path, target: Path) -> None:
    with source.open("rb", buffering=0) as reader, target.open("wb", buffering=0) as writer:
        size = os.fstat(reader.fileno()).st_size
        os.ftruncate(writer.fileno(), size)
        for at in reversed(range(0, size, PAGE_BYTES)):
            page = os.pread(reader.fileno(), PAGE_BYTES, at)
            if page.strip(b"\0"):
                os.pwrite(writer.fileno(), page, at)


def _settle(data: Path, genesis: bytes) -> tuple[int, int, bytes, EpochFacts | None]:
    """Open the copy, which cuts a torn end, and close it cleanly: (chain id, height, sealed hash, epoch in force)."""
    try:
        chain = _native.Chain.open(str(data), genesis)
        height, sealed_hash, order_hash = chain.head()
        chain_id, epoch = chain.chain_id, read_epoch(chain, order_hash)
        chain.close()
    except _native.NativeError as error:
        raise _not_whole(error) from None
    del chain
    (data / "LOCK").unlink(missing_ok=True)
    return chain_id, height, sealed_hash, epoch


def _check_ledger(data: Path, genesis: bytes) -> None:
    try:
        found = _native.verify_ledger(str(data), genesis)
    except _native.NativeError as error:
        raise _not_whole(error) from None
    if found:
        facts = [f"{file} at byte {offset}: {what}" for file, offset, what in found]
        raise BackupBroken(facts[0], "check the node itself: hansa verify, hansa repair", findings=facts)


def _not_whole(error: _native.NativeError) -> BackupBroken:
    explained = explain_native(error)
    return BackupBroken(explained.cause, explained.hint or "check the node itself: hansa verify", **explained.data)


def read_manifest(target: Path) -> Manifest:
    """What a backup in a folder says of itself.

    Raises
    ------
    NoAlliance: there is none. BackupBroken: it does not hold.
    """
    path = target / MANIFEST
    try:
        if path.stat().st_size > MANIFEST_BYTES_MAX:
            raise BackupBroken(f"{path} is too large", "use another backup")
        manifest = msgspec.json.decode(path.read_bytes(), type=Manifest)
    except (FileNotFoundError, NotADirectoryError):
        raise NoAlliance(f"{path} does not exist", "name the folder that `hansa backup create` made") from None
    except msgspec.DecodeError as error:
        raise BackupBroken(f"{path}: {error}", "use another backup") from None
    if manifest.version != MANIFEST_VERSION:
        raise BackupBroken(f"{path} has version {manifest.version}", "use the version of hansa that made it")
    return manifest


def files_of(folder: Path) -> list[Path]:
    """The files of a backup, its manifest apart."""
    return sorted(p for p in folder.rglob("*") if p.is_file() and p != folder / MANIFEST)


def _describe(folder: Path, path: Path) -> BackupFile:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
    return BackupFile(path.relative_to(folder).as_posix(), path.stat().st_size, digest.hexdigest())


def _sync_tree(folder: Path) -> None:
    for path in [*folder.rglob("*"), folder]:
        sync_path(path)
