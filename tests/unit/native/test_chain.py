"""The chain as Python drives it: order, execute, seal, exchange, go on after a stop."""

from pathlib import Path

import pytest

from hansa import _native
from hansa._native import Chain, NativeError
from tests.unit.native.alliance_fixture import CHAIN_ID, GAS_LIMIT, USERS, certify, genesis, grow, order_next, seal
from tests.unit.native.alliance_fixture import transfers as send


def test_a_transfer_becomes_final(tmp_path: Path) -> None:
    chain = Chain.create(str(tmp_path), genesis())
    (sent,) = send(chain, 0, 0, 1)
    assert chain.status_of(sent) == ("pending", None)
    assert chain.has_executable([])
    order_hash = order_next(chain)
    assert chain.status_of(sent) == ("ordered", None)
    assert not chain.has_executable([order_hash])
    height, sealed_hash, gas_used, included = chain.execute(order_hash)
    assert (height, gas_used, included) == (1, 21_000, 1)
    certificate = certify(chain, height, sealed_hash)
    assert chain.verify_certificate(certificate)
    assert not chain.verify_certificate(certify(chain, height, sealed_hash, signers=2))
    assert not chain.verify_certificate(b"nonsense")
    chain.seal(height, certificate)
    assert chain.head() == (1, sealed_hash, order_hash)
    assert chain.status_of(sent) == ("final", None)
    assert chain.certificate(1) == certificate
    assert chain.pool_status() == (0, 0)


def test_it_goes_on_at_the_same_height(tmp_path: Path) -> None:
    chain = grow(tmp_path, 5)
    head = chain.head()
    pending = order_next(chain)
    chain.close()
    del chain
    chain = Chain.open(str(tmp_path), genesis())
    assert chain.head() == head
    assert [found for found, _ in chain.unsealed_bodies()] == [pending]
    seal(chain, pending)
    assert chain.head()[0] == 6
    found = chain.order_block(head[2])
    assert found is not None
    assert _native.order_hash(found[0]) == head[2]
    assert chain.order_block(bytes(32)) is None


def test_a_second_node_imports_what_the_first_exports() -> None:
    chain, other = grow(None, 4), Chain.create(None, genesis())
    for height, block in enumerate(chain.export_blocks(1, 100, 1 << 24), start=1):
        assert other.import_block(block) == (height, chain.sealed_hash(height), chain.certificate(height))
    assert other.head() == chain.head()
    with pytest.raises(NativeError) as refused:
        other.import_block(b"\x01")
    assert refused.value.args[0] == "WIRE-TRUNCATED"


def test_bundles_reach_the_other_pool_and_missing_payloads_are_fetched() -> None:
    chain, other = Chain.create(None, genesis()), Chain.create(None, genesis())
    hashes = send(chain, 0, 0, 3)
    refs, count, _ = chain.propose([], GAS_LIMIT, 100, 1 << 20)
    assert (count, refs) == (3, b"".join(hashes))
    assert other.missing(refs) == refs
    assert other.add_bundle(0, chain.payload(refs[:64])) == (2, 0)
    assert other.missing(refs) == refs[64:]
    bundle = chain.take_outgoing(1 << 20)
    assert bundle is not None
    assert other.add_bundle(0, bundle) == (1, 0)
    assert other.missing(refs) == b""
    assert chain.take_outgoing(1 << 20) is None


def test_new_pending_hashes_come_once() -> None:
    chain = Chain.create(None, genesis())
    cursor, found = chain.pending_hashes_since(-1)
    assert found == b""
    hashes = send(chain, 1, 0, 2)
    cursor, found = chain.pending_hashes_since(cursor)
    assert found == b"".join(hashes)
    assert chain.pending_hashes_since(cursor) == (cursor, b"")


def test_refusals_name_their_cause() -> None:
    chain = Chain.create(None, genesis())
    foreign = _native.sign_many([USERS[0]], [0], [0], [bytes(20)], [b""], CHAIN_ID + 1)
    poor = _native.sign_transaction(USERS[0], {"chain_id": CHAIN_ID, "nonce": 0, "gas": 21_000, "value": 10**30})
    answers = chain.submit([*foreign, poor, b"", b"\xff"])
    assert [code for _, code in answers] == ["POOL-CHAIN-ID", "POOL-INTRINSIC-GAS", "TX-EMPTY", "TX-RLP"]
    assert chain.status_of(_native.keccak256(poor)) == ("refused", "POOL-INTRINSIC-GAS")
    assert chain.status_of(bytes(32)) == ("unknown", None)


def test_errors_carry_code_message_and_hint(tmp_path: Path) -> None:
    with pytest.raises(NativeError) as missing:
        Chain.open(str(tmp_path / "nowhere"), genesis())
    code, message, hint = missing.value.args
    assert code == "CHAIN-MISSING"
    assert "nowhere" in message
    assert "hansa init" in hint
    chain = Chain.create(str(tmp_path), genesis())
    with pytest.raises(NativeError) as locked:
        Chain.open(str(tmp_path), genesis())
    assert locked.value.args[0] == "CHAIN-LOCKED"
    with pytest.raises(NativeError) as short:
        chain.has_body(b"short")
    assert short.value.args[0] == "ARGUMENT-LENGTH"
    with pytest.raises(NativeError) as malformed:
        Chain.create(None, b"{}")
    assert malformed.value.args[0] == "GENESIS-INVALID"


def test_the_genesis_hash_needs_no_chain() -> None:
    assert _native.genesis_hash(genesis()) == Chain.create(None, genesis()).genesis_hash
    assert _native.genesis_hash(genesis()) != _native.genesis_hash(genesis(gas_limit=GAS_LIMIT + 1))


def test_the_playground_mines_reverts_and_impersonates() -> None:
    chain = Chain.create(None, genesis(consensus={"kind": "solo"}))
    snapshot = chain.dev_snapshot()
    stranger = b"\x77" * 20
    chain.dev_set_account(stranger, balance=10**18, nonce=3)
    sent = chain.dev_submit_as(stranger, b'{"to":"0x%s","value":"0x1","gas":"0x5208"}' % (b"11" * 20))
    height, sealed_hash = chain.dev_mine(2_000_000)
    assert (height, chain.sealed_hash(1)) == (1, sealed_hash)
    assert chain.status_of(sent) == ("final", None)
    assert chain.head_time_ms() == 2_000_000
    assert chain.dev_revert(snapshot)
    assert not chain.dev_revert(snapshot)
    assert chain.head()[0] == 0
    assert chain.status_of(sent)[0] == "unknown"
