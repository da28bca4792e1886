"""A state of a later epoch is taken over by who knows nothing but genesis: each set is proven by the one before it."""

from collections import deque
from pathlib import Path

import pytest

from hansa import _native
from hansa._native import Chain, NativeError, Snapshot
from hansa.node.assemble import read_restored
from hansa.node.genesis import decode_genesis
from hansa.sync.snapshot import ASK_HEAD
from tests.contracts.alliance_ledger import AllianceLedger
from tests.unit.native.test_epochs import grown

LENGTH_BYTES = 4
WINDOW_BLOCKS = 1_023  # that come with a state


def parts_of(head: bytes) -> list[bytes]:
    """Header, certificate, faces, and the end of each epoch."""
    parts = []
    while head:
        size = LENGTH_BYTES + int.from_bytes(head[:LENGTH_BYTES], "little")
        parts.append(head[:size])
        head = head[size:]
    return parts


def head_of(ledger: AllianceLedger, ask: bytes = ASK_HEAD) -> bytes:
    head = ledger.chain.snapshot_answer(1, ledger.chain.head()[0], ask)
    assert head is not None
    return head


def grown_far() -> AllianceLedger:
    """Two epochs that ended before all blocks which come with a snapshot."""
    ledger = grown(None)
    while ledger.chain.head()[0] < ledger.facts()[1] + WINDOW_BLOCKS:
        ledger.seal_block()
    return ledger


def take_over(ledger: AllianceLedger, snapshot: Snapshot) -> None:
    """Fetch everything and have it put together."""
    missing = deque(snapshot.begin(1, head_of(ledger)))
    while missing:
        ask = missing.popleft()
        answer = ledger.chain.snapshot_answer(1, snapshot.height, ask)
        assert answer is not None
        missing += snapshot.add(ask, answer)
    snapshot.finish()


def test_a_newcomer_takes_over_a_state_whose_epochs_ended_before_its_blocks(tmp_path: Path) -> None:
    ledger = grown_far()
    _, first, *_ = ledger.facts()
    data = str(tmp_path)
    take_over(ledger, Snapshot.open(data, ledger.genesis))
    chain = Chain.open(data, ledger.genesis)
    height, _, order_hash = chain.head()
    assert chain.head() == ledger.chain.head()
    assert chain.epoch_facts(order_hash) == ledger.facts()
    assert chain.oldest_exported() > first - 1
    root = ledger.chain.order_hash(first - 1)
    restored = read_restored(chain, decode_genesis(ledger.genesis), ())
    assert (chain.order_hash(first - 1), restored.epoch_root_hash) == (root, root), "the epoch's blocks descend from it"
    ledger.seal_block()
    chain.import_block(ledger.chain.export_blocks(height + 1, 1, 1 << 20)[0])
    assert parts_of(chain.snapshot_answer(1, height + 1, ASK_HEAD) or b"")[3:] == parts_of(head_of(ledger))[3:]
    chain.close()
    del chain
    assert _native.verify_ledger(data, ledger.genesis) == []
    keys = [node[2] if node[7] else None for node in ledger.facts()[2]]
    assert _native.epoch_keys(data, ledger.genesis, 2) == keys
    assert _native.epoch_keys(data, ledger.genesis, 3) is None
    assert Chain.open(data, ledger.genesis).head() == ledger.chain.head()


@pytest.mark.parametrize("damage", ["lost", "rotten"])
def test_a_ledger_without_its_record_of_epochs_says_so_and_is_repaired(tmp_path: Path, damage: str) -> None:
    ledger = grown_far()
    data = str(tmp_path)
    take_over(ledger, Snapshot.open(data, ledger.genesis))
    Chain.open(data, ledger.genesis).close()
    file = tmp_path / "epochs"
    if damage == "lost":
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[:-40] + bytes(40))
    with pytest.raises(NativeError) as refused:
        Chain.open(data, ledger.genesis)
    assert refused.value.args[0] == "CHAIN-CORRUPT"
    assert _native.verify_ledger(data, ledger.genesis)
    _, moved, height = _native.repair_folder(data, ledger.genesis)
    assert height == 0 and moved, "it comes back from the other nodes"
    assert _native.verify_ledger(data, ledger.genesis) == []


