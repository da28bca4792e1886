"""Accounts from a seed: the same seed gives the same keys, addresses and genesis on every machine."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from hansa.crypto.suite import key_pair

SENDER_BALANCE = 10**24  # wei; never runs out in a benchmark
RECEIVER_BALANCE = 1  # wei; an account that exists has something


@dataclass(frozen=True, slots=True)
class Accounts:
    """Who pays and who receives."""

    secrets: tuple[bytes, ...]  # 32 bytes each
    senders: tuple[bytes, ...]  # addresses of the secrets, 20 bytes each
    receivers: tuple[bytes, ...]  # addresses that nobody holds a key of, 20 bytes each

    @property
    def all(self) -> tuple[bytes, ...]:
        return self.senders + self.receivers


def derive_accounts(seed: int, senders: int, accounts: int) -> Accounts:
    """Derive `accounts` accounts, `senders` of them with keys.

    Parameters
    ----------
    accounts: at least `senders`; the rest are addresses only, which costs a hash instead of a curve operation each.
    """
    secrets = tuple(_digest(seed, b"secret", index) for index in range(senders))
    addresses = tuple(key_pair(secret).address for secret in secrets)
    receivers = tuple(_digest(seed, b"receiver", index)[:20] for index in range(accounts - senders))
    return Accounts(secrets, addresses, receivers)


def _digest(seed: int, purpose: bytes, index: int) -> bytes:
    return hashlib.sha256(b"hansa/bench/" + purpose + b"/%d/%d" % (seed, index)).digest()


def genesis_entries(accounts: Accounts) -> Iterator[str]:
    """Their entries for the `alloc` object of genesis.json, as JSON text without commas between."""
    for address in accounts.senders:
        yield f'"0x{address.hex()}":{{"balance":"{SENDER_BALANCE:#x}"}}'
    for address in accounts.receivers:
        yield f'"0x{address.hex()}":{{"balance":"{RECEIVER_BALANCE:#x}"}}'
