"""The membership contract in genesis: its address, its storage filled from public parts, and where nodes read it.

The compiler says at which slot each variable begins; what lies inside an entry follows from the order of the struct's
fields in `contracts/system/Membership.vy`. Nodes learn the slots from genesis, so that an alliance keeps the contract
that it was founded with.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding

from hansa.alliance.artefact import Field, membership_contract
from hansa.alliance.authority import check_authority_certificate
from hansa.alliance.model import Alliance
from hansa.alliance.public_part import PublicPart
from hansa.crypto.suite import KeyPair, decompress_key, keccak256, sign_recoverable
from hansa.types.versions import PROTOCOL_GENESIS

MEMBERSHIP_ADDRESS = "0x48414e5341000000000000000000000000000001"  # "HANSA", 1
STATUS_OBSERVER, STATUS_VALIDATOR, STATUS_REMOVED = 1, 2, 3
STATUS_NAMES = {STATUS_OBSERVER: "observer", STATUS_VALIDATOR: "validator", STATUS_REMOVED: "removed"}
KEY_DOMAIN = b"hansa/membership/key/1"
CALL_GAS_MAX = 1 << 24  # all that a transaction may have (EIP-7825): the first call of an epoch may need most of it
_ORGANISATIONS_MAX = 128
_NODES_MAX = 256
_WORD = 32

# Fields of the contract's structs in their order, with the words that each takes: a byte string takes one for its
# length and one for every 32 bytes that it may have.
_ORGANISATION_FIELDS = {"name": 2, "role": 3, "authority": 33, "account": 1, "active": 1}
_NODE_FIELDS = {
    "name": 2, "organisation": 1, "key": 3, "account": 1, "certificate": 1, "endpoint": 10, "status": 1, "since": 1,
    "promised": 1,
}  # fmt: skip
_READ_OF_NODES = ("name", "organisation", "key", "account", "certificate", "endpoint", "status", "since")
_READ_OF_ORGANISATIONS = ("name", "authority")


def membership_account(terms: Alliance, parts: Sequence[PublicPart]) -> dict[str, Any]:
    """The contract's entry in genesis' `alloc`.

    Parameters
    ----------
    parts: one per organisation, in the order of the terms.
    """
    contract = membership_contract()
    storage = _Storage(contract.layout)
    rules = terms.consensus
    storage.put("window", 0, rules.window)
    storage.put("epoch_first", 0, 1)
    for offset, number in enumerate((rules.view_timeout_ms, rules.block_interval_ms, PROTOCOL_GENESIS)):
        storage.put("consensus", offset, number)
    storage.put("organisation_count", 0, len(parts))
    nodes = [(owner, part, at) for owner, part in enumerate(parts) for at in range(len(part.nodes))]
    storage.put("node_count", 0, len(nodes))
    for index, part in enumerate(parts):
        _put_organisation(storage, index, part)
    for index, (owner, part, at) in enumerate(nodes):
        _put_node(storage, index, owner, part, at)
    code = "0x" + contract.runtime_bytecode.removeprefix("0x")
    return {"balance": "0x0", "nonce": "0x1", "code": code, "storage": storage.words}


def membership_layout() -> dict[str, Any]:
    """What genesis tells nodes of the contract: its address, and the slots that they read."""
    layout = membership_contract().layout
    single = ("epoch", "epoch_first", "epoch_end", "consensus", "next_consensus", "node_count")
    arrays = ("nodes", "next_nodes", "organisations")
    return {
        "address": MEMBERSHIP_ADDRESS,
        "layout": {name: layout[name].slot for name in (*single, *arrays)}
        | {
            "node_slots": _stride(layout["nodes"], _NODES_MAX, _NODE_FIELDS),
            "node": _offsets(_NODE_FIELDS, _READ_OF_NODES),
            "organisation_slots": _stride(layout["organisations"], _ORGANISATIONS_MAX, _ORGANISATION_FIELDS),
            "organisation": _offsets(_ORGANISATION_FIELDS, _READ_OF_ORGANISATIONS),
        },
    }


def voting_account(part: PublicPart) -> str:
    """Which account votes for an organisation at first: its first user's, or that of its first node without users."""
    return part.accounts[0] if part.accounts else part.nodes[0].account


