"""What one organisation shows the others so that all can build the same genesis: public facts and three proofs.

Every node's consensus key signs the part (it is held by whoever made the part), the organisation's authority signs it
(nobody changed it on its way), and the terms inside say to which alliance the organisation agreed. That the part comes
from the organisation it names is for people to check, by its fingerprint, over a channel they trust.
"""

import json
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from hansa.alliance.authority import (
    Authority,
    check_authority_certificate,
    fingerprint_of,
    is_signed_by_authority,
    sign_with_authority,
)
from hansa.alliance.errors import InvalidPublicPart
from hansa.alliance.model import Alliance, Name
from hansa.crypto.errors import InvalidKey
from hansa.crypto.suite import KeyPair, is_signature_valid, keccak256, sign

PROOF_DOMAIN = b"hansa/public-part/1"
PART_BYTES_MAX = 4 << 20

Hex20 = Annotated[str, Meta(pattern="^0x[0-9a-f]{40}$")]
Hex32 = Annotated[str, Meta(pattern="^0x[0-9a-f]{64}$")]
Hex33 = Annotated[str, Meta(pattern="^0x0[23][0-9a-f]{64}$")]
Hex64 = Annotated[str, Meta(pattern="^0x[0-9a-f]{128}$")]
HexBytes = Annotated[str, Meta(pattern="^0x([0-9a-f]{2})+$", max_length=1_024)]


class PublicNode(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What others must know of a node."""

    name: Name
    public_key: Hex33  # consensus key, compressed
    account: Hex20  # beneficiary of the blocks that it proposes
    tls_certificate_fingerprint: Hex32  # SHA-256 of the DER certificate


class PublicPart(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`ORG.public.json`."""

    version: Literal[1]
    terms: Alliance  # the alliance.toml to which the organisation agreed
    organisation: Name
    ca_certificate_pem: Annotated[str, Meta(max_length=16_384)]
    nodes: Annotated[tuple[PublicNode, ...], Meta(min_length=1, max_length=100)]
    accounts: Annotated[tuple[Hex20, ...], Meta(max_length=1_000)]  # of its users; each gets the alliance's credit
    proofs: tuple[Hex64, ...] = ()  # one per node, by its consensus key
    authority_signature: HexBytes | None = None  # over everything else, DER


def build_public_part(
    terms: Alliance,
    authority: Authority,
    nodes: Sequence[tuple[str, KeyPair, bytes]],
    accounts: Sequence[bytes],
) -> PublicPart:
    """Make an organisation's part.

    Parameters
    ----------
    nodes: name, consensus key and TLS certificate fingerprint (32 bytes) of each node.
    accounts: 20-byte addresses of the organisation's users.
    """
    part = PublicPart(
        version=1,
        terms=terms,
        organisation=authority.organisation,
        ca_certificate_pem=authority.certificate_pem.decode(),
        nodes=tuple(
            PublicNode(name, _hex(pair.public), _hex(pair.address), _hex(fingerprint))
            for name, pair, fingerprint in nodes
        ),
        accounts=tuple(_hex(account) for account in accounts),
    )
    digest = _proof_digest(part)
    part = msgspec.structs.replace(part, proofs=tuple(_hex(sign(pair.secret, digest)) for _, pair, _ in nodes))
    signature = sign_with_authority(authority, _signed_bytes(part))
    return msgspec.structs.replace(part, authority_signature=_hex(signature))


def encode_public_part(part: PublicPart) -> bytes:
    """The bytes of the file."""
    return canonical_json(msgspec.to_builtins(part))


def decode_public_part(data: bytes, file: str) -> PublicPart:
    """Read a part and check every proof in it.

    Raises
    ------
    InvalidPublicPart: too large, malformed, or a proof does not verify.
    """
    if len(data) > PART_BYTES_MAX:
        raise InvalidPublicPart(f"{file} is larger than {PART_BYTES_MAX >> 20} MiB", "is it the right file?")
    try:
        part = msgspec.json.decode(data, type=PublicPart, strict=True)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidPublicPart(f"{file}: {error}", "ask the organisation to export it again") from None
    _check_proofs(part, file)
    return part


def _check_proofs(part: PublicPart, file: str) -> None:
    certificate = check_authority_certificate(part.organisation, part.ca_certificate_pem)
    signature = bytes.fromhex((part.authority_signature or "0x")[2:])
    if not is_signed_by_authority(certificate, _signed_bytes(part), signature):
        raise InvalidPublicPart(
            f"{file}: the signature of {part.organisation}'s authority does not verify",
            "the file was changed on its way: ask for it again",
        )
    expected = [node.name for node in part.terms.organisation(part.organisation).nodes]
    if [node.name for node in part.nodes] != expected or len(part.proofs) != len(part.nodes):
        raise InvalidPublicPart(f"{file}: it must hold exactly the nodes {', '.join(expected)}, each with its proof")
    digest = _proof_digest(part)
    for node, proof in zip(part.nodes, part.proofs, strict=True):
        try:
            holds = is_signature_valid(bytes.fromhex(node.public_key[2:]), digest, bytes.fromhex(proof[2:]))
        except InvalidKey:
            holds = False
        if not holds:
            raise InvalidPublicPart(f"{file}: node {node.name} does not prove that it holds its consensus key")


def part_fingerprint(part: PublicPart) -> str:
    """What people compare by telephone: SHA-256 of the organisation's CA certificate."""
    return _hex(fingerprint_of(check_authority_certificate(part.organisation, part.ca_certificate_pem)))


def canonical_json(value: Any) -> bytes:
    """One text for one value, the same on every machine: keys sorted, ASCII, one space of indentation."""
    return json.dumps(value, sort_keys=True, indent=1, ensure_ascii=True, allow_nan=False).encode() + b"\n"


def _proof_digest(part: PublicPart) -> bytes:
    unproven = msgspec.structs.replace(part, proofs=(), authority_signature=None)
    return keccak256(PROOF_DOMAIN + keccak256(encode_public_part(unproven)))


def _signed_bytes(part: PublicPart) -> bytes:
    return PROOF_DOMAIN + encode_public_part(msgspec.structs.replace(part, authority_signature=None))


def _hex(data: bytes) -> str:
    return "0x" + data.hex()
