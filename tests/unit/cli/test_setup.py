"""Founding leaves a whole folder or none, and never touches keys that are there."""

from pathlib import Path

import pytest

from hansa.alliance.errors import FolderTaken, InvalidPublicPart
from hansa.alliance.layout import AllianceFolder
from hansa.alliance.model import Alliance
from hansa.cli import setup
from hansa.cli.setup import describe_alliance, found_alliance, genesis_hash_of, install


@pytest.fixture
def alliance() -> Alliance:
    return describe_alliance("small", 777_777_777, dev=True, orgs="one,two", port=20_000)


def test_a_new_folder_is_whole(tmp_path: Path, alliance: Alliance) -> None:
    folder = AllianceFolder(tmp_path / "deep" / "new")
    folder.root.parent.mkdir()
    found_alliance(folder, alliance)
    assert [path.name for path in folder.root.parent.iterdir()] == ["new"]
    for name in ("one", "two"):
        node = folder.node(name, name)
        assert node.config.exists()
        assert node.genesis.read_bytes() == folder.genesis.read_bytes()
        assert len(list(node.votes.glob("*.seg"))) == 1


def test_what_is_interrupted_leaves_nothing(
    tmp_path: Path, alliance: Alliance, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(setup, "install", full)
    with pytest.raises(OSError, match="No space"):
        found_alliance(AllianceFolder(tmp_path / "new"), alliance)
    assert list(tmp_path.iterdir()) == []


def test_keys_that_are_there_stay(tmp_path: Path, alliance: Alliance) -> None:
    folder = AllianceFolder(tmp_path)
    found_alliance(folder, alliance)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(FolderTaken):
        found_alliance(folder, alliance)
    genesis = folder.genesis.read_bytes()
    install(folder, alliance, genesis, alliance.organisation("one"))
    with pytest.raises(FolderTaken):
        install(folder, alliance, genesis.replace(b"777777777", b"777777778"), alliance.organisation("one"))
    assert before == {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}


def test_genesis_that_does_not_hold_is_named(tmp_path: Path, alliance: Alliance) -> None:
    folder = AllianceFolder(tmp_path)
    found_alliance(folder, alliance)
    genesis = folder.genesis.read_bytes()
    assert genesis_hash_of(genesis) != genesis_hash_of(
        genesis.replace(b'"gas_limit": 1000000000', b'"gas_limit": 2000000')
    )
    for data in (b"", b"{}", genesis.replace(b'"osaka"', b'"paris"')):
        with pytest.raises(InvalidPublicPart):
            genesis_hash_of(data)


def test_a_lost_vote_log_is_not_born_again(tmp_path: Path) -> None:
    alliance = describe_alliance("test", None, dev=True)
    folder = AllianceFolder(tmp_path)
    found_alliance(folder, alliance)
    organisation = alliance.organisations[0]
    node = folder.node(organisation.name, organisation.nodes[0].name)
    for segment in node.votes.glob("*.seg"):
        segment.unlink()
    install(folder, alliance, folder.genesis.read_bytes(), organisation)
    assert not list(node.votes.glob("*.seg"))
