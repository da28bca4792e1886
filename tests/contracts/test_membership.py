"""The membership contract on the node's own executor: who may change what, when it is in force, what is refused."""

import pytest

from hansa import _native
from hansa.alliance.membership import prove_key
from hansa.crypto.suite import keccak256, key_pair
from tests.contracts.alliance_ledger import OBSERVER, REMOVED, VALIDATOR, WINDOW, AllianceLedger
from tests.contracts.ledger import CHAIN_ID, Refusal

GUEST = key_pair(b"\x09" * 32)


def weights(ledger: AllianceLedger) -> list[int]:
    return [node[7] for node in ledger.facts()[2]]


def test_genesis_fills_the_storage_as_the_contract_reads_it() -> None:
    ledger = AllianceLedger()
    for index in range(4):
        node = ledger.members.call("node", index)
        organisation = ledger.members.call("organisations", index)
        pair = ledger.validators[list(ledger.validators)[index]]
        assert node[:2] == [f"org{index}", str(index)]
        assert bytes.fromhex(node[2][2:]) == pair.public
        assert node[3].lower() == "0x" + pair.address.hex()
        assert (node[5], int(node[6]), int(node[7])) == (f"127.0.0.1:{30_300 + index}", VALIDATOR, 0)
        assert organisation[:2] == [f"org{index}", "member"]
        assert organisation[3].lower() == "0x" + ledger.voters[index].address.hex()
    assert [int(ledger.members.call(name)) for name in ("window", "epoch", "epoch_first", "epoch_end")] == [
        WINDOW, 0, 1, 0,
    ]  # fmt: skip


def test_nodes_read_what_the_contract_holds() -> None:
    ledger = AllianceLedger()
    number, first, nodes, timeout_ms, interval_ms, protocol = ledger.facts()
    assert (number, first, timeout_ms, interval_ms, protocol) == (0, 1, 1_000, 50, 1)
    assert [(node[0], node[1], node[7], node[8]) for node in nodes] == [
        (f"org{index}", f"org{index}", 1, True) for index in range(4)
    ]
    assert [node[2] for node in nodes] == list(ledger.validators)


def test_a_guest_becomes_an_observer_and_then_a_validator() -> None:
    ledger = AllianceLedger()
    proposal = ledger.invite("guest", GUEST)
    assert ledger.chain.epoch_end(ledger.chain.head()[2]) is None, "an invitation alone changes nothing"
    ledger.join(proposal, GUEST, "guest")
    height = ledger.chain.head()[0]
    assert ledger.end_epoch() == height + WINDOW
    assert (ledger.facts()[0], ledger.facts()[1], weights(ledger)) == (1, height + WINDOW + 1, [1, 1, 1, 1, 0])
    ledger.members.send(ledger.voters[4], "activate", 4)
    assert weights(ledger) == [1, 1, 1, 1, 0], "in force with the next epoch only"
    ledger.end_epoch()
    assert weights(ledger) == [1] * 5
    for _ in range(6):  # it leads and signs as well
        ledger.seal_block()


def test_changes_until_the_end_join_the_same_epoch() -> None:
    ledger = AllianceLedger()
    first, second = ledger.invite("one", GUEST), ledger.invite("two", key_pair(b"\x0a" * 32))
    ledger.join(first, GUEST, "one")
    end = ledger.chain.epoch_end(ledger.chain.head()[2])
    ledger.join(second, key_pair(b"\x0a" * 32), "two")
    assert ledger.chain.epoch_end(ledger.chain.head()[2]) == end
    ledger.end_epoch()
    assert weights(ledger) == [1, 1, 1, 1, 0, 0]


def test_who_votes_and_how_often() -> None:
    ledger = AllianceLedger()
    with pytest.raises(Refusal, match="no organisation votes by this account"):
        ledger.members.send(ledger.keys[0], "removeOrganisation", 3, ledger.expiry())
    events = ledger.members.send(ledger.voters[0], "setConsensus", "(2000,100,1)", ledger.expiry())
    proposal = int(events["Opened"]["proposal"])
    with pytest.raises(Refusal, match="has voted"):
        ledger.members.send(ledger.voters[0], "approve", proposal)
    assert "Accepted" not in ledger.members.send(ledger.voters[1], "approve", proposal), "half is not two thirds"
    assert "Accepted" in ledger.members.send(ledger.voters[3], "approve", proposal)
    with pytest.raises(Refusal, match="not open"):
        ledger.members.send(ledger.voters[2], "approve", proposal)
    ledger.end_epoch()
    assert ledger.facts()[3:] == (2_000, 100, 1)


