"""Web3 Secret Storage, version 3: a private key under a password, as every Ethereum wallet reads and writes it.

Written: scrypt and AES-128-CTR. Read: scrypt or PBKDF2 with the same cipher. Costs are bounded, so that a hostile file
cannot take the machine's memory.
"""

import hashlib
import hmac
import os
import uuid
from typing import Annotated, Literal

import msgspec
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from msgspec import Meta

from hansa.crypto.errors import InvalidKeystore, WrongPassword
from hansa.crypto.suite import KeyPair, keccak256, key_pair

SCRYPT_STRONG = 1 << 18  # 256 MiB and about a second: for keys that are worth something
SCRYPT_LIGHT = 1 << 12  # 4 MiB and milliseconds: for development keys and tests
SCRYPT_MEMORY_MAX = 1 << 30  # bytes
PBKDF2_ROUNDS_MAX = 10_000_000

Hex = Annotated[str, Meta(pattern=r"^(0x)?([0-9a-fA-F]{2})*$", max_length=256)]


class _CipherParams(msgspec.Struct, frozen=True):
    iv: Hex


class _KdfParams(msgspec.Struct, frozen=True, omit_defaults=True):
    dklen: Annotated[int, Meta(ge=32, le=64)]
    salt: Hex
    n: int = 0
    r: int = 0
    p: int = 0
    c: int = 0
    prf: str = ""


class _Crypto(msgspec.Struct, frozen=True):
    cipher: Literal["aes-128-ctr"]
    cipherparams: _CipherParams
    ciphertext: Hex
    kdf: Literal["scrypt", "pbkdf2"]
    kdfparams: _KdfParams
    mac: Hex


class _Keystore(msgspec.Struct, frozen=True, omit_defaults=True):
    version: Literal[3]
    id: str
    crypto: _Crypto
    address: str = ""


def encrypt_key(secret: bytes, password: str, scrypt_n: int = SCRYPT_STRONG) -> bytes:
    """Wrap a private key; the JSON bytes of a keystore file.

    Parameters
    ----------
    secret: 32 bytes.
    scrypt_n: cost, a power of two (memory = 1024 × n bytes).

    Raises
    ------
    InvalidKey: `secret` is no private key.
    """
    pair = key_pair(secret)
    salt, iv = os.urandom(32), os.urandom(16)
    params = _KdfParams(dklen=32, salt=salt.hex(), n=scrypt_n, r=8, p=1)
    derived = _derive("scrypt", params, password)
    ciphertext = _aes_ctr(derived[:16], iv, secret)
    crypto = _Crypto(
        cipher="aes-128-ctr",
        cipherparams=_CipherParams(iv.hex()),
        ciphertext=ciphertext.hex(),
        kdf="scrypt",
        kdfparams=params,
        mac=keccak256(derived[16:32] + ciphertext).hex(),
    )
    keystore = _Keystore(version=3, id=str(uuid.uuid4()), crypto=crypto, address=pair.address.hex())
    return msgspec.json.format(msgspec.json.encode(keystore), indent=1) + b"\n"


def decrypt_key(data: bytes, password: str) -> KeyPair:
    """Open a keystore.

    Raises
    ------
    InvalidKeystore: malformed, of another kind, too costly, or its address is not the key's.
    WrongPassword: the password does not open it.
    """
    keystore = _decode(data)
    crypto = keystore.crypto
    derived = _derive(crypto.kdf, crypto.kdfparams, password)
    ciphertext = _unhex(crypto.ciphertext)
    if not hmac.compare_digest(keccak256(derived[16:32] + ciphertext), _unhex(crypto.mac)):
        raise WrongPassword("the password does not open this key", "passwords are never stored; is it the right key?")
    pair = key_pair(_aes_ctr(derived[:16], _unhex(crypto.cipherparams.iv), ciphertext))
    if keystore.address and _unhex(keystore.address) != pair.address:
        raise InvalidKeystore("the address in the keystore is not the address of its key", "do not use this file")
    return pair


def keystore_address(data: bytes) -> bytes:
    """The 20-byte address that a keystore says it holds, without opening it.

    Raises
    ------
    InvalidKeystore: malformed, or it does not name its address.
    """
    address = _unhex(_decode(data).address)
    if len(address) != 20:
        raise InvalidKeystore("the keystore does not say its address", "import it: hansa account import FILE")
    return address


def _decode(data: bytes) -> _Keystore:
    try:
        # Old wallets wrote "Crypto"; nothing else about them differs.
        return msgspec.json.decode(data.replace(b'"Crypto"', b'"crypto"', 1), type=_Keystore)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidKeystore(f"this is no keystore of version 3: {error}", "export it again from its wallet") from None


def _derive(kdf: str, params: _KdfParams, password: str) -> bytes:
    salt = _unhex(params.salt)
    if kdf == "pbkdf2":
        if params.prf != "hmac-sha256" or not 1 <= params.c <= PBKDF2_ROUNDS_MAX:
            raise InvalidKeystore(f"pbkdf2 with prf {params.prf!r} and c {params.c} is not supported")
        return hashlib.pbkdf2_hmac("sha256", password.encode(), salt, params.c, params.dklen)
    n, r, p = params.n, params.r, params.p
    # RFC 7914 section 6 bounds n by r; OpenSSL holds to it, a few very old wallets did not.
    is_possible = n >= 2 and not n & (n - 1) and 1 <= r <= 64 and 1 <= p <= 64 and n < 1 << (16 * r)
    if not is_possible or 128 * n * r > SCRYPT_MEMORY_MAX:
        raise InvalidKeystore(f"scrypt with n {n}, r {r}, p {p} is not supported", "at most 1 GiB of memory is used")
    memory = 128 * r * (n + p + 2) + (1 << 20)
    return hashlib.scrypt(password.encode(), salt=salt, n=n, r=r, p=p, maxmem=memory, dklen=params.dklen)


def _aes_ctr(key: bytes, iv: bytes, data: bytes) -> bytes:
    if len(iv) != 16:
        raise InvalidKeystore("the iv of the keystore is not 16 bytes")
    cipher = Cipher(algorithms.AES128(key), modes.CTR(iv)).encryptor()
    return cipher.update(data) + cipher.finalize()


def _unhex(text: str) -> bytes:
    try:
        return bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        raise InvalidKeystore("the keystore holds something that is not hex") from None
