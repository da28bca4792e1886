"""`hansa doctor`: what is wrong with a node, and what to do. Reads its folder, and asks the node if it runs.

Each check is a function from what was found out to findings; CHECKS is the list. A check changes nothing.
"""

import datetime
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from cryptography import x509

from hansa import __version__
from hansa.alliance.files import read_public
from hansa.alliance.layout import NodeFolder
from hansa.cli.log_view import read_entries
from hansa.cli.network import read_token
from hansa.cli.processes import read_ready, running_process
from hansa.cli.recovery.evidence import tell_evidence, verify_evidence
from hansa.cli.recovery.healing import vote_damage
from hansa.cli.setup import genesis_hash_of
from hansa.consensus.validators import ValidatorSet, can_rejoin
from hansa.errors import HansaError
from hansa.io.evidence_folder import EVIDENCE_FOLDER, list_evidence
from hansa.io.key_file import load_consensus_key
from hansa.io.tls import Roster, open_tls
from hansa.node.assemble import check_place
from hansa.node.config import NodeConfig, load_node_config, parse_address
from hansa.node.epochs.facts import members_of, read_known, read_latest
from hansa.node.genesis import Genesis, decode_genesis
from hansa.node.signing.pairing import open_signer_client
from hansa.sdk.client import Client

CERTIFICATE_DAYS_WARN = 30
DISK_BYTES_WARN = 1 << 30
DISK_BYTES_BAD = 64 << 20
CLOCK_WARN_MS = 250
CLOCK_BAD_MS = 1_000  # a proposal further ahead waits (rules 1.12)
LAG_BLOCKS_WARN = 16
DIAL_S = 1.0
ASK_S = 3.0
EVIDENCE_SHOWN_MAX = 8


class Level(StrEnum):
    """How bad a finding is."""

    GOOD = "good"
    WARN = "warning"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    check: str
    level: Level
    what: str
    cure: str = ""  # the next step; empty where none is needed

    def as_json(self) -> dict[str, str]:
        """The finding as data."""
        return {"check": self.check, "level": self.level.value, "what": self.what, "cure": self.cure}


@dataclass(frozen=True, slots=True)
class Case:
    """What is known about a node before the checks."""

    folder: NodeFolder
    config: NodeConfig
    genesis: Genesis
    genesis_bytes: bytes
    data: Path
    pid: int | None  # of the process that runs
    status: dict[str, Any] | None  # hansa_status, if it answers
    validators: list[dict[str, Any]]  # hansa_validators, if it answers


def diagnose(directory: Path) -> tuple[Case | None, list[Finding]]:
    """Look at everything; findings in the order of CHECKS. Where the configuration does not hold, only that."""
    folder = NodeFolder(directory)
    try:
        config = load_node_config(folder)
        genesis_bytes = read_public(folder.genesis)
        genesis = decode_genesis(genesis_bytes)
        check_place(config, genesis, read_known(folder) or genesis.epoch())
    except HansaError as error:
        return None, [_bad("config", error)]
    case = open_case(folder, config, genesis, genesis_bytes)
    good = Finding("config", Level.GOOD, f"{config.name} of {config.organisation}, validator {config.index}")
    return case, [good, *(finding for check in CHECKS for finding in check(case))]


def open_case(folder: NodeFolder, config: NodeConfig, genesis: Genesis, genesis_bytes: bytes) -> Case:
    """Find out whether the node runs, and ask it."""
    ready, process = read_ready(folder), running_process(folder)
    pid = ready.pid if ready is not None else process.pid if process is not None else None
    status: dict[str, Any] | None = None
    validators: list[dict[str, Any]] = []
    if ready is not None and ready.rpc is not None and config.rpc.key is None:
        try:
            with Client(f"http://{ready.rpc}", ASK_S, read_token(folder)) as client:
                status, validators = client.call("hansa_status"), client.call("hansa_validators")
        except HansaError:
            status = None
    return Case(folder, config, genesis, genesis_bytes, folder.root / config.data, pid, status, validators)


def check_process(case: Case) -> list[Finding]:
    """Does it run, and what does it say of itself?"""
    name = "process"
    if case.pid is None:
        return [Finding(name, Level.WARN, "the node does not run", f"hansa node run {case.folder.root}")]
    if case.status is None:
        if case.config.rpc.key is not None:
            return [Finding(name, Level.GOOD, f"runs (process {case.pid}); not asked, as its JSON-RPC speaks TLS")]
        return [Finding(name, Level.BAD, f"process {case.pid} runs and does not answer", "hansa logs, then restart it")]
    status = case.status
    found = [Finding(name, Level.GOOD, f"runs (process {case.pid}) at block {status['height']}, view {status['view']}")]
    if status["halted"]:
        found.append(Finding(name, Level.BAD, f"halted: {status['halted']}", "keep its folder; see the code's page"))
    if status["paused"]:
        found.append(Finding(name, Level.BAD, f"paused: {status['paused']}", "make room; it goes on by itself"))
    if status["quarantine"]:
        cure = "wait: it votes again by itself once a quorum of the others runs and has moved on"
        found.append(Finding(name, Level.WARN, f"in quarantine: {status['quarantine']}", cure))
    if status["syncing"]:
        found.append(Finding(name, Level.WARN, "it fetches blocks from the others", "wait until it has caught up"))
    return found


