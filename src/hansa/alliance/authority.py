"""Certificates: each organisation is its own authority and signs for its own nodes, nobody else's.

EC P-256, as every TLS 1.3 stack has it. The authority may not found further authorities (path length 0).
"""

import datetime
import ipaddress
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from hansa.alliance.errors import InvalidPublicPart

AUTHORITY_VALID_DAYS = 3_650
NODE_VALID_DAYS = 825
CLOCK_SKEW = datetime.timedelta(hours=1)

# Everything that the library raises for bytes from outside that are no certificate, or one that it cannot use.
_UNUSABLE = (
    ValueError,
    TypeError,
    InvalidSignature,
    UnsupportedAlgorithm,
    x509.ExtensionNotFound,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)


@dataclass(frozen=True, slots=True, repr=False)
class Authority:
    """An organisation's certificate authority with its private key."""

    organisation: str
    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @property
    def certificate_pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        return _key_pem(self.key)


@dataclass(frozen=True, slots=True, repr=False)
class NodeCertificate:
    """A node's TLS identity with its private key."""

    key_pem: bytes
    certificate_pem: bytes
    fingerprint: bytes  # 32 bytes, SHA-256 of the DER certificate


def create_authority(organisation: str, alliance: str, now: datetime.datetime) -> Authority:
    """Make an organisation's authority: a fresh key and a certificate signed with it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name(f"{organisation} authority", organisation, alliance)
    usage = x509.KeyUsage(
        digital_signature=True, key_cert_sign=True, crl_sign=True, content_commitment=False, key_encipherment=False,
        data_encipherment=False, key_agreement=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    certificate = (
        _builder(name, name, key.public_key(), now, AUTHORITY_VALID_DAYS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return Authority(organisation, key, certificate)


def load_authority(organisation: str, key_pem: bytes, certificate_pem: bytes) -> Authority:
    """An organisation's authority from its two files.

    Raises
    ------
    InvalidPublicPart: the certificate is no authority's, or the key is not its key.
    """
    certificate = check_authority_certificate(organisation, certificate_pem.decode(errors="replace"))
    try:
        key = serialization.load_pem_private_key(key_pem, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise InvalidPublicPart(f"the CA key of {organisation} cannot be read") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
        raise InvalidPublicPart(f"the CA key of {organisation} is not that of its certificate")
    return Authority(organisation, key, certificate)


def issue_node_certificate(
    authority: Authority, node: str, host: str, alliance: str, now: datetime.datetime
) -> NodeCertificate:
    """Make a node's TLS key and have its organisation sign it, for the node's name and its host."""
    key = ec.generate_private_key(ec.SECP256R1())
    usage = x509.KeyUsage(
        digital_signature=True, key_cert_sign=False, crl_sign=False, content_commitment=False, key_encipherment=False,
        data_encipherment=False, key_agreement=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    both_ends = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    issuer_key = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.key.public_key())
    subject = _name(node, authority.organisation, alliance)
    certificate = (
        _builder(subject, authority.certificate.subject, key.public_key(), now, NODE_VALID_DAYS)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage(both_ends), critical=False)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(node), *_host_names(host)]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(issuer_key, critical=False)
        .sign(authority.key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    return NodeCertificate(_key_pem(key), pem, certificate.fingerprint(hashes.SHA256()))


def check_authority_certificate(organisation: str, pem: str) -> x509.Certificate:
    """Check that a certificate from outside can be an organisation's authority.

    Raises
    ------
    InvalidPublicPart: malformed, no authority, may found further authorities, not EC P-256, or not signed by itself.
    """
    try:
        certificate = x509.load_pem_x509_certificate(pem.encode())
        limits = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
        certificate.verify_directly_issued_by(certificate)
        key = certificate.public_key()
    except _UNUSABLE as error:
        raise InvalidPublicPart(f"the CA certificate of {organisation} does not hold: {error!r}") from None
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise InvalidPublicPart(f"the CA key of {organisation} is not EC P-256")
    if not limits.ca or limits.path_length != 0:
        raise InvalidPublicPart(f"the CA certificate of {organisation} must be a CA with path length 0")
    return certificate


def sign_with_authority(authority: Authority, message: bytes) -> bytes:
    """An organisation's word: ECDSA P-256 over SHA-256 of `message`, DER."""
    return authority.key.sign(message, ec.ECDSA(hashes.SHA256()))


def is_signed_by_authority(certificate: x509.Certificate, message: bytes, signature: bytes) -> bool:
    """Whether `signature` over `message` is the authority's."""
    key = certificate.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey):
        return False
    try:
        key.verify(signature, message, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


def fingerprint_of(certificate: x509.Certificate) -> bytes:
    """SHA-256 of the DER certificate, 32 bytes."""
    return certificate.fingerprint(hashes.SHA256())


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime.datetime, days: int
) -> x509.CertificateBuilder:
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(key)
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - CLOCK_SKEW)
    return builder.not_valid_after(now + datetime.timedelta(days=days))


def _name(common: str, organisation: str, alliance: str) -> x509.Name:
    attributes = [(NameOID.ORGANIZATION_NAME, organisation), (NameOID.ORGANIZATIONAL_UNIT_NAME, alliance)]
    return x509.Name([x509.NameAttribute(oid, value) for oid, value in [*attributes, (NameOID.COMMON_NAME, common)]])


def _host_names(host: str) -> list[x509.GeneralName]:
    try:
        return [x509.IPAddress(ipaddress.ip_address(host))]
    except ValueError:
        return [x509.DNSName(host)]


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
