"""`hansa doctor` names what is wrong with a node and the next step, and its bundle holds no secret in any form."""

import base64
import dataclasses
import datetime
import gzip
import os
import tarfile
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from hansa.alliance.layout import NodeFolder
from hansa.cli.app import run
from hansa.cli.recovery import doctor
from hansa.cli.recovery.bundle import REDACTED, write_bundle
from hansa.cli.recovery.doctor import Case, Finding, Level, diagnose
from hansa.cli.setup import genesis_hash_of
from hansa.consensus.evidence import encode_evidence, evidence_name
from hansa.consensus.signer import VoteDomain
from hansa.consensus.values import Equivocation, SignedVote, Vote, VoteType
from hansa.crypto.suite import Suite, keccak256, sign
from hansa.io.evidence_folder import EVIDENCE_FOLDER, keep_evidence
from hansa.io.key_file import load_consensus_key
from hansa.node.assemble import GROUP

STATUS: dict[str, Any] = {
    "height": 7, "view": 0, "halted": None, "paused": None, "quarantine": None, "syncing": False,
    "version": doctor.__version__, "genesisHash": "0x",
}  # fmt: skip


@pytest.fixture
def case(folder: NodeFolder) -> Case:
    found, _ = diagnose(folder.root)
    assert found is not None
    return found


def of(findings: list[Finding], check: str) -> list[Finding]:
    return [finding for finding in findings if finding.check == check]


def worst(findings: list[Finding]) -> Level:
    levels = [finding.level for finding in findings]
    return next((level for level in (Level.BAD, Level.WARN) if level in levels), Level.GOOD)


def test_a_stopped_node_that_is_well(folder: NodeFolder) -> None:
    _, findings = diagnose(folder.root)
    assert {f.check for f in findings if f.level is Level.GOOD} >= {
        "config",
        "keys",
        "certificates",
        "votes",
        "version",
    }
    assert worst(findings) is Level.WARN  # it does not run
    assert all(finding.cure for finding in findings if finding.level is not Level.GOOD)


def test_a_key_that_others_may_read(folder: NodeFolder) -> None:
    folder.consensus_key.chmod(0o644)
    (finding,) = of(diagnose(folder.root)[1], "keys")
    assert finding.level is Level.BAD and "0644" in finding.what and "chmod 600" in finding.cure


def test_a_configuration_that_does_not_hold_is_all_there_is(folder: NodeFolder) -> None:
    folder.config.write_text(folder.config.read_text() + "\nprots = 1\n")
    case, findings = diagnose(folder.root)
    assert case is None and [finding.check for finding in findings] == ["config"]


def test_votes_that_were_lost(folder: NodeFolder) -> None:
    for segment in folder.votes.glob("*.seg"):
        segment.unlink()
    (finding,) = of(diagnose(folder.root)[1], "votes")
    assert finding.level is Level.WARN and "quarantine" in finding.cure


