"""What people type."""

import pytest

from hansa.cli.errors import Usage
from hansa.cli.words import parse_address, parse_amount, parse_block, parse_data, parse_hash


def test_addresses_with_and_without_checksum() -> None:
    mixed = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
    assert parse_address(mixed) == parse_address(mixed.lower()) == parse_address("0x" + mixed[2:].upper())
    wrong = mixed.replace("F6F4", "f6F4")
    with pytest.raises(Usage, match="checksum"):
        parse_address(wrong)
    for text in ("", "0x", "f39Fd6e51aad88F6F4ce6aB8827279cffFb92266", mixed + "00", "0x" + "g" * 40):
        with pytest.raises(Usage):
            parse_address(text)


def test_amounts() -> None:
    assert parse_amount("1_000") == 1_000
    assert parse_amount("1.5ether") == 15 * 10**17
    assert parse_amount("5 gwei") == 5 * 10**9
    for text in ("", "-1", "1.5", "1.0000000000000000001ether", "1e3", "9" * 80, "five"):
        with pytest.raises(Usage):
            parse_amount(text)


def test_blocks() -> None:
    assert parse_block("latest") == ("latest", False)
    assert parse_block("17") == ("0x11", False)
    assert parse_block("0x11") == ("0x11", False)
    assert parse_block("0x" + "ab" * 32) == ("0x" + "ab" * 32, True)
    for text in ("", "x", "-1", "0x", "0xzz"):
        with pytest.raises(Usage):
            parse_block(text)


def test_hex() -> None:
    assert parse_data("0x") == b""
    assert parse_data("0x0aFF") == b"\x0a\xff"
    assert parse_hash("0x" + "01" * 32) == b"\x01" * 32
    for text in ("", "0", "0x1", "0xzz"):
        with pytest.raises(Usage):
            parse_data(text)
