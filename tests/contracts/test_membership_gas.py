"""What calls of the membership contract cost in the largest alliance: each must fit into one transaction."""

import json
from typing import Any

import pytest

from hansa.alliance.artefact import membership_contract
from hansa.alliance.membership import CALL_GAS_MAX, MEMBERSHIP_ADDRESS, membership_layout, prove_key
from hansa.crypto.suite import KeyPair, keccak256, key_pair
from tests.contracts.alliance_ledger import OBSERVER, REMOVED, AllianceLedger
from tests.contracts.ledger import CHAIN_ID, Refusal

TX_GAS_CAP = 1 << 24  # EIP-7825
BUDGET = TX_GAS_CAP // 2
VALIDATORS = 100
ORGANISATIONS, NODES = 127, 255  # one less than there may be
OWNED_BY_LAST = 8  # nodes of the last organisation
ENDPOINT_BYTES = 260
STAGED, ALONE = 24, 12  # nodes that change in one epoch; without a vote of others
GUEST = key_pair(b"\x09" * 32)


class MeasuredLedger(AllianceLedger):
    """Notes what each transaction cost; epochs that last for hundreds of blocks."""

    gas = TX_GAS_CAP
    window = 300

    def __init__(self, size: int) -> None:
        self.spent: list[int] = []
        super().__init__(size)

    def send(self, key: KeyPair, to: bytes | None, data: bytes, value: int = 0) -> dict[str, Any]:
        receipt = super().send(key, to, data, value)
        self.spent.append(int(receipt["gasUsed"], 16))
        return receipt

    def most(self) -> int:
        """The dearest transaction since the last question."""
        most, self.spent = max(self.spent), []
        return most

    def _genesis(self) -> bytes:
        genesis = json.loads(super()._genesis())
        words = genesis["alloc"][MEMBERSHIP_ADDRESS]["storage"]
        storage = {int(slot, 16): int(word, 16) for slot, word in words.items()}
        storage[membership_contract().layout["window"].slot] = self.window
        self.fill(storage)
        genesis["alloc"][MEMBERSHIP_ADDRESS]["storage"] = {hex(slot): hex(word) for slot, word in storage.items()}
        return json.dumps(genesis).encode()

    def fill(self, storage: dict[int, int]) -> None:
        """Change what genesis holds."""