def test_a_whole_ledger_makes_its_record_of_epochs_anew(tmp_path: Path) -> None:
    ledger = grown(tmp_path)
    ledger.chain.close()
    del ledger.chain, ledger._rpc
    file = tmp_path / "epochs"
    before = file.read_bytes()
    file.write_bytes(b"rotten")
    (tmp_path / "epochs.tmp").write_bytes(b"left over")
    (tmp_path / "base.tmp").write_bytes(b"left over")
    assert [found[0] for found in _native.verify_ledger(str(tmp_path), ledger.genesis)] == ["epochs"]
    Chain.open(str(tmp_path), ledger.genesis).close()
    assert file.read_bytes() == before
    assert not list(tmp_path.glob("*.tmp"))
    assert _native.verify_ledger(str(tmp_path), ledger.genesis) == []


def test_heads_that_lie_about_epochs_are_refused(tmp_path: Path) -> None:
    ledger = grown(None)
    header, certificate, faces, *ends = parts_of(head_of(ledger))
    assert len(ends) == 2

    def refusal(*parts: bytes) -> str:
        with pytest.raises(NativeError) as refused:
            Snapshot.open(str(tmp_path), ledger.genesis).check_head(1, ASK_HEAD, b"".join(parts))
        return str(refused.value.args[0])

    assert refusal(header, certificate, faces) == "BLOCK-CERTIFICATE"
    assert refusal(header, certificate, faces, ends[1], ends[0]) == "BLOCK-CERTIFICATE"
    assert refusal(header, certificate, faces, b"\1\0\0\0x") == "SNAPSHOT-EPOCH"
    assert refusal(header, certificate, faces, *ends, b"\1") == "SNAPSHOT-HEAD"
    other = AllianceLedger()
    other.join(other.invite("guest", other.keys[0]), other.keys[0], "guest")
    other.end_epoch()
    foreign = parts_of(head_of(other))[3]
    assert refusal(header, certificate, faces, foreign, ends[1]) == "BLOCK-CERTIFICATE"
    for which, end in enumerate(ends):
        for at in range(LENGTH_BYTES, len(end), 7):
            bad = end[:at] + bytes([end[at] ^ 1]) + end[at + 1 :]
            told = [bad if which == nth else one for nth, one in enumerate(ends)]
            assert refusal(header, certificate, faces, *told).startswith(("SNAPSHOT-", "BLOCK-", "WIRE-"))


def test_epochs_may_come_in_portions(tmp_path: Path) -> None:
    ledger = grown(None)
    header, certificate, faces, *ends = parts_of(head_of(ledger))
    snapshot = Snapshot.open(str(tmp_path), ledger.genesis)
    height, face, missing = snapshot.check_head(1, ASK_HEAD, header + certificate + faces + ends[0])
    assert (height, face, missing) == (ledger.chain.head()[0], b"", [b"\0" + (1).to_bytes(8, "little")])
    rest = head_of(ledger, missing[0])
    assert rest == header + certificate + faces + ends[1]
    ask = missing[0]
    with pytest.raises(NativeError):
        snapshot.check_head(2, ask, rest)  # it showed nothing of the epoch before
    height, face, missing = snapshot.check_head(1, ask, rest)
    assert (len(face), missing) == (32, [])
    assert snapshot.check_head(2, ASK_HEAD, head_of(ledger)) == (height, face, [])
    assert snapshot.check_head(3, ASK_HEAD, header + certificate + faces + ends[0])[2] == [ask]
    with pytest.raises(NativeError):
        snapshot.check_head(3, ask, header + certificate + faces)  # asked for more, and nothing came
    snapshot.begin(1, header + certificate + faces)
    del snapshot
    again = Snapshot.open(str(tmp_path), ledger.genesis)
    assert again.height == height, "what was proven is kept with what was begun"
