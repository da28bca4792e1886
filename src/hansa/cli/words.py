"""What people type for addresses, hashes, amounts and blocks."""

import re
from decimal import Decimal, InvalidOperation

from hansa.cli.errors import Usage
from hansa.crypto.suite import to_checksum_address

_HEX = re.compile(r"^0x([0-9a-fA-F]*)$")
_AMOUNT = re.compile(r"^(?P<number>[0-9_]+(?:\.[0-9]+)?)\s*(?P<unit>wei|gwei|ether|coin|coins)?$")
_UNITS = {"wei": 1, "gwei": 10**9, "ether": 10**18, "coin": 10**18, "coins": 10**18, None: 1}
_TAGS = ("latest", "safe", "finalized", "pending", "earliest")


def parse_address(text: str) -> bytes:
    """A 20-byte address; mixed letter case must be its EIP-55 checksum.

    Raises
    ------
    Usage: it is none, or the checksum does not hold.
    """
    data = _parse_hex(text, 20, "an address")
    digits = text[2:]
    if digits not in (digits.lower(), digits.upper()) and to_checksum_address(data) != text:
        raise Usage(f"the letter case of {text} is no valid checksum: a digit is probably wrong", "copy it again")
    return data


def parse_hash(text: str) -> bytes:
    """A 32-byte hash.

    Raises
    ------
    Usage: it is none.
    """
    return _parse_hex(text, 32, "a hash")


def parse_data(text: str) -> bytes:
    """Bytes in hex.

    Raises
    ------
    Usage: they are none.
    """
    found = _HEX.match(text)
    if not found or len(found[1]) % 2:
        raise Usage(f"{text[:40]!r} is not hex data", "write 0x and an even number of hex digits")
    return bytes.fromhex(found[1])


def parse_amount(text: str) -> int:
    """An amount in units of 10^-18 coins: `1000`, `5gwei`, `1.5ether`.

    Raises
    ------
    Usage: it is none, or finer than one unit.
    """
    found = _AMOUNT.match(text.strip())
    if not found:
        raise Usage(f"{text!r} is not an amount", "write 1000 (units), 5gwei or 1.5ether")
    try:
        amount = Decimal(found["number"].replace("_", "")) * _UNITS[found["unit"]]
    except InvalidOperation:
        raise Usage(f"{text!r} is not an amount") from None
    if amount != int(amount) or amount >= 2**256:
        raise Usage(f"{text!r} is finer than the smallest unit, or too much", "1 ether is 10^18 units")
    return int(amount)


def parse_block(text: str) -> tuple[str, bool]:
    """A block as JSON-RPC takes it, and whether it is a hash.

    Raises
    ------
    Usage: neither a number, a hash nor a tag.
    """
    if text in _TAGS:
        return text, False
    if text.isdigit():
        return hex(int(text)), False
    found = _HEX.match(text)
    if found and len(found[1]) == 64:
        return text, True
    if found and found[1]:
        return hex(int(text, 16)), False
    raise Usage(f"{text!r} is no block", f"give a number, a hash, or one of {', '.join(_TAGS)}")


def _parse_hex(text: str, size: int, what: str) -> bytes:
    found = _HEX.match(text)
    if not found or len(found[1]) != 2 * size:
        raise Usage(f"{text[:80]!r} is not {what}", f"write 0x and {2 * size} hex digits")
    return bytes.fromhex(found[1])