def check_version(case: Case) -> list[Finding]:
    """Is what runs what is installed?"""
    running = None if case.status is None else case.status["version"]
    if running not in (None, __version__):
        what = f"the process runs {running}, installed is {__version__}"
        return [Finding("version", Level.WARN, what, "restart the node")]
    return [Finding("version", Level.GOOD, f"hansa {__version__}")]


def check_keys(case: Case) -> list[Finding]:
    """Keys: there, nobody else's to read, this validator's."""
    known = read_known(case.folder) or case.genesis.epoch()
    try:
        if case.config.signer is None:
            load_consensus_key(case.folder.consensus_key, known.nodes[case.config.index].public_key)
        if len(known.nodes) > 1:
            open_tls(case.folder.tls_certificate, case.folder.tls_key, Roster(members_of(known)), case.config.index)
    except HansaError as error:
        return [_bad("keys", error)]
    return [Finding("keys", Level.GOOD, "the keys here are this validator's, and private")]


def check_certificates(case: Case) -> list[Finding]:
    """This node's certificate, and the authorities of all."""
    if len(case.genesis.validators) == 1:
        return []
    members = members_of(read_known(case.folder) or case.genesis.epoch())
    texts = {f"the authority of {one.organisation}": one.ca_certificate_pem.encode() for one in members}
    try:
        texts["this node's certificate"] = case.folder.tls_certificate.read_bytes()
    except OSError as error:
        return [Finding("certificates", Level.BAD, f"{case.folder.tls_certificate}: {error.strerror}", "restore it")]
    now = datetime.datetime.now(datetime.UTC)
    found: list[Finding] = []
    ends = []
    for name, text in texts.items():
        try:
            certificate = x509.load_pem_x509_certificate(text)
        except ValueError as error:
            found.append(Finding("certificates", Level.BAD, f"{name} is malformed: {error}", "restore it"))
            continue
        ends.append(certificate.not_valid_after_utc)
        found += _judge_dates(name, certificate, now)
    return found or [Finding("certificates", Level.GOOD, f"all valid for {(min(ends) - now).days} days or more")]


def _judge_dates(name: str, certificate: x509.Certificate, now: datetime.datetime) -> list[Finding]:
    check, end = "certificates", certificate.not_valid_after_utc
    cure = "have the organisation's authority issue a new one"
    if certificate.not_valid_before_utc > now:
        what = f"{name} is not valid before {certificate.not_valid_before_utc:%Y-%m-%d}"
        return [Finding(check, Level.BAD, what, "is this machine's clock right? timedatectl")]
    if end <= now:
        return [Finding(check, Level.BAD, f"{name} expired on {end:%Y-%m-%d}", cure)]
    if (end - now).days < CERTIFICATE_DAYS_WARN:
        return [Finding(check, Level.WARN, f"{name} expires in {(end - now).days} days", cure)]
    return []


