"""Accounts from a mnemonic are those that every wallet derives."""

import pytest
from eth_account import Account

from hansa.crypto.derivation import derive_key_pairs
from hansa.crypto.errors import InvalidKey
from hansa.crypto.suite import to_checksum_address

WELL_KNOWN = "test test test test test test test test test test test junk"


def test_the_well_known_accounts() -> None:
    first, second = derive_key_pairs(WELL_KNOWN, 2)
    assert to_checksum_address(first.address) == "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
    assert first.secret.hex() == "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"
    assert to_checksum_address(second.address) == "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"


@pytest.mark.parametrize("index", [0, 1, 7, 999])
def test_as_eth_account_derives(index: int) -> None:
    Account.enable_unaudited_hdwallet_features()
    words = "legal winner thank year wave sausage worth useful legal winner thank yellow"
    other = Account.from_mnemonic(words, passphrase="TREZOR", account_path=f"m/44'/60'/0'/0/{index}")
    ours = derive_key_pairs(words, 1, index, "TREZOR")[0]
    assert (ours.secret, to_checksum_address(ours.address)) == (bytes(other.key), other.address)


def test_what_cannot_be_derived_is_named() -> None:
    with pytest.raises(InvalidKey, match="12 words"):
        derive_key_pairs("too few words", 1)
    with pytest.raises(InvalidKey, match="account numbers"):
        derive_key_pairs(WELL_KNOWN, 1, -1)


def test_a_key_pair_never_shows_its_secret() -> None:
    pair = derive_key_pairs(WELL_KNOWN, 1)[0]
    assert pair.secret.hex() not in repr(pair)
    assert pair.secret.hex() not in f"{pair}"
