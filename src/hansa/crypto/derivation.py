"""Keys from a mnemonic: BIP-39 seed, BIP-32 private derivation, BIP-44 path m/44'/60'/0'/0/i.

The words are not checked against a word list: any wallet's words lead to that wallet's keys, in every language.
"""

import hashlib
import hmac
import unicodedata

from hansa.crypto.errors import InvalidKey
from hansa.crypto.suite import SECP256K1_ORDER, KeyPair, key_pair

_HARDENED = 1 << 31
_ETHEREUM_PATH = (44 | _HARDENED, 60 | _HARDENED, 0 | _HARDENED, 0)
SEED_ROUNDS = 2_048  # BIP-39, "From mnemonic to seed"


def derive_key_pairs(mnemonic: str, count: int, first: int = 0, passphrase: str = "") -> list[KeyPair]:
    """Derive the Ethereum accounts `first` … `first + count − 1` of a mnemonic.

    Raises
    ------
    InvalidKey: fewer than 12 words, or a number outside 0 … 2^31 − 1.
    """
    words = unicodedata.normalize("NFKD", mnemonic).split()
    if len(words) < 12:
        raise InvalidKey(f"a mnemonic has 12 words or more, not {len(words)}", "give it in quotation marks")
    if first < 0 or count < 0 or first + count > _HARDENED:
        raise InvalidKey("account numbers go from 0 to 2147483647")
    salt = unicodedata.normalize("NFKD", "mnemonic" + passphrase)
    seed = hashlib.pbkdf2_hmac("sha512", " ".join(words).encode(), salt.encode(), SEED_ROUNDS)
    secret, chain_code = _split(hmac.digest(b"Bitcoin seed", seed, "sha512"), 0)
    for index in _ETHEREUM_PATH:
        secret, chain_code = _child(secret, chain_code, index)
    return [key_pair(_child(secret, chain_code, index)[0]) for index in range(first, first + count)]


def _child(secret: bytes, chain_code: bytes, index: int) -> tuple[bytes, bytes]:
    """CKDpriv of BIP-32."""
    parent = b"\0" + secret if index & _HARDENED else key_pair(secret).public
    digest = hmac.digest(chain_code, parent + index.to_bytes(4), "sha512")
    return _split(digest, int.from_bytes(secret))


def _split(digest: bytes, parent: int) -> tuple[bytes, bytes]:
    """Left half added to the parent key, right half = chain code. Chance of an invalid left half: 2^-127."""
    left = int.from_bytes(digest[:32])
    secret = (left + parent) % SECP256K1_ORDER
    if left >= SECP256K1_ORDER or secret == 0:
        raise InvalidKey("this mnemonic has no key at this number", "take the next number")
    return secret.to_bytes(32), digest[32:]
