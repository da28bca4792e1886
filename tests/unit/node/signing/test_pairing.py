"""Giving a validator a standby: the key is in one place at a time, and the folders fit together."""

import errno
import os
from pathlib import Path

import msgspec
import pytest

from hansa.alliance.layout import AllianceFolder
from hansa.alliance.model import Alliance
from hansa.cli.network import read_token
from hansa.cli.setup import describe_alliance, found_alliance
from hansa.io.errors import UnusableKeyFile
from hansa.node.config import load_node_config
from hansa.node.errors import InvalidNodeConfig
from hansa.node.signing.config import load_signer_config
from hansa.node.signing.errors import AlreadyPaired, CannotPair, NotPaired
from hansa.node.signing.pairing import Places, choose_places, make_standby, open_signer_client


class Founded:
    """An alliance of which nothing runs, and one of its nodes."""

    def __init__(self, root: Path) -> None:
        self.alliance: Alliance = describe_alliance("test", None, True)
        self.folder = AllianceFolder(root)
        found_alliance(self.folder, self.alliance)
        organisation, node = self.alliance.nodes()[1]
        self.owner, self.name = organisation.name, node.name
        self.node = self.folder.node(self.owner, self.name)

    def places(self) -> Places:
        return choose_places(self.alliance, self.name, None, None, None, None)

    def pair(self) -> None:
        make_standby(self.folder, self.alliance, self.owner, self.name, self.places())


@pytest.fixture
def founded(tmp_path: Path) -> Founded:
    return Founded(tmp_path)


def test_key_and_votes_move_to_the_signer(founded: Founded) -> None:
    key = founded.node.consensus_key.read_bytes()
    votes = {path.name: path.read_bytes() for path in founded.node.votes.iterdir()}
    founded.pair()
    signer, standby = (at(founded.owner, founded.name) for at in (founded.folder.signer, founded.folder.standby))
    assert signer.consensus_key.read_bytes() == key
    assert {path.name: path.read_bytes() for path in signer.votes.iterdir()} == votes
    for folder in (founded.node, standby):
        assert not folder.consensus_key.exists() and not folder.votes.exists()
        assert folder.tls_key.read_bytes() == signer.tls_key.read_bytes()
        assert folder.tls_key.stat().st_mode & 0o077 == 0


def test_each_folder_knows_the_others(founded: Founded) -> None:
    places = founded.places()
    founded.pair()
    active = load_node_config(founded.node)
    standby = load_node_config(founded.folder.standby(founded.owner, founded.name))
    signer = load_signer_config(founded.folder.signer(founded.owner, founded.name))
    assert active.signer is not None and standby.signer is not None
    assert (active.signer.other, standby.signer.other) == (standby.listen, active.listen)
    assert {active.signer.address, standby.signer.address} == {signer.listen} == {places.signer}
    assert (active.index, active.peers) == (standby.index, standby.peers)
    addresses = [active.listen, active.rpc_listen, standby.listen, standby.rpc_listen, signer.listen]
    assert len(set(addresses)) == len(addresses)


def test_what_was_interrupted_goes_on(founded: Founded) -> None:
    config = founded.node.config.read_bytes()
    founded.pair()
    founded.node.config.write_bytes(config)  # as if it had ended before the last step
    founded.pair()
    assert load_node_config(founded.node).signer is not None
    with pytest.raises(AlreadyPaired):
        founded.pair()


def test_only_the_key_of_genesis_is_given_to_a_signer(founded: Founded) -> None:
    (founded.node.root / "consensus-1.key").write_text("a later one")
    with pytest.raises(CannotPair):
        founded.pair()
    (founded.node.root / "consensus-1.key").unlink()
    founded.node.consensus_key.write_text("0x" + "11" * 32 + "\n")
    with pytest.raises(UnusableKeyFile):
        founded.pair()
    assert founded.node.consensus_key.exists()


def test_a_validator_with_one_node_has_no_signer(founded: Founded) -> None:
    with pytest.raises(NotPaired):
        open_signer_client(founded.node)


def test_the_nodes_own_settings_stay(founded: Founded) -> None:
    settings = f"""keep_blocks = 2048
log_level = "warning"  # quiet
workers = 3
{founded.node.config.read_text().replace('data = "data"', 'data = "elsewhere"')}
[rpc]
token_file = "token"
hosts = ["bank.example"]
"""
    founded.node.config.write_text(settings)
    founded.node.data.rename(founded.node.root / "elsewhere")
    token = founded.node.root / "token"
    token.touch(0o600)
    token.write_text("a token of some length")
    before = load_node_config(founded.node)
    votes = sorted(path.name for path in (founded.node.root / "elsewhere" / "votes").iterdir())
    founded.pair()
    active = load_node_config(founded.node)
    assert founded.node.config.read_text().startswith(settings)
    assert msgspec.structs.replace(active, signer=None) == before
    folder = founded.folder.standby(founded.owner, founded.name)
    standby = load_node_config(folder)
    assert (standby.keep_blocks, standby.log_level, standby.workers) == (2048, "warning", 3)
    assert (standby.rpc, standby.data) == (before.rpc, "data")
    assert read_token(folder) == "a token of some length"
    signer = founded.folder.signer(founded.owner, founded.name)
    assert sorted(path.name for path in signer.votes.iterdir()) == votes
    assert not (founded.node.root / "elsewhere" / "votes").exists()


def test_without_the_votes_the_key_stays(founded: Founded) -> None:
    founded.node.votes.rename(founded.node.data / "gone")
    with pytest.raises(CannotPair):
        founded.pair()
    assert founded.node.consensus_key.exists()
    assert not founded.folder.signer(founded.owner, founded.name).root.exists()


def test_votes_on_another_disk_are_moved_whole(founded: Founded, monkeypatch: pytest.MonkeyPatch) -> None:
    votes = {path.name: path.read_bytes() for path in founded.node.votes.iterdir()}
    rename = os.rename

    def refuse(source: Path, target: Path) -> None:
        if source == founded.node.votes:
            raise OSError(errno.EXDEV, "another disk")
        rename(source, target)

    monkeypatch.setattr(os, "rename", refuse)
    founded.pair()
    signer = founded.folder.signer(founded.owner, founded.name)
    assert {path.name: path.read_bytes() for path in signer.votes.iterdir()} == votes
    assert not founded.node.votes.exists()


def test_a_file_that_cannot_be_edited_is_left_alone(founded: Founded) -> None:
    text = founded.node.config.read_text().replace('listen = "', '"listen" = "', 1)
    founded.node.config.write_text(text)
    with pytest.raises(InvalidNodeConfig):
        founded.pair()
    assert founded.node.config.read_text() == text and founded.node.consensus_key.exists()
