"""The signature and hash suites of accounts and validators. The native core computes; this is its typed door.

A suite is a value of the chain and of the account from the first line; only the standard one is filled in so far.
"""

from dataclasses import dataclass
from enum import IntEnum

from hansa import _native
from hansa.crypto.errors import InvalidKey

SECRET_BYTES = 32
PUBLIC_BYTES = 33
ADDRESS_BYTES = 20
SIGNATURE_BYTES = 64
DIGEST_BYTES = 32

# Order of the secp256k1 group (SEC 2, section 2.4.1): a secret is a number from 1 to this, exclusive.
SECP256K1_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
SECP256K1_FIELD = 2**256 - 2**32 - 977  # its coordinates are numbers below this; the curve is y^2 = x^3 + 7


class Suite(IntEnum):
    """Identifiers as they stand in genesis and in every vote digest."""

    STANDARD = 0  # secp256k1 ECDSA, keccak-256


@dataclass(frozen=True, slots=True, repr=False)
class KeyPair:
    """A secret and what follows from it. It never shows the secret when printed."""

    secret: bytes  # 32 bytes
    public: bytes  # 33 bytes, compressed
    address: bytes  # 20 bytes

    def __repr__(self) -> str:
        return f"KeyPair(address=0x{self.address.hex()})"


def keccak256(data: bytes) -> bytes:
    """The 32-byte Keccak-256 digest that Ethereum uses (not SHA3-256)."""
    return _native.keccak256(data)


def key_pair(secret: bytes) -> KeyPair:
    """Derive the public key and the address.

    Parameters
    ----------
    secret: 32 bytes, big-endian, 1 … order − 1.

    Raises
    ------
    InvalidKey: another length, or out of range.
    """
    if len(secret) != SECRET_BYTES or not 0 < int.from_bytes(secret) < SECP256K1_ORDER:
        raise InvalidKey(
            "a private key is 32 bytes, between 1 and the order of the curve", "make one: hansa account new"
        )
    public = _native.public_key(secret)
    return KeyPair(secret, public, _native.address_of(public))


def generate_key_pair() -> KeyPair:
    """Draw a fresh key from the operating system's entropy."""
    return key_pair(_native.generate_secret())


def sign(secret: bytes, digest: bytes) -> bytes:
    """Sign a 32-byte digest; 64 bytes compact, low s (RFC 6979 nonce)."""
    return _native.sign(secret, digest)


def is_signature_valid(public: bytes, digest: bytes, signature: bytes) -> bool:
    """Whether `signature` (64 bytes, low s) over `digest` was made by the holder of `public`."""
    if len(public) != PUBLIC_BYTES or len(digest) != DIGEST_BYTES or len(signature) != SIGNATURE_BYTES:
        return False
    return _native.verify(public, digest, signature)


def to_checksum_address(address: bytes) -> str:
    """The address as people read it: hex whose letter case is a checksum (EIP-55)."""
    text = address.hex()
    digest = keccak256(text.encode()).hex()
    return "0x" + "".join(c.upper() if int(d, 16) >= 8 else c for c, d in zip(text, digest, strict=False))


def decompress_key(public: bytes) -> bytes:
    """The 64 bytes x ‖ y of a compressed key (SEC 1, section 2.3.4).

    Raises
    ------
    InvalidKey: no point of the curve.
    """
    x = int.from_bytes(public[1:])
    y = pow(pow(x, 3, SECP256K1_FIELD) + 7, (SECP256K1_FIELD + 1) // 4, SECP256K1_FIELD)
    if y & 1 != public[0] & 1:
        y = SECP256K1_FIELD - y
    if len(public) != PUBLIC_BYTES or (y * y - pow(x, 3, SECP256K1_FIELD) - 7) % SECP256K1_FIELD:
        raise InvalidKey("these bytes are no public key", "33 bytes, compressed")
    return public[1:] + y.to_bytes(32)


def sign_recoverable(secret: bytes, digest: bytes) -> tuple[int, int, int]:
    """Sign a 32-byte digest so that the EVM's `ecrecover` finds the signer: v (27 or 28), r, s."""
    signature = _native.sign_recoverable(secret, digest)
    return 27 + signature[64], int.from_bytes(signature[:32]), int.from_bytes(signature[32:64])