def check_clock(case: Case) -> list[Finding]:
    """Wall clocks against each other: the median of the peers is taken for right."""
    offsets = sorted(one["clockOffsetMs"] for one in case.validators if one["clockOffsetMs"] is not None)
    if not offsets:
        return [Finding("clock", Level.GOOD, "no peer to compare with")] if case.status else []
    median = offsets[len(offsets) // 2]
    if abs(median) < CLOCK_WARN_MS:
        return [Finding("clock", Level.GOOD, f"{abs(median)} ms from the others")]
    what = f"this machine's clock is {abs(median)} ms {'behind' if median > 0 else 'ahead of'} the others"
    level = Level.BAD if abs(median) >= CLOCK_BAD_MS else Level.WARN
    return [Finding("clock", level, what, "synchronise it: timedatectl set-ntp true")]


def check_disk(case: Case) -> list[Finding]:
    """Room for the ledger."""
    found = os.statvfs(case.data if case.data.exists() else case.folder.root)
    free, share = found.f_bavail * found.f_frsize, 100 - 100 * found.f_bavail // max(found.f_blocks, 1)
    what = f"{free >> 20} MiB free, {share} % used"
    if free < DISK_BYTES_BAD or (found.f_files and not found.f_favail):
        return [Finding("disk", Level.BAD, what, "make room: the node does not vote on a full disk")]
    if free < DISK_BYTES_WARN:
        return [Finding("disk", Level.WARN, what, "make room before the node has to stop voting")]
    return [Finding("disk", Level.GOOD, what)]


def check_votes(case: Case) -> list[Finding]:
    """The vote log of a stopped node; a running one has judged its own. Or the signer that keeps it."""
    if case.config.signer is not None:
        return _check_signer(case)
    if case.pid is not None:
        return []
    damage = vote_damage(case.folder, case.genesis_bytes, case.config)
    if not damage:
        return [Finding("votes", Level.GOOD, "the vote log holds")]
    in_force = ValidatorSet.of_epoch(read_latest(case.folder, case.genesis, genesis_hash_of(case.genesis_bytes)))
    alone = not can_rejoin(in_force, case.config.index)
    cure = (
        "put data/votes back as it was; with fewer than four validators there is no other way"
        if alone
        else "start the node: one bad copy is healed, a lost log leads into a quarantine that ends by itself"
    )
    return [Finding("votes", Level.WARN, str(one), cure) for one in damage]


def _check_signer(case: Case) -> list[Finding]:
    try:
        client = open_signer_client(case.folder)
        state = client.look()
        client.close()
    except HansaError as error:
        return [_bad("signer", error)]
    if state.holder is None:
        return [Finding("signer", Level.WARN, "neither node may sign", "start this validator's nodes")]
    if not state.waiting:
        cure = "start the other node, or this validator has no standby"
        return [Finding("signer", Level.WARN, f"{state.holder} may sign, and no standby waits", cure)]
    return [Finding("signer", Level.GOOD, f"{state.holder} may sign, {', '.join(state.waiting)} stands by")]


def check_ledger(case: Case) -> list[Finding]:
    """Is there a ledger, and how far back is its last checkpoint? Its content is `hansa verify`'s."""
    if not any((case.data / "blocks").glob("*.seg")):
        cure = "start the node: it fetches everything from the others; or hansa backup restore"
        return [Finding("ledger", Level.WARN, "there is no block log", cure)]
    heights = sorted(int(path.stem) for path in (case.data / "checkpoints").glob("*.ckpt") if path.stem.isdecimal())
    found = []
    if not heights:
        found.append(Finding("ledger", Level.WARN, "there is no checkpoint: a start takes long", "let the node run"))
    else:
        found.append(Finding("ledger", Level.GOOD, f"block log, checkpoint at block {heights[-1]}"))
    aside = case.data / "quarantine"
    if aside.is_dir() and any(aside.iterdir()):
        found.append(Finding("ledger", Level.WARN, f"{aside} keeps what was set aside", "delete it when all is well"))
    own = "0x" + genesis_hash_of(case.genesis_bytes).hex()
    if case.status is not None and case.status["genesisHash"] != own:
        found.append(Finding("ledger", Level.BAD, "the process runs with another genesis", "restart the node"))
    return found


def check_evidence(case: Case) -> list[Finding]:
    """Proofs that a validator lied, the latest few of them."""
    found = []
    kept = list_evidence(case.data / EVIDENCE_FOLDER)
    for path in sorted(kept, key=lambda path: path.stat().st_mtime)[-EVIDENCE_SHOWN_MAX:]:
        try:
            what, cure = tell_evidence(verify_evidence(path, case.genesis_bytes, case.data)), "show it to the others: "
        except HansaError as error:
            what, cure = f"{path.name} proves nothing: {error.cause}", "look at it: "
        found.append(Finding("evidence", Level.WARN, what, f"{cure}hansa evidence verify {path}"))
    return found or [Finding("evidence", Level.GOOD, "no validator was seen to lie")]


def check_peers(case: Case) -> list[Finding]:
    """Is everybody linked? Who is not, is dialled from here."""
    if len(case.genesis.validators) == 1:
        return []
    linked = {one["name"] for one in case.validators if one["connected"]}
    missing = [peer for peer in case.config.peers if peer.name not in linked]
    if case.status is not None and not missing:
        return [Finding("peers", Level.GOOD, f"linked with all {max(len(case.config.peers), len(linked) - 1)}")]
    found = []
    for peer in missing:
        trouble = _dial(peer.address)
        if trouble is None and case.status is None:
            continue  # the node is not running: nothing is linked, and the address answers
        what = f"{peer.name} at {peer.address}: " + (trouble or "it answers, and is not linked")
        cure = "is it running? compare `listen` there with [[peers]] here, and firewalls"
        if trouble is None:
            cure = "compare genesis.json and certificates on both sides: hansa logs --code NET-*"
        found.append(Finding("peers", Level.WARN, what, cure))
    return found or [Finding("peers", Level.GOOD, "every address answers")]


def _dial(text: str) -> str | None:
    """Why nobody answers at an address, None if somebody does."""
    address = parse_address(text)
    try:
        socket.create_connection((address.host, address.port), DIAL_S).close()
    except OSError as error:
        return error.strerror or str(error)
    return None


def check_log(case: Case) -> list[Finding]:
    """The last words of the log that were no good news."""
    entries, _ = read_entries(case.folder.log, case.config.name)
    bad = [entry for entry in entries if entry.get("level") in ("error", "critical")]
    if not bad:
        return []
    last = bad[-1]
    what = f"last error {last.get('code', '')} of {last.get('ts', '?')}: {last.get('what', '')}"
    return [Finding("log", Level.WARN, what, f"hansa logs --code {last['code']}" if last.get("code") else "hansa logs")]


def _bad(check: str, error: HansaError) -> Finding:
    return Finding(check, Level.BAD, f"{error.code}: {error.cause}", error.hint)


CHECKS: tuple[Callable[[Case], list[Finding]], ...] = (
    check_process,
    check_version,
    check_keys,
    check_certificates,
    check_clock,
    check_disk,
    check_votes,
    check_ledger,
    check_evidence,
    check_peers,
    check_log,
)