def test_the_protocol_never_goes_back() -> None:
    ledger = AllianceLedger()

    def propose(protocol: int) -> int:
        events = ledger.members.send(ledger.voters[0], "setConsensus", f"(1000,50,{protocol})", ledger.expiry())
        return int(events["Opened"]["proposal"])

    same, later = propose(1), propose(2)
    ledger.approve(later)
    ledger.members.send(ledger.voters[1], "approve", same)
    with pytest.raises(Refusal, match="never goes back"):
        ledger.members.send(ledger.voters[2], "approve", same)
    ledger.end_epoch()
    assert ledger.facts()[5] == 2
    with pytest.raises(Refusal, match="never goes back"):
        propose(1)


def test_an_expired_proposal_is_neither_accepted_nor_used() -> None:
    ledger = AllianceLedger()
    soon = ledger.now_ms // 1_000 + 4  # blocks are a second apart
    events = ledger.members.send(ledger.voters[0], "invite", "late", "member", GUEST, OBSERVER, soon)
    proposal = int(events["Opened"]["proposal"])
    ledger.approve(proposal)
    for _ in range(3):
        ledger.seal_block()
    with pytest.raises(Refusal, match="expired"):
        ledger.join(proposal, ledger.account(GUEST), "late")
    with pytest.raises(Refusal, match="30 days"):
        ledger.members.send(ledger.voters[0], "removeOrganisation", 3, ledger.now_ms // 1_000 + 31 * 86_400)


def test_an_invitation_serves_its_guest_once() -> None:
    ledger = AllianceLedger()
    proposal = ledger.invite("guest", GUEST)
    with pytest.raises(Refusal, match="somebody else was invited"):
        ledger.join(proposal, ledger.keys[1], "guest")
    stolen = ledger.validators[list(ledger.validators)[0]]
    with pytest.raises(Refusal, match="a node has this key"):
        ledger.join(proposal, GUEST, "guest", node=stolen)
    wrong = prove_key(key_pair(b"\x0b" * 32), "another-name", CHAIN_ID)
    with pytest.raises(Refusal, match="signature does not hold"):
        ledger.join(proposal, GUEST, "guest", proof=wrong)
    with pytest.raises(Refusal, match="a node has this certificate"):
        ledger.join(proposal, GUEST, "guest", certificate=b"\x01" * 32)
    with pytest.raises(Refusal, match="votes by this account"):
        ledger.join(proposal, GUEST, "guest", voter=ledger.voters[0])
    ledger.join(proposal, GUEST, "guest")
    with pytest.raises(Refusal, match="it was used"):
        ledger.join(proposal, GUEST, "again")
    with pytest.raises(Refusal, match="an organisation has this name"):
        ledger.members.send(ledger.voters[0], "invite", "guest", "member", GUEST, OBSERVER, ledger.expiry())


def test_a_set_that_tolerates_a_fault_is_never_reduced_to_one_that_does_not() -> None:
    ledger = AllianceLedger()
    for function, arguments in (
        ("removeOrganisation", (3,)),
        ("setStatus", (2, OBSERVER)),
        ("setStatus", (2, REMOVED)),
    ):
        with pytest.raises(Refusal, match="fewer than four validators"):
            ledger.members.send(ledger.voters[0], function, *arguments, ledger.expiry())


def test_the_last_validator_stays() -> None:
    ledger = AllianceLedger(size=2)
    ledger.approve(ledger.propose("setStatus", 1, OBSERVER, by=1))
    ledger.end_epoch()
    assert weights(ledger) == [1, 0]
    with pytest.raises(Refusal, match="the last validator stays"):
        ledger.propose("removeOrganisation", 0)


def test_no_more_validators_change_in_an_epoch_than_may_be_faulty() -> None:
    ledger = AllianceLedger()
    for name, guest in (("one", GUEST), ("two", key_pair(b"\x0a" * 32))):
        ledger.join(ledger.invite(name, guest), guest, name)
    ledger.end_epoch()
    ledger.members.send(ledger.voters[4], "activate", 4)
    with pytest.raises(Refusal, match="too many validators change"):
        ledger.members.send(ledger.voters[5], "activate", 5)
    ledger.end_epoch()
    ledger.members.send(ledger.voters[5], "activate", 5)
    ledger.end_epoch()
    assert weights(ledger) == [1] * 6


def test_a_removed_organisation_has_no_vote_and_its_node_keeps_its_links_for_an_epoch() -> None:
    ledger = AllianceLedger(size=5)
    events = ledger.members.send(ledger.voters[0], "removeOrganisation", 4, ledger.expiry())
    proposal = int(events["Opened"]["proposal"])
    ledger.approve(proposal)
    with pytest.raises(Refusal, match="no organisation votes"):
        ledger.members.send(ledger.voters[4], "setStatus", 0, OBSERVER, ledger.expiry())
    ledger.end_epoch()
    assert [(node[7], node[8]) for node in ledger.facts()[2]] == [(1, True)] * 4 + [(0, True)]
    events = ledger.members.send(ledger.voters[0], "setConsensus", "(1000,50,1)", ledger.expiry())
    ledger.approve(int(events["Opened"]["proposal"]))
    ledger.end_epoch()
    assert [(node[7], node[8]) for node in ledger.facts()[2]] == [(1, True)] * 4 + [(0, False)]


def test_only_its_organisation_rotates_a_node() -> None:
    ledger = AllianceLedger()
    fresh = ledger.add_validator(key_pair(b"\x0c" * 32))
    proof = prove_key(fresh, "org1", CHAIN_ID)
    with pytest.raises(Refusal, match="another organisation's"):
        ledger.members.send(ledger.voters[0], "rotate", 1, *proof, b"\x44" * 32)
    ledger.members.send(ledger.voters[1], "rotate", 1, *proof, b"\x44" * 32)
    old = ledger.facts()[2][1]
    ledger.end_epoch()
    new = ledger.facts()[2][1]
    assert (new[2], new[4]) == (fresh.public, b"\x44" * 32)
    assert (new[3], old[2] != new[2]) == (old[3], True), "its account stays"
    ledger.seal_block()


def rotate(ledger: AllianceLedger, index: int, seed: int, certificate: bytes | None = None) -> None:
    pair = ledger.add_validator(key_pair(bytes([seed]) * 32))
    proof = prove_key(pair, f"org{index}", CHAIN_ID)
    ledger.members.send(ledger.voters[index], "rotate", index, *proof, certificate or bytes([seed]) * 32)


def test_a_node_changes_its_keys_once_in_an_epoch() -> None:
    ledger = AllianceLedger()
    rotate(ledger, 1, 0x41)
    with pytest.raises(Refusal, match="its keys change in this epoch already"):
        rotate(ledger, 1, 0x42)
    rotate(ledger, 2, 0x43)  # another node in the same epoch
    ledger.end_epoch()
    ledger.seal_block()  # questions to the last block of an epoch are still answered in it
    with pytest.raises(Refusal, match="it has these keys"):
        rotate(ledger, 1, 0x41)
    rotate(ledger, 1, 0x42)
    ledger.end_epoch()
    assert ledger.facts()[2][1][2] == key_pair(b"\x42" * 32).public
    rotate(ledger, 1, 0x42, b"\x45" * 32)  # its certificate alone
    ledger.end_epoch()
    assert ledger.facts()[2][1][4] == b"\x45" * 32


def test_a_node_changes_its_keys_eight_times_in_a_day() -> None:
    ledger = AllianceLedger()
    for seed in range(0x41, 0x49):
        rotate(ledger, 1, seed)
        ledger.end_epoch()
        ledger.seal_block()
    with pytest.raises(Refusal, match="its keys have changed eight times today"):
        rotate(ledger, 1, 0x49)
    rotate(ledger, 2, 0x4A)
    ledger.end_epoch()
    ledger.now_ms += 86_400_000
    rotate(ledger, 1, 0x49)


def test_keys_and_certificates_that_a_node_ever_had_are_nobody_elses() -> None:
    ledger = AllianceLedger()
    rotate(ledger, 1, 0x41)
    with pytest.raises(Refusal, match="a node has this certificate"):
        rotate(ledger, 2, 0x42, b"\x02" * 32)  # node 1 still shows it until the epoch ends
    with pytest.raises(Refusal, match="a node has this certificate"):
        rotate(ledger, 2, 0x42, b"\x41" * 32)
    ledger.end_epoch()
    with pytest.raises(Refusal, match="a node has this certificate, or had it"):
        rotate(ledger, 2, 0x42, b"\x02" * 32)
    with pytest.raises(Refusal, match="a node has this key, or had it"):
        ledger.members.send(
            ledger.voters[1], "rotate", 1, *prove_key(key_pair((201).to_bytes(32)), "org1", CHAIN_ID), b"\x46" * 32
        )
    with pytest.raises(Refusal, match="needs a certificate"):
        rotate(ledger, 2, 0x42, bytes(32))


def test_a_node_that_has_not_joined_changes_no_keys() -> None:
    ledger = AllianceLedger()
    ledger.join(ledger.invite("guest", GUEST), GUEST, "guest")
    proof = prove_key(key_pair(b"\x44" * 32), "guest", CHAIN_ID)
    with pytest.raises(Refusal, match="has not joined yet"):
        ledger.members.send(ledger.voters[4], "rotate", 4, *proof, b"\x44" * 32)
    ledger.end_epoch()
    ledger.members.send(ledger.voters[4], "rotate", 4, *proof, b"\x44" * 32)


def test_an_organisation_adds_observers_of_its_own() -> None:
    ledger = AllianceLedger()

    def add(name: str, by: int = 1) -> int:
        pair = ledger.add_validator(key_pair(keccak256(name.encode())))
        certificate = keccak256(b"certificate " + name.encode())
        proof = prove_key(pair, name, CHAIN_ID)
        events = ledger.members.send(ledger.voters[by], "addNode", name, *proof, certificate, "127.0.0.1:30398")
        return int(events["NodeAdded"]["node"])

    for name in ("second", "org1", "org1-", "org12"):
        with pytest.raises(Refusal, match="a hyphen and more"):
            add(name)
    assert [add(f"org1-{letter}") for letter in "abc"] == [4, 5, 6]
    with pytest.raises(Refusal, match="four nodes adds none"):
        add("org1-d")
    assert add("org2-a", by=2) == 7
    with pytest.raises(Refusal, match="a node has this name"):
        add("org2-a", by=2)
    ledger.end_epoch()
    assert weights(ledger) == [1] * 4 + [0] * 4
    with pytest.raises(Refusal, match="was not promised"):
        ledger.members.send(ledger.voters[1], "activate", 4)
    ledger.approve(ledger.propose("setStatus", 4, VALIDATOR, by=1))
    ledger.end_epoch()
    assert weights(ledger) == [1] * 5 + [0] * 3
    ledger.approve(ledger.propose("setStatus", 6, REMOVED))
    ledger.end_epoch()
    assert add("org1-d") == 8


def test_the_last_block_of_an_epoch_names_the_next_set_in_its_header() -> None:
    ledger = AllianceLedger()
    ledger.join(ledger.invite("guest", GUEST), GUEST, "guest")
    end = ledger.end_epoch()
    facts = [ledger.ask("hansa_getBlockFacts", hex(height)) for height in (end - 1, end)]
    assert int(facts[0]["nextSetHash"], 16) == 0
    assert int(facts[1]["nextSetHash"], 16) != 0
    other = _native.Chain.create(None, ledger.genesis)
    for height, block in enumerate(ledger.chain.export_blocks(1, 100, 1 << 24), start=1):
        assert other.import_block(block)[:2] == (height, ledger.chain.sealed_hash(height))
    assert other.epoch_facts(other.head()[2]) == ledger.facts()
