"""A node that joined after genesis is examined like any other, and a backup is nobody else's to read while it grows."""

from pathlib import Path

import msgspec
import pytest

from hansa._native import Chain, Snapshot
from hansa.alliance.files import TEXT_BYTES_MAX
from hansa.alliance.layout import NodeFolder
from hansa.cli.errors import BackupBroken, RestoreRefused
from hansa.cli.recovery import backup
from hansa.cli.recovery.doctor import Level, diagnose
from hansa.cli.recovery.healing import vote_damage
from hansa.cli.screen import Screen
from hansa.cli.setup import genesis_hash_of
from hansa.io.key_file import read_consensus_key, sign_birth
from hansa.io.vote_log_file import create_vote_log
from hansa.node.config import load_node_config
from hansa.node.epochs.facts import note_epoch, read_latest
from hansa.node.errors import InvalidNodeConfig
from hansa.node.genesis import decode_genesis
from hansa.types.epoch import EpochFacts
from tests.unit.native.test_snapshot_epochs import grown_far, take_over

LATER = 4  # the place of a node that joined an alliance of four


@pytest.fixture
def joined(folder: NodeFolder) -> NodeFolder:
    """The same node, as if it had joined later."""
    genesis = folder.genesis.read_bytes()
    known = decode_genesis(genesis).epoch()
    former = msgspec.structs.replace(known.nodes[0], name="gone", is_linked=False, weight=0, address="10.0.0.9:1")
    places = [former, *(msgspec.structs.replace(node, address="127.0.0.1:1") for node in known.nodes[1:])]
    own = msgspec.structs.replace(known.nodes[0], index=LATER)
    folder.members.write_bytes(msgspec.json.encode(msgspec.structs.replace(known, nodes=(*places, own))))
    text = folder.config.read_text().replace("index = 0", f"index = {LATER}", 1)
    folder.config.write_text(text[: text.index("[[peers]]")])
    for segment in folder.votes.iterdir():
        segment.unlink()
    pair = read_consensus_key(folder.consensus_key)
    create_vote_log(folder.votes, sign_birth(pair, genesis_hash_of(genesis), LATER))
    return folder


def test_votes_of_a_node_that_joined_later(joined: NodeFolder) -> None:
    genesis = joined.genesis.read_bytes()
    assert vote_damage(joined, genesis, load_node_config(joined)) == []
    votes = [finding for finding in diagnose(joined.root)[1] if finding.check == "votes"]
    assert [finding.level for finding in votes] == [Level.GOOD]
    joined.members.unlink()
    with pytest.raises(InvalidNodeConfig, match="index 4"):
        vote_damage(joined, genesis, load_node_config(joined))


def note_voters(folder: NodeFolder, voters: int, number: int = 3) -> None:
    """A folder notes a later epoch, in which only so many validators are left."""
    known = decode_genesis(folder.genesis.read_bytes()).epoch()
    nodes = tuple(msgspec.structs.replace(node, weight=int(node.index < voters)) for node in known.nodes)
    facts = msgspec.structs.replace(known, number=number, first_height=9, nodes=nodes)
    note_epoch(folder, facts, genesis_hash_of(folder.genesis.read_bytes()))


def latest(folder: NodeFolder) -> EpochFacts:
    genesis = folder.genesis.read_bytes()
    return read_latest(folder, decode_genesis(genesis), genesis_hash_of(genesis))


def test_the_set_in_force_says_whether_the_others_can_take_a_validator_back(folder: NodeFolder) -> None:
    for segment in folder.votes.iterdir():
        segment.unlink()
    for voters, cure in ((4, "start the node"), (3, "no other way")):
        note_voters(folder, voters, number=7 - voters)
        (finding,) = (finding for finding in diagnose(folder.root)[1] if finding.check == "votes")
        assert cure in finding.cure


def test_a_restore_is_judged_by_the_latest_set_that_node_or_backup_knows(folder: NodeFolder, tmp_path: Path) -> None:
    genesis_hash = "0x" + genesis_hash_of(folder.genesis.read_bytes()).hex()
    target = NodeFolder(tmp_path / "backup")
    target.root.mkdir()
    manifest = backup.Manifest(1, genesis_hash, 1, "core", "core", 9, "0x", "", "", ())
    (target.root / backup.MANIFEST).write_bytes(msgspec.json.encode(manifest))
    target.genesis.write_bytes(folder.genesis.read_bytes())
    note_voters(target, 3)
    with pytest.raises(RestoreRefused, match="with 3 validators"):
        backup.restore_backup(Screen(), target.root, folder.root, yes=True)
    note_voters(folder, 4, number=4)
    with pytest.raises(BackupBroken):  # judged, and then looked at
        backup.restore_backup(Screen(), target.root, folder.root, yes=True)


def test_the_latest_epoch_is_noted_once_and_never_goes_back(folder: NodeFolder) -> None:
    assert latest(folder).number == 0
    note_voters(folder, 4, number=5)
    note_voters(folder, 3, number=4)
    assert (latest(folder).number, sum(latest(folder).weights)) == (5, 4)
    folder.epoch.write_bytes(b"{")
    assert latest(folder).number == 0, "the node writes it anew"
    note_voters(folder, 4)
    assert latest(folder).number == 3
    genesis = decode_genesis(folder.genesis.read_bytes())
    assert read_latest(folder, genesis, bytes(32)).number == 0, "it is another chain's"
    missing = NodeFolder(folder.root / "file" / "none")
    (folder.root / "file").write_bytes(b"")
    note_epoch(missing, latest(folder), bytes(32))  # no room, no right: the node goes on


def test_a_noted_epoch_that_cannot_be_read_stops_nobody(folder: NodeFolder) -> None:
    with folder.epoch.open("wb") as file:
        file.truncate(TEXT_BYTES_MAX + 1)
    assert latest(folder).number == 0
    note_voters(folder, 4, number=2)
    assert latest(folder).number == 2
    folder.epoch.unlink()
    folder.epoch.mkdir()
    note_voters(folder, 4)
    assert latest(folder).number == 0


def test_a_backup_holds_what_proves_the_epochs_before_its_blocks(tmp_path: Path) -> None:
    ledger = grown_far()
    data, copy = tmp_path / "data", tmp_path / "copy"
    data.mkdir()
    take_over(ledger, Snapshot.open(str(data), ledger.genesis))
    Chain.open(str(data), ledger.genesis).close()
    backup._copy_ledger(data, copy)
    assert backup._settle(copy, ledger.genesis)[1:3] == ledger.chain.head()[:2]
    backup._check_ledger(copy, ledger.genesis)
    (copy / "epochs").unlink()
    with pytest.raises(BackupBroken):
        backup._check_ledger(copy, ledger.genesis)


def test_a_backup_is_private_from_its_first_byte(
    folder: NodeFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def look(source: Path, target: Path) -> None:
        assert target.parent.stat().st_mode & 0o077 == 0
        raise InterruptedError

    monkeypatch.setattr(backup, "_copy_ledger", look)
    with pytest.raises(InterruptedError):
        backup.create_backup(Screen(), folder.root, tmp_path / "backup")
