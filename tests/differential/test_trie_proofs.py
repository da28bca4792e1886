"""State roots and proofs of the native trie against a plain trie written here, over other people's RLP and keccak."""

import json
import random
from typing import Any

import rlp
from eth_utils import keccak

from hansa._native import Chain, Rpc
from hansa.crypto.suite import key_pair
from hansa.node.dev import DevOptions, dev_genesis

EMPTY_ROOT = keccak(rlp.encode(b""))
EMPTY_CODE = keccak(b"")

Node = Any


def hex_prefix(nibbles: list[int], leaf: bool) -> bytes:
    flag = 2 * leaf + len(nibbles) % 2
    padded = [flag, *nibbles] if len(nibbles) % 2 else [flag, 0, *nibbles]
    return bytes(high << 4 | low for high, low in zip(padded[::2], padded[1::2], strict=True))


def reference(node: Node) -> Node:
    encoded = rlp.encode(node)
    return node if len(encoded) < 32 else keccak(encoded)


def node_of(entries: list[tuple[list[int], bytes]]) -> Node:
    """The trie node of entries with distinct paths of one length (Yellow paper, appendix D)."""
    first = entries[0][0]
    if len(entries) == 1:
        return [hex_prefix(first, leaf=True), entries[0][1]]
    common = next(i for i in range(len(first)) if any(path[i] != first[i] for path, _ in entries))
    if common:
        below = node_of([(path[common:], value) for path, value in entries])
        return [hex_prefix(first[:common], leaf=False), reference(below)]
    places = [[(path[1:], value) for path, value in entries if path[0] == nibble] for nibble in range(16)]
    return [reference(node_of(place)) if place else b"" for place in places] + [b""]


def nibbles_of(key: bytes) -> list[int]:
    return [nibble for byte in keccak(key) for nibble in divmod(byte, 16)]


def trie_root(values: dict[bytes, bytes]) -> bytes:
    entries = [(nibbles_of(key), value) for key, value in sorted(values.items())]
    return keccak(rlp.encode(node_of(entries))) if entries else EMPTY_ROOT


def proven(root: bytes, key: bytes, proof: list[bytes]) -> bytes | None:
    """The value that a proof shows under a key, None where it shows that there is none."""
    if not proof:
        assert root == EMPTY_ROOT
        return None
    path = nibbles_of(key)
    wanted: Node = root
    rest = iter(proof)
    while True:
        if isinstance(wanted, bytes):
            encoded = next(rest)
            assert keccak(encoded) == wanted
            wanted = rlp.decode(encoded)
        if len(wanted) == 17:
            wanted, path = wanted[path[0]], path[1:]
            if wanted == b"":
                break
            continue
        flag, *steps = (nibble for byte in wanted[0] for nibble in divmod(byte, 16))
        steps = steps if flag % 2 else steps[1:]
        if path[: len(steps)] != steps:
            break
        path = path[len(steps) :]
        if flag >= 2:
            assert next(rest, None) is None
            return bytes(wanted[1])
        wanted = wanted[1]
    assert next(rest, None) is None
    return None


def minimal(number: int) -> bytes:
    return number.to_bytes((number.bit_length() + 7) // 8)


def storage_values(storage: dict[int, int]) -> dict[bytes, bytes]:
    return {slot.to_bytes(32): rlp.encode(minimal(value)) for slot, value in storage.items()}


def account_value(account: dict[str, Any]) -> bytes:
    root = trie_root(storage_values(account["storage"]))
    code = keccak(account["code"])
    return bytes(rlp.encode([minimal(account["nonce"]), minimal(account["balance"]), root, code]))


def drawn(seed: int, accounts: int) -> dict[bytes, dict[str, Any]]:
    draw = random.Random(seed)
    return {
        draw.randbytes(20): {
            "nonce": draw.choice([1, 127, 128, 2**40]),
            "balance": draw.choice([0, 1, 10**18, 2**200 + n]),
            "code": draw.randbytes(draw.choice([0, 5])),
            "storage": {
                draw.getrandbits(256): draw.choice([1, 200, 2**255]) for _ in range(draw.choice([0, 0, 1, 40]))
            },
        }
        for n in range(accounts)
    }


def chain_of(alloc: dict[bytes, dict[str, Any]]) -> Rpc:
    pair = key_pair(bytes(31) + b"\1")
    genesis = json.loads(dev_genesis(DevOptions(), [], pair))
    genesis["alloc"] = {
        "0x" + address.hex(): {
            "nonce": hex(account["nonce"]),
            "balance": hex(account["balance"]),
            "code": "0x" + account["code"].hex(),
            "storage": {f"0x{slot:064x}": f"0x{value:064x}" for slot, value in account["storage"].items()},
        }
        for address, account in alloc.items()
    }
    return Rpc(Chain.create(None, json.dumps(genesis).encode()))


def ask(rpc: Rpc, method: str, *params: Any) -> Any:
    holds, answer = rpc.result(method, json.dumps(params).encode())
    assert holds, answer
    return json.loads(answer)


def unhex(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))


def test_state_roots_are_those_of_a_plain_trie() -> None:
    for seed, accounts in enumerate([1, 2, 17, 400]):
        alloc = drawn(seed, accounts)
        expected = trie_root({address: account_value(account) for address, account in alloc.items()})
        header = ask(chain_of(alloc), "eth_getBlockByNumber", "0x0", False)
        assert unhex(header["stateRoot"]) == expected


def test_proofs_show_what_is_there_and_what_is_not() -> None:
    alloc = drawn(9, 120)
    rpc = chain_of(alloc)
    root = unhex(ask(rpc, "eth_getBlockByNumber", "0x0", False)["stateRoot"])
    strangers = {bytes([n]) * 20: None for n in range(20)}
    for address, account in (alloc | strangers).items():
        storage = account["storage"] if account else {}
        slots = [*list(storage)[:5], 0, 1]
        answer = ask(rpc, "eth_getProof", "0x" + address.hex(), [f"0x{slot:064x}" for slot in slots], "latest")
        value = proven(root, address, [unhex(node) for node in answer["accountProof"]])
        assert value == (account_value(account) if account else None)
        for slot, entry in zip(slots, answer["storageProof"], strict=True):
            shown = proven(unhex(answer["storageHash"]), slot.to_bytes(32), [unhex(node) for node in entry["proof"]])
            assert shown == storage_values(storage).get(slot.to_bytes(32))
            assert int(entry["value"], 16) == storage.get(slot, 0)
