"""Giving a validator a standby: the key is in one place at a time, and the folders fit together."""

from pathlib import Path

import pytest

from hansa.alliance.layout import AllianceFolder
from hansa.alliance.model import Alliance
from hansa.cli.setup import describe_alliance, found_alliance
from hansa.io.errors import UnusableKeyFile
from hansa.node.config import load_node_config
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