@pytest.mark.parametrize(("days", "level"), [(-1, Level.BAD), (10, Level.WARN), (400, Level.GOOD)])
def test_dates_of_certificates(case: Case, monkeypatch: pytest.MonkeyPatch, days: int, level: Level) -> None:
    certificate = x509.load_pem_x509_certificate(case.folder.tls_certificate.read_bytes())
    now = certificate.not_valid_after_utc - datetime.timedelta(days=days, minutes=1)

    class Clock(datetime.datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime.datetime:
            return now

    monkeypatch.setattr(doctor.datetime, "datetime", Clock)
    assert worst(doctor.check_certificates(case)) is level


@pytest.mark.parametrize(
    ("offsets", "level"), [([3, -5, 8], Level.GOOD), ([400, 380, 9_000], Level.WARN), ([-1_500] * 3, Level.BAD)]
)
def test_clocks(case: Case, offsets: list[int], level: Level) -> None:
    rows = [{"name": "x", "connected": True, "clockOffsetMs": offset} for offset in [None, *offsets]]
    (finding,) = doctor.check_clock(with_facts(case, status=STATUS, validators=rows))
    assert finding.level is level


def with_facts(case: Case, **changes: Any) -> Case:
    return dataclasses.replace(case, **changes)


@pytest.mark.parametrize(("free", "level"), [(1 << 20, Level.BAD), (500 << 20, Level.WARN), (9 << 30, Level.GOOD)])
def test_room_on_the_disk(case: Case, monkeypatch: pytest.MonkeyPatch, free: int, level: Level) -> None:
    facts = (4096, 4096, 10 << 20, free // 4096, free // 4096, 1000, 1000, 1000, 0, 255)
    monkeypatch.setattr(os, "statvfs", lambda path: os.statvfs_result(facts))
    (finding,) = doctor.check_disk(case)
    assert finding.level is level


@pytest.mark.parametrize(
    ("said", "level"),
    [
        ({}, Level.GOOD),
        ({"halted": "CONSENSUS-11: a split"}, Level.BAD),
        ({"paused": "DISK-1: full"}, Level.BAD),
        ({"quarantine": "the vote log was lost"}, Level.WARN),
        ({"syncing": True}, Level.WARN),
    ],
)
def test_what_a_running_node_says(case: Case, said: dict[str, Any], level: Level) -> None:
    assert worst(doctor.check_process(with_facts(case, pid=1, status=STATUS | said))) is level


def test_a_process_that_does_not_answer(case: Case) -> None:
    (finding,) = doctor.check_process(with_facts(case, pid=1))
    assert finding.level is Level.BAD


def test_peers_that_nobody_reaches(case: Case) -> None:
    found = doctor.check_peers(case)
    assert len(found) == 3 and worst(found) is Level.WARN
    assert all("refused" in finding.what for finding in found)


def test_the_last_error_of_the_log(case: Case) -> None:
    case.folder.log.write_text('{"level": "critical", "code": "DISK-2", "what": "no", "ts": "2026-01-01"}\n')
    (finding,) = doctor.check_log(case)
    assert "DISK-2" in finding.what and finding.cure == "hansa logs --code DISK-2"


def test_a_bundle_holds_no_secret_in_any_form(folder: NodeFolder, tmp_path: Path) -> None:
    token = b"9f2c-a-long-token-of-an-operator"
    (folder.root / "token").write_bytes(token + b"\n")
    (folder.root / "token").chmod(0o600)
    folder.config.write_text(folder.config.read_text() + '\n[rpc]\ntoken_file = "token"\n')
    digits = folder.consensus_key.read_bytes().strip().removeprefix(b"0x")
    raw = bytes.fromhex(digits.decode())
    key = serialization.load_pem_private_key(folder.tls_key.read_bytes(), None)
    der = key.private_bytes(serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    pem_lines = [line for line in folder.tls_key.read_bytes().splitlines() if b"-----" not in line]
    secrets = [token, digits, digits.upper(), raw, base64.b64encode(raw), str(int.from_bytes(raw)).encode(), der]
    secrets += pem_lines
    later = b"7e" * 32
    folder.next_consensus_key("0badcafe").write_bytes(b"0x" + later + b"\n")
    secrets.append(later)
    folder.log.write_bytes(b"\n".join([b"a crash spilled:", *secrets, folder.tls_key.read_bytes(), b"the end"]))
    case, findings = diagnose(folder.root)
    target = tmp_path / "bundle.tar.gz"
    names = write_bundle(folder.root, findings, case, target)
    content = gzip.decompress(target.read_bytes())
    for secret in secrets:
        assert secret not in content
    assert b"a crash spilled:" in content and b"the end" in content and REDACTED in content
    assert target.stat().st_mode & 0o077 == 0
    with tarfile.open(target) as tar:
        assert [member.name.removeprefix("hansa-bundle/") for member in tar] == names
    assert not [name for name in names if "key" in name or "token" in name or "vote" in name]


def test_the_command(folder: NodeFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "bundle.tar.gz"
    assert run(["doctor", str(folder.root), "--bundle", str(target), "--json"]) == 0
    facts = msgspec.json.decode(capsys.readouterr().out)
    assert facts["bundle"] == str(target) and "findings.json" in facts["contents"]
    folder.tls_key.chmod(0o644)
    assert run(["doctor", str(folder.root)]) == 1
    said = capsys.readouterr()
    assert "→ chmod 600" in said.out and "CLI-16" in said.err


def test_a_proof_that_a_validator_lied(case: Case, capsys: pytest.CaptureFixture[str]) -> None:
    (clean,) = doctor.check_evidence(case)
    assert clean.level is Level.GOOD
    path = write_lie(case)
    (finding,) = doctor.check_evidence(case)
    assert finding.level is Level.WARN and case.config.name in finding.what and str(path) in finding.cure
    assert run(["evidence", "verify", str(path)]) == 0
    assert "signed two PREPARE votes for block 9, view 7" in capsys.readouterr().out
    path.write_bytes(path.read_bytes().replace(b'"height": 9', b'"height": 8'))
    (finding,) = doctor.check_evidence(case)
    assert "proves nothing" in finding.what
    assert run(["evidence", "verify", str(path), "--genesis", str(case.folder.genesis)]) == 2
    assert "CONSENSUS-3" in capsys.readouterr().err


def test_a_proof_of_a_later_epoch_asks_whose_key_it_was(case: Case) -> None:
    write_lie(case, epoch=3)
    (finding,) = doctor.check_evidence(case)
    assert "does not know the keys of epoch 3" in finding.what


def write_lie(case: Case, epoch: int = 0) -> Path:
    """Two PREPAREs of the node's own key, in its own folder."""
    domain = VoteDomain(genesis_hash_of(case.genesis_bytes), keccak256(GROUP), Suite.STANDARD, keccak256)
    index = case.config.index
    pair = load_consensus_key(case.folder.consensus_key, case.genesis.public_keys()[index])
    votes = [Vote(VoteType.PREPARE, epoch, 7, 9, bytes((content,)) * 32) for content in (1, 2)]
    first, second = (SignedVote(vote, index, sign(pair.secret, domain.digest(vote))) for vote in votes)
    proof = Equivocation(first, second)
    content = encode_evidence(proof, genesis_hash_of(case.genesis_bytes), case.config.name, pair.public, 1)
    path = keep_evidence(case.data / EVIDENCE_FOLDER, evidence_name(proof), content)
    assert path is not None
    return path
