"""Accounts from a seed: the same seed gives the same keys, addresses and genesis on every machine."""

import hashlib
import random
from dataclasses import dataclass

from hansa import _native
from hansa.crypto.suite import key_pair

SENDER_BALANCE = 10**24  # wei; never runs out in a benchmark
RECEIVER_BALANCE = 1  # wei; an account that exists has something


@dataclass(frozen=True, slots=True)
class Accounts:
    """Who pays and who receives: the senders first, then addresses of which nobody holds a key."""

    secrets: tuple[bytes, ...]  # 32 bytes each
    senders: tuple[bytes, ...]  # addresses of the secrets, 20 bytes each
    label: str  # from which the other addresses are made
    others: int

    def __len__(self) -> int:
        return len(self.senders) + self.others

    def address(self, index: int) -> bytes:
        """The 20-byte address of one account, in the order of genesis."""
        own = len(self.senders)
        return self.senders[index] if index < own else range_address(self.label, index - own)

    def draw(self, draw: random.Random, count: int) -> list[bytes]:
        """Addresses drawn uniformly from all accounts."""
        return [self.address(index) for index in draw.choices(range(len(self)), k=count)]


def derive_accounts(seed: int, senders: int, accounts: int) -> Accounts:
    """Derive `accounts` accounts, `senders` of them with keys.

    Parameters
    ----------
    accounts: at least `senders`; the rest are addresses only, made when asked for.
    """
    secrets = tuple(hashlib.sha256(b"hansa/bench/secret/%d/%d" % (seed, index)).digest() for index in range(senders))
    addresses = tuple(key_pair(secret).address for secret in secrets)
    return Accounts(secrets, addresses, f"hansa/bench/{seed}", accounts - senders)


def range_address(label: str, index: int) -> bytes:
    """The 20-byte address of an account that genesis makes by rule (docs/operate/measure.md)."""
    return _native.keccak256(label.encode() + index.to_bytes(8))[12:]
