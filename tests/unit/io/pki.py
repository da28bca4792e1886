"""Certificates for tests: organisations with a CA each, and node certificates that they issue."""

import datetime
import ssl
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DAY = datetime.timedelta(days=1)


@dataclass(frozen=True)
class Authority:
    """One organisation's CA."""

    name: str
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()


def _subject(common: str, organisation: str) -> x509.Name:
    names = [(NameOID.COMMON_NAME, common), (NameOID.ORGANIZATION_NAME, organisation)]
    return x509.Name([x509.NameAttribute(oid, value) for oid, value in names])


def _builder(subject: x509.Name, issuer: x509.Name, public: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - DAY)
        .not_valid_after(now + 3650 * DAY)
    )


def make_authority(name: str) -> Authority:
    """Make an organisation's CA."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _subject(f"{name} CA", name)
    builder = _builder(subject, subject, key.public_key())
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    return Authority(name, key, builder.sign(key, hashes.SHA256()))


def issue(authority: Authority, name: str, folder: Path) -> x509.Certificate:
    """Write tls.key and tls.crt of node `name` into `folder`."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = _subject(name, authority.name)
    builder = _builder(subject, authority.certificate.subject, key.public_key())
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
    certificate = builder.sign(authority.key, hashes.SHA256())
    folder.mkdir(parents=True, exist_ok=True)
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "tls.key").write_bytes(secret)
    (folder / "tls.key").chmod(0o600)
    (folder / "tls.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return certificate


def make_unreadable_authority(name: str) -> str:
    """A CA (PEM) whose name is no UTF-8: `cryptography` does not mind, OpenSSL refuses it and all beside it."""
    whole = make_authority(name)
    strange = bytes((0xFF,)) * len(name)
    signed = whole.certificate.tbs_certificate_bytes.replace(name.encode(), strange)
    signature = whole.key.sign(signed, ec.ECDSA(hashes.SHA256()))
    algorithm = bytes.fromhex("300a06082a8648ce3d040302")  # ecdsa-with-SHA256
    return ssl.DER_cert_to_PEM_cert(_der(0x30, signed + algorithm + _der(0x03, b"\0" + signature)))


def _der(tag: int, body: bytes) -> bytes:
    """One DER value of up to 127 bytes, or of 256 to 65,535."""
    return bytes((tag, len(body)) if len(body) < 128 else (tag, 0x82, *len(body).to_bytes(2))) + body