def prove_key(pair: KeyPair, node: str, chain_id: int) -> tuple[bytes, int, int, int]:
    """The uncompressed key and its signature (v, r, s) that the contract asks for: this alliance, this node."""
    digest = keccak256(
        KEY_DOMAIN + chain_id.to_bytes(_WORD) + int(MEMBERSHIP_ADDRESS, 16).to_bytes(_WORD) + keccak256(node.encode())
    )
    return decompress_key(pair.public), *sign_recoverable(pair.secret, digest)


def _put_organisation(storage: "_Storage", index: int, part: PublicPart) -> None:
    base = index * sum(_ORGANISATION_FIELDS.values())
    at = {name: base + offset for name, offset in _offsets(_ORGANISATION_FIELDS, tuple(_ORGANISATION_FIELDS)).items()}
    storage.put_bytes("organisations", at["name"], part.organisation.encode())
    storage.put_bytes("organisations", at["role"], part.terms.organisation(part.organisation).role.encode())
    certificate = check_authority_certificate(part.organisation, part.ca_certificate_pem)
    storage.put_bytes("organisations", at["authority"], certificate.public_bytes(Encoding.DER))
    storage.put("organisations", at["account"], int(voting_account(part), 16))
    storage.put("organisations", at["active"], 1)


def _put_node(storage: "_Storage", index: int, owner: int, part: PublicPart, place: int) -> None:
    node = part.nodes[place]
    base = index * sum(_NODE_FIELDS.values())
    at = {name: base + offset for name, offset in _offsets(_NODE_FIELDS, tuple(_NODE_FIELDS)).items()}
    storage.put_bytes("nodes", at["name"], node.name.encode())
    storage.put("nodes", at["organisation"], owner)
    storage.put_bytes("nodes", at["key"], bytes.fromhex(node.public_key[2:]))
    storage.put("nodes", at["account"], int(node.account, 16))
    storage.put("nodes", at["certificate"], int(node.tls_certificate_fingerprint, 16))
    listen = part.terms.organisation(part.organisation).nodes[place].listen
    storage.put_bytes("nodes", at["endpoint"], listen.encode())
    storage.put("nodes", at["status"], STATUS_VALIDATOR)
    storage.put_entry("names_taken", keccak256(node.name.encode()))
    storage.put_entry("keys_taken", keccak256(bytes.fromhex(node.public_key[2:])))
    storage.put_entry("certificates_taken", bytes.fromhex(node.tls_certificate_fingerprint[2:]))


class _Storage:
    """Slots that are not zero, as genesis lists them."""

    def __init__(self, layout: Mapping[str, Field]) -> None:
        self.words: dict[str, str] = {}
        self._layout = layout

    def put(self, variable: str, offset: int, value: int) -> None:
        """Write one word of a variable."""
        field = self._layout[variable]
        assert offset < field.slots, f"{variable} has {field.slots} slots"
        if value:
            self.words[hex(field.slot + offset)] = hex(value)

    def put_bytes(self, variable: str, offset: int, data: bytes) -> None:
        """Write a byte string: its length, then its bytes, the last word filled up with zeros."""
        self.put(variable, offset, len(data))
        for at in range(0, len(data), _WORD):
            word = data[at : at + _WORD].ljust(_WORD, b"\0")
            self.put(variable, offset + 1 + at // _WORD, int.from_bytes(word))

    def put_entry(self, mapping: str, key: bytes) -> None:
        """Let a mapping to truth values hold a key of 32 bytes: Vyper hashes its slot, then the key."""
        slot = self._layout[mapping].slot.to_bytes(_WORD)
        self.words["0x" + keccak256(slot + key).hex().lstrip("0")] = "0x1"


def _offsets(fields: dict[str, int], wanted: tuple[str, ...]) -> dict[str, int]:
    """Where each wanted field begins inside its entry."""
    offsets: dict[str, int] = {}
    at = 0
    for name, words in fields.items():
        if name in wanted:
            offsets[name] = at
        at += words
    return offsets


def _stride(array: Field, entries: int, fields: dict[str, int]) -> int:
    """Words of one entry; the compiler's total must agree."""
    words = sum(fields.values())
    assert array.slots == entries * words, f"the compiler gives {array.slots} slots to {entries} entries of {words}"
    return words
