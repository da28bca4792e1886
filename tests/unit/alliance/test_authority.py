"""Certificates do what they are for, and nothing else; private files are private."""

import datetime
import ssl
import stat
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from hansa.alliance.authority import (
    create_authority,
    is_signed_by_authority,
    issue_node_certificate,
    sign_with_authority,
)
from hansa.alliance.errors import FolderTaken
from hansa.alliance.files import write_private, write_public
from hansa.alliance.founding import FoundedOrganisation, found_organisation
from hansa.alliance.layout import AllianceFolder
from hansa.alliance.model import Alliance

NOW = datetime.datetime.now(datetime.UTC)


def handshake(tmp_path: Path, server_ca: str, client_ca: str) -> str | None:
    """TLS 1.3 in memory between a server and a client with certificates of two organisations; the version agreed."""
    authorities = {name: create_authority(name, "trade", NOW) for name in ("alpha", "beta", "stranger")}
    known = "".join(authorities[name].certificate_pem.decode() for name in ("alpha", "beta"))
    contexts = []
    for side, owner in ((ssl.PROTOCOL_TLS_SERVER, server_ca), (ssl.PROTOCOL_TLS_CLIENT, client_ca)):
        node = issue_node_certificate(authorities[owner], f"{owner}-0", "127.0.0.1", "trade", NOW)
        (tmp_path / f"{owner}.crt").write_bytes(node.certificate_pem)
        (tmp_path / f"{owner}.key").write_bytes(node.key_pem)
        context = ssl.SSLContext(side)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.load_verify_locations(cadata=known)
        context.load_cert_chain(tmp_path / f"{owner}.crt", tmp_path / f"{owner}.key")
        context.verify_mode = ssl.CERT_REQUIRED
        contexts.append(context)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = contexts[0].wrap_bio(to_server, to_client, server_side=True)
    client = contexts[1].wrap_bio(to_client, to_server, server_hostname=f"{server_ca}-0")
    waiting = [client, server]
    for _ in range(10):
        for end in list(waiting):
            try:
                end.do_handshake()
                waiting.remove(end)
            except ssl.SSLWantReadError:
                continue
    return client.version() if not waiting else None


def test_members_agree_on_tls_1_3(tmp_path: Path) -> None:
    assert handshake(tmp_path, "alpha", "beta") == "TLSv1.3"


def test_a_stranger_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(tmp_path, "alpha", "stranger")


def test_a_node_certificate_names_its_host_and_signs_nothing() -> None:
    authority = create_authority("alpha", "trade", NOW)
    made = issue_node_certificate(authority, "alpha-0", "10.1.2.3", "trade", NOW)
    certificate = x509.load_pem_x509_certificate(made.certificate_pem)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["alpha-0"]
    assert [str(ip) for ip in names.get_values_for_type(x509.IPAddress)] == ["10.1.2.3"]
    assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert not certificate.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
    assert certificate.not_valid_after_utc > NOW + datetime.timedelta(days=800)
    assert isinstance(certificate.public_key(), ec.EllipticCurvePublicKey)
    certificate.verify_directly_issued_by(authority.certificate)


def test_an_authority_signs_for_its_organisation() -> None:
    authority = create_authority("alpha", "trade", NOW)
    signature = sign_with_authority(authority, b"word")
    assert is_signed_by_authority(authority.certificate, b"word", signature)
    assert not is_signed_by_authority(authority.certificate, b"other", signature)
    other = create_authority("alpha", "trade", NOW)
    assert not is_signed_by_authority(other.certificate, b"word", signature)


def test_every_private_file_is_0600_and_every_key_its_own(founded: dict[str, tuple[Path, FoundedOrganisation]]) -> None:
    seen: set[bytes] = set()
    for root, _ in founded.values():
        keys = sorted(root.rglob("*.key"))
        assert {path.name for path in keys} == {"ca.key", "tls.key", "consensus.key"}
        for path in keys:
            assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
            assert path.read_bytes() not in seen
            seen.add(path.read_bytes())


def test_keys_are_never_replaced(founded: dict[str, tuple[Path, FoundedOrganisation]], terms: Alliance) -> None:
    root, _ = founded["alpha"]
    before = (root / "orgs/alpha/ca/ca.key").read_bytes()
    with pytest.raises(FolderTaken):
        found_organisation(AllianceFolder(root), terms, "alpha", [], NOW)
    with pytest.raises(FolderTaken):
        write_private(root / "orgs/alpha/ca/ca.key", b"other")
    assert (root / "orgs/alpha/ca/ca.key").read_bytes() == before


def test_a_public_file_is_replaced_in_one_step(tmp_path: Path) -> None:
    write_public(tmp_path / "x", b"1")
    write_public(tmp_path / "x", b"2")
    assert (tmp_path / "x").read_bytes() == b"2"
    assert [path.name for path in tmp_path.iterdir()] == ["x"]
