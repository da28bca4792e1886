"""Keystores open with ethereum/tests' passwords and with eth-keyfile, and mistakes are named."""

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import eth_keyfile
import pytest

from hansa.crypto.errors import InvalidKey, InvalidKeystore, WrongPassword
from hansa.crypto.keystore import SCRYPT_LIGHT, decrypt_key, encrypt_key, keystore_address
from hansa.crypto.suite import key_pair

# Their scrypt has n = 2^18 with r = 1, which RFC 7914 section 6 forbids (n < 2^16 there) and OpenSSL refuses.
OUTSIDE_RFC_7914 = {"test2"}
SECRET = bytes.fromhex("7a28b5ba57c53603b0b07b56bba752f7784bf506fa95edc395f5cf6c7514fe9d")


def changed(data: bytes, path: list[str], value: Any) -> bytes:
    tree = json.loads(data)
    inner = tree
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    return json.dumps(tree).encode()


def test_others_keystores_open(vectors: Path) -> None:
    with tarfile.open(vectors / "ethereum-basic-tests.tar.xz") as archive:
        member = archive.extractfile("KeyStoreTests/basic_tests.json")
        assert member is not None
        cases = json.load(io.TextIOWrapper(member))
    for name, case in cases.items():
        data = json.dumps(case["json"]).encode()
        if name in OUTSIDE_RFC_7914:
            with pytest.raises(InvalidKeystore, match="scrypt"):
                decrypt_key(data, case["password"])
            continue
        assert decrypt_key(data, case["password"]).secret.hex() == case["priv"], name


def test_ours_open_elsewhere() -> None:
    data = encrypt_key(SECRET, "correct horse", SCRYPT_LIGHT)
    assert eth_keyfile.decode_keyfile_json(json.loads(data), b"correct horse") == SECRET
    assert keystore_address(data) == key_pair(SECRET).address
    assert decrypt_key(data, "correct horse").secret == SECRET


def test_two_keystores_of_one_key_differ() -> None:
    assert encrypt_key(SECRET, "x", SCRYPT_LIGHT) != encrypt_key(SECRET, "x", SCRYPT_LIGHT)


def test_a_wrong_password_is_named() -> None:
    with pytest.raises(WrongPassword):
        decrypt_key(encrypt_key(SECRET, "a", SCRYPT_LIGHT), "b")


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (["version"], 4),
        (["crypto", "cipher"], "aes-256-cbc"),
        (["crypto", "kdf"], "argon2"),
        (["crypto", "kdfparams", "n"], 2**40),  # would take a terabyte
        (["crypto", "kdfparams", "n"], 3),
        (["crypto", "kdfparams", "dklen"], 16),
        (["crypto", "ciphertext"], "zz"),
        (["crypto"], []),
    ],
)
def test_what_is_no_keystore_is_refused(path: list[str], value: Any) -> None:
    data = encrypt_key(SECRET, "a", SCRYPT_LIGHT)
    with pytest.raises(InvalidKeystore):
        decrypt_key(changed(data, path, value), "a")


def test_another_address_than_the_key_s_is_refused() -> None:
    data = encrypt_key(SECRET, "a", SCRYPT_LIGHT)
    with pytest.raises(InvalidKeystore, match="address"):
        decrypt_key(changed(data, ["address"], "00" * 20), "a")


@pytest.mark.parametrize("data", [b"", b"{}", b"[1]", b"\xff\xfe", b'{"version":3}'])
def test_rubbish_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidKeystore):
        decrypt_key(data, "a")


def test_no_key_is_wrapped_that_is_none() -> None:
    for secret in (b"", bytes(32), b"\xff" * 32, b"\x01" * 31):
        with pytest.raises(InvalidKey):
            encrypt_key(secret, "a", SCRYPT_LIGHT)
