"""TLS 1.3 with certificates on both sides, and which validator a certificate stands for.

OpenSSL checks chain and validity against the CAs of genesis, and nothing else is trusted. Because every organisation
has its own CA, a valid chain is not enough: `Roster.identify` demands that the certificate was issued by the CA of the
very organisation whose node it names, and has the fingerprint that genesis binds where it binds one.
"""

import ssl
from collections.abc import Sequence
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import ExtensionOID, NameOID

from hansa.io.errors import UnusableCertificate
from hansa.io.private_files import check_private
from hansa.network.errors import RefusedPeer

ALPN_PROTOCOL = "hansa/1"


class Member(msgspec.Struct, frozen=True):
    """One validator as TLS sees it."""

    index: int
    name: str  # in the certificate's common name or a DNS name of it
    organisation: str
    ca_certificate_pem: str  # of the organisation, from genesis
    fingerprint: bytes | None = None  # SHA-256 of the node certificate (DER) where genesis binds it


class Roster:
    """All validators' TLS identities."""

    def __init__(self, members: Sequence[Member]) -> None:
        """Parse every CA.

        Raises
        ------
        UnusableCertificate: a CA certificate of genesis is malformed.
        """
        self.members = tuple(members)
        self._authorities: dict[int, x509.Certificate] = {}
        for member in members:
            try:
                authority = x509.load_pem_x509_certificate(member.ca_certificate_pem.encode())
            except ValueError as error:
                raise UnusableCertificate(f"the CA of {member.organisation} in genesis is malformed") from error
            self._authorities[member.index] = authority

    def authorities_pem(self) -> str:
        """The CAs of all organisations, as OpenSSL wants them."""
        return "\n".join(dict.fromkeys(member.ca_certificate_pem.strip() for member in self.members)) + "\n"

    def identify(self, certificate_der: bytes) -> int:
        """Return the index of the validator whose certificate this is.

        Raises
        ------
        RefusedPeer: it names no validator, or was not issued by that validator's organisation.
        """
        try:
            certificate = x509.load_der_x509_certificate(certificate_der)
            names = _names_of(certificate)
        except ValueError as error:
            raise RefusedPeer("a certificate that cannot be read") from error
        for member in self.members:
            if member.name in names and self._belongs(certificate, member):
                return member.index
        raise RefusedPeer(f"the certificate of {sorted(names)} is no validator's", "genesis lists the validators")

    def _belongs(self, certificate: x509.Certificate, member: Member) -> bool:
        if member.fingerprint is not None and certificate.fingerprint(hashes.SHA256()) != member.fingerprint:
            return False
        try:
            certificate.verify_directly_issued_by(self._authorities[member.index])
        except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
            return False
        return True


def _names_of(certificate: x509.Certificate) -> set[str]:
    names = {str(attribute.value) for attribute in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)}
    try:
        extension = certificate.extensions.get_extension_for_oid(ExtensionOID.SUBJECT_ALTERNATIVE_NAME)
    except x509.ExtensionNotFound:
        return names
    if isinstance(extension.value, x509.SubjectAlternativeName):
        names.update(extension.value.get_values_for_type(x509.DNSName))
    return names


class TlsContexts(msgspec.Struct, frozen=True):
    """The two sides of this node's TLS."""

    server: ssl.SSLContext
    client: ssl.SSLContext
    roster: Roster


def open_tls(certificate: Path, key: Path, roster: Roster, own: int) -> TlsContexts:
    """Load this node's certificate and key and check that they are validator `own`'s.

    Raises
    ------
    UnusableKeyFile: the key is missing or readable by others.
    UnusableCertificate: the certificate is missing, malformed, not the key's, or not this validator's.
    """
    check_private(key)
    try:
        der = ssl.PEM_cert_to_DER_cert(certificate.read_text())
    except (OSError, ValueError) as error:
        raise UnusableCertificate(f"{certificate} cannot be read as a certificate", "run `hansa init` again") from error
    try:
        identified = roster.identify(der)
    except RefusedPeer as error:
        raise UnusableCertificate(f"{certificate}: {error.cause}", "does genesis know this certificate?") from error
    if identified != own:
        raise UnusableCertificate(f"{certificate} belongs to validator {identified}, this node is {own}")
    server, client = _make_contexts(certificate, key, roster.authorities_pem(), ALPN_PROTOCOL)
    return TlsContexts(server, client, roster)


class OwnTls(msgspec.Struct, frozen=True):
    """TLS between processes of one validator, which all show its certificate."""

    server: ssl.SSLContext
    client: ssl.SSLContext
    certificate: bytes  # DER


def open_own_tls(certificate: Path, key: Path, alpn_protocol: str) -> OwnTls:
    """Load a certificate and its key, and trust that very certificate alone.

    Raises
    ------
    UnusableKeyFile: the key is missing or readable by others.
    UnusableCertificate: the certificate is missing, malformed or not the key's.
    """
    check_private(key)
    try:
        pem = certificate.read_text()
        der = ssl.PEM_cert_to_DER_cert(pem)
    except (OSError, ValueError) as error:
        raise UnusableCertificate(f"{certificate} cannot be read as a certificate", "run `hansa init` again") from error
    server, client = _make_contexts(certificate, key, pem, alpn_protocol)
    for context in (server, client):
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # it is no authority, and needs none above it
    return OwnTls(server, client, der)


def check_trustable(authority: str) -> None:
    """Check that OpenSSL can read an authority (PEM): it is stricter than others, and one that it cannot read would
    cost a node all its links.

    Raises
    ------
    UnusableCertificate: it cannot.
    """
    _trust(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), authority)


def _trust(context: ssl.SSLContext, trusted: str) -> None:
    try:
        context.load_verify_locations(cadata=trusted)
    except (ssl.SSLError, ValueError) as error:
        raise UnusableCertificate(f"OpenSSL cannot read a trusted certificate: {error}") from error


def _make_contexts(certificate: Path, key: Path, trusted: str, alpn_protocol: str) -> tuple[ssl.SSLContext, ...]:
    """The server's and the client's side; `trusted` is PEM."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.num_tickets = 0  # every link shows its certificate anew
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False  # the certificate says who it is, addresses may move
    for context in (server, client):
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.verify_mode = ssl.CERT_REQUIRED
        _trust(context, trusted)
        context.set_alpn_protocols([alpn_protocol])
        try:
            context.load_cert_chain(certificate, key)
        except (ssl.SSLError, OSError) as error:
            raise UnusableCertificate(f"{certificate} and {key} do not fit: {error}") from error
    return server, client
