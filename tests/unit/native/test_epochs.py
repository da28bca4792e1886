"""A ledger whose validators change: it opens in any epoch, verifies, travels; each epoch's set judges its blocks."""

from pathlib import Path

import pytest

from hansa import _native
from hansa._native import Chain, NativeError
from hansa.crypto.suite import key_pair
from tests.contracts.alliance_ledger import AllianceLedger
from tests.unit.native.alliance_fixture import genesis

GUEST = key_pair(b"\x09" * 32)


def grown(directory: Path | None) -> AllianceLedger:
    """Three epochs: a guest joins, and votes."""
    ledger = AllianceLedger(directory=directory)
    ledger.join(ledger.invite("guest", GUEST), GUEST, "guest")
    ledger.end_epoch()
    ledger.members.send(ledger.voters[4], "activate", 4)
    ledger.end_epoch()
    for _ in range(5):
        ledger.seal_block()
    return ledger


def test_it_opens_in_the_epoch_in_which_it_stopped(tmp_path: Path) -> None:
    ledger = grown(tmp_path)
    facts, head = ledger.facts(), ledger.chain.head()
    ledger.chain.close()
    del ledger.chain, ledger._rpc
    assert _native.verify_ledger(str(tmp_path), ledger.genesis) == []
    chain = Chain.open(str(tmp_path), ledger.genesis)
    assert (chain.head(), chain.epoch_facts(head[2])) == (head, facts)
    assert facts[0] == 2
    ledger.chain = chain
    ledger.seal_block()


def test_it_opens_with_an_end_to_come(tmp_path: Path) -> None:
    ledger = AllianceLedger(directory=tmp_path)
    ledger.join(ledger.invite("guest", GUEST), GUEST, "guest")
    end = ledger.chain.epoch_end(ledger.chain.head()[2])
    ledger.chain.close()
    del ledger.chain, ledger._rpc
    ledger.chain = Chain.open(str(tmp_path), ledger.genesis)
    assert ledger.end_epoch() == end
    assert ledger.facts()[0] == 1
    ledger.seal_block()


def test_blocks_of_all_epochs_are_judged_by_their_own_validators() -> None:
    ledger = grown(None)
    blocks = ledger.chain.export_blocks(1, 1_000, 1 << 26)
    other = Chain.create(None, ledger.genesis)
    first_of_2 = ledger.facts()[1]
    for block in blocks[: first_of_2 - 1]:
        other.import_block(block)
    good = blocks[first_of_2 - 1]
    certificate = ledger.chain.certificate(first_of_2)
    assert certificate is not None
    epoch, height, sealed_hash, signatures = _native.certificate_decode(certificate)
    assert epoch == 2
    for wrong in (
        _native.certificate_encode(1, height, sealed_hash, signatures),
        _native.certificate_encode(2, height, sealed_hash, signatures[:3]),
    ):
        with pytest.raises(NativeError) as refused:
            other.import_block(with_certificate(good, certificate, wrong))
        assert refused.value.args[0] == "BLOCK-CERTIFICATE"
    other.import_block(good)


def with_certificate(block: bytes, old: bytes, new: bytes) -> bytes:
    """An exported block with another certificate."""
    assert block.count(old) == 1
    return block.replace(len(old).to_bytes(4) + old, len(new).to_bytes(4) + new)


def test_another_next_set_than_the_certified_header_names_is_refused() -> None:
    ledger = AllianceLedger()
    ledger.join(ledger.invite("guest", GUEST), GUEST, "guest")
    end = ledger.end_epoch()
    *before, last = ledger.chain.export_blocks(1, end, 1 << 26)
    other = Chain.create(None, ledger.genesis)
    for block in before:
        other.import_block(block)
    changed = last[:-1] + bytes([last[-1] ^ 1])
    with pytest.raises(NativeError) as refused:
        other.import_block(changed)
    assert refused.value.args[0] == "BLOCK-FORM"
    assert other.import_block(last)[0] == end


def test_without_a_contract_genesis_lasts() -> None:
    chain = Chain.create(None, genesis())
    order_hash = chain.head()[2]
    assert (chain.epoch_facts(order_hash), chain.epoch_end(order_hash)) == (None, None)
    assert chain.order_hash(0) == order_hash
    assert chain.order_hash(1) is None