class LargestAlliance(MeasuredLedger):
    """A hundred validators of as many organisations, observers with long addresses up to all indexes but one."""

    window = 3

    def __init__(self) -> None:
        super().__init__(VALIDATORS)
        self.voters += [self.account(self.late_voter(index)) for index in range(VALIDATORS, ORGANISATIONS)]

    @staticmethod
    def late_voter(index: int) -> KeyPair:
        return key_pair((1_000 + index).to_bytes(32))

    def fill(self, storage: dict[int, int]) -> None:
        layout = membership_layout()["layout"]
        node, organisation = layout["node"], layout["organisation"]

        def copy(array: str, stride: int, index: int, changes: dict[int, int]) -> None:
            base = layout[array]
            for offset in range(stride):
                word = changes.get(offset, storage.get(base + offset, 0))
                if word:
                    storage[base + index * stride + offset] = word

        for index in range(VALIDATORS, ORGANISATIONS):
            name, account = int.from_bytes(f"x{index}".encode().ljust(32, b"\0")), self.late_voter(index).address
            fields = {organisation["name"]: 4, organisation["name"] + 1: name}
            fields[layout["organisation_slots"] - 2] = int.from_bytes(account)
            copy("organisations", layout["organisation_slots"], index, fields)
        for index in range(VALIDATORS, NODES):
            is_last = index >= NODES - OWNED_BY_LAST
            fields = {
                node["organisation"]: ORGANISATIONS - 1 if is_last else index % VALIDATORS, node["status"]: OBSERVER,
                node["endpoint"]: ENDPOINT_BYTES,
            }  # fmt: skip
            fields |= {node["endpoint"] + 1 + word: (1 << 256) - 1 for word in range(ENDPOINT_BYTES // 32)}
            copy("nodes", layout["node_slots"], index, fields)
        counts = membership_contract().layout
        storage[counts["organisation_count"].slot] = ORGANISATIONS
        storage[counts["node_count"].slot] = NODES


def proof_of(name: str) -> tuple[bytes, int, int, int]:
    return prove_key(key_pair(keccak256(name.encode())), name, CHAIN_ID)


def test_every_call_fits_into_a_transaction_in_the_largest_alliance() -> None:
    ledger = LargestAlliance()
    costs: dict[str, int] = {}
    name = "n" * 31
    ledger.account(GUEST)
    invitation = ledger.propose("invite", name, "r" * 64, GUEST, OBSERVER)
    ledger.approve(invitation)
    costs["invite"] = ledger.most()
    ledger.members.send(
        GUEST, "join", invitation, ledger.account(key_pair(b"\x0d" * 32)), b"\x30" * 1_024, name, *proof_of(name),
        keccak256(b"guest"), "e" * ENDPOINT_BYTES,
    )  # fmt: skip
    costs["join"] = ledger.most()
    ledger.end_epoch()
    name = "org5-2"
    with pytest.raises(Refusal, match="no index is left"):
        ledger.members.send(
            ledger.voters[5], "addNode", name, *proof_of(name), keccak256(name.encode()), "e" * ENDPOINT_BYTES
        )
    fresh = ledger.add_validator(key_pair(b"\x0c" * 32))
    ledger.members.send(ledger.voters[3], "rotate", 3, *prove_key(fresh, "org3", CHAIN_ID), keccak256(b"rotated"))
    costs["rotate"] = ledger.most()
    ledger.members.send(ledger.voters[2], "changeAccount", ledger.account(key_pair(b"\x0e" * 32)))
    costs["account"] = ledger.most()
    ledger.voters[2] = key_pair(b"\x0e" * 32)
    ledger.approve(ledger.propose("setStatus", 1, OBSERVER))
    costs["status"] = ledger.most()
    ledger.approve(ledger.propose("removeOrganisation", ORGANISATIONS - 1))
    costs["remove"] = ledger.most()
    ledger.end_epoch()
    assert [node[8] for node in ledger.facts()[2]].count(True) == NODES + 1, "removed ones keep links for an epoch"
    assert [int(ledger.members.call("node", index)[6]) for index in (NODES - 1, NODES)] == [REMOVED, OBSERVER]
    assert max(costs.values()) < BUDGET, costs


def test_the_end_of_the_fullest_epoch_fits_into_a_transaction_and_alone_nobody_fills_it() -> None:
    ledger = MeasuredLedger(size=ALONE + 1)
    address = "e" * ENDPOINT_BYTES
    invitations = []
    for index in range(STAGED - ALONE + 1):
        guest = ledger.account(key_pair((5_000 + index).to_bytes(32)))
        invitations.append((guest, f"{index:02}".ljust(31, "n"), ledger.propose("invite", f"{index:02}".ljust(31, "n"),
                            "r" * 64, guest, OBSERVER)))  # fmt: skip
        ledger.approve(invitations[-1][2])

    def add(index: int) -> None:
        name = f"org{index}-".ljust(31, "n")
        ledger.members.send(ledger.voters[index], "addNode", name, *proof_of(name), keccak256(name.encode()), address)

    def join(guest: KeyPair, name: str, invitation: int) -> None:
        voter = ledger.account(key_pair(keccak256(b"voter" + name.encode())))
        ledger.members.send(
            guest, "join", invitation, voter, b"\x30" * 1_024, name, *proof_of(name), keccak256(name.encode()), address
        )

    for index in range(ALONE):
        add(index)
    with pytest.raises(Refusal, match="too many nodes change"):
        add(ALONE)
    for guest, name, invitation in invitations[:-1]:
        join(guest, name, invitation)
    with pytest.raises(Refusal, match="too many nodes change"):
        join(*invitations[-1])
    ledger.end_epoch()
    ledger.spent = []
    join(*invitations[-1])
    dearest = ledger.most()
    assert dearest < TX_GAS_CAP * 9 // 10
    assert dearest < CALL_GAS_MAX <= TX_GAS_CAP, "what commands give to the first call of an epoch"
    assert (ledger.facts()[0], len(ledger.facts()[2])) == (1, ALONE + 1 + STAGED)
