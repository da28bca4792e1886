"""Joining can be taken up again, asks only nodes of the right alliance, and an invitation is safe before it is sent."""

import socket
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from hansa.alliance.draft import encode_alliance
from hansa.alliance.errors import FolderTaken
from hansa.alliance.founding import load_genesis
from hansa.alliance.layout import AllianceFolder
from hansa.alliance.model import Alliance
from hansa.cli.errors import NotReady, PortInUse, Usage
from hansa.cli.members import adding, joining
from hansa.cli.members.contract import Members, Node
from hansa.cli.members.invitation import (
    Invitation,
    addresses_for_guests,
    read_invitation,
    reserve_invitation,
)
from hansa.cli.network import Network, open_network
from hansa.cli.setup import describe_alliance, found_alliance, genesis_hash_of, install
from hansa.node.genesis import decode_genesis
from hansa.sdk.errors import NodeUnreachable


@pytest.fixture(scope="module")
def founded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Alliance, str]:
    folder = AllianceFolder(tmp_path_factory.mktemp("founded"))
    alliance = describe_alliance("test", None, dev=True, port=23_000)
    found_alliance(folder, alliance)
    return alliance, load_genesis(folder).decode()


@pytest.fixture
def invitation(founded: tuple[Alliance, str]) -> Invitation:
    alliance, genesis = founded
    urls = ("http://away:1", "http://other:1", "http://right:1")
    return Invitation(1, encode_alliance(alliance), genesis, "guest", "member", 1, "0x" + "11" * 32, urls, 2**40)


def own_hash(invitation: Invitation) -> str:
    return "0x" + genesis_hash_of(invitation.genesis.encode()).hex()


class FakeNodes:
    """What answers at which address, and the tokens that were shown."""

    def __init__(self, genesis: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
        self.genesis = genesis
        self.shown: dict[str, str | None] = {}
        monkeypatch.setattr(joining, "Client", self.open)

    def open(self, url: str, token: str | None = None) -> Any:
        self.shown[url] = token
        nodes = self

        class Fake:
            def call(self, method: str) -> dict[str, str]:
                assert method == "hansa_status"
                if url not in nodes.genesis:
                    raise NodeUnreachable(f"nobody at {url}")
                return {"genesisHash": nodes.genesis[url]}

            def close(self) -> None:
                pass

        fake = Fake()
        fake.url = url  # type: ignore[attr-defined]
        return fake


def test_nodes_of_another_alliance_are_passed_over(invitation: Invitation, monkeypatch: pytest.MonkeyPatch) -> None:
    nodes = FakeNodes({"http://other:1": "0x00", "http://right:1": own_hash(invitation)}, monkeypatch)
    assert joining.reach_member(invitation).client.url == "http://right:1"
    assert set(nodes.shown.values()) == {None}


def test_the_address_that_was_named_is_the_only_one(invitation: Invitation, monkeypatch: pytest.MonkeyPatch) -> None:
    nodes = FakeNodes({"http://right:1": own_hash(invitation), "http://mine:1": own_hash(invitation)}, monkeypatch)
    assert joining.reach_member(invitation, "http://mine:1", "secret").client.url == "http://mine:1"
    assert nodes.shown == {"http://mine:1": "secret"}
    nodes.genesis["http://mine:1"] = "0x00"
    with pytest.raises(NodeUnreachable, match="another alliance"):
        joining.reach_member(invitation, "http://mine:1", "secret")


class FakeStatus:
    """A node that says of itself what it is told to say."""

    def __init__(self, **status: object) -> None:
        self.status = {"syncing": False, "quarantine": None, "halted": None} | status

    def call(self, method: str) -> dict[str, object]:
        assert method == "hansa_status"
        return self.status


def test_one_member_that_claims_blocks_keeps_no_newcomer_from_its_vote() -> None:
    joining.wait_ready(cast(Any, FakeStatus(syncing=True)), 0.0)
    for why in ("quarantine", "halted"):
        with pytest.raises(NotReady, match="a reason"):
            joining.wait_ready(cast(Any, FakeStatus(**{why: "a reason"})), -1.0)


def test_loopback_is_no_address_for_guests(founded: tuple[Alliance, str]) -> None:
    alliance = founded[0]
    own = "http://203.0.113.9:8545"
    assert len(addresses_for_guests(alliance, own)) == 1 + len(alliance.nodes())
    real = msgspec.structs.replace(alliance, dev=False)
    assert addresses_for_guests(real, own) == (own,)
    assert addresses_for_guests(real, "http://localhost:8545") == ()


def test_keys_are_made_once(invitation: Invitation, tmp_path: Path) -> None:
    first = joining.make_guest(invitation, tmp_path, None, None, None)
    again = joining.make_guest(invitation, tmp_path, None, None, None)
    assert again == first
    with pytest.raises(Usage):
        joining.make_guest(invitation, tmp_path, "127.0.0.1:1", None, None)


def test_a_folder_of_something_else_is_left_alone(invitation: Invitation, tmp_path: Path) -> None:
    joining.make_guest(invitation, tmp_path, None, None, None)
    other = msgspec.structs.replace(invitation, genesis=invitation.genesis + " ")
    with pytest.raises(FolderTaken, match="another alliance"):
        joining.make_guest(other, tmp_path, None, None, None)
    AllianceFolder(tmp_path).description.unlink()  # as if it had ended while it made keys
    with pytest.raises(FolderTaken, match="not all"):
        joining.make_guest(invitation, tmp_path, None, None, None)


def test_a_port_in_use_is_noticed_before_anything_is_made(invitation: Invitation, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        busy = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(PortInUse):
            joining.make_guest(invitation, tmp_path, f"127.0.0.1:{joining.free_ports(1)[0]}", busy, None)
    assert not joining.is_begun(invitation, tmp_path)


class FakeMembers:
    """The contract, as far as a node that joined needs it."""

    def __init__(self, genesis: str, nodes: list[Node]) -> None:
        self.nodes = nodes
        self.facts = decode_genesis(genesis.encode()).epoch()

    def coming_nodes(self) -> list[Node]:
        return self.nodes

    def epoch(self) -> Any:
        return self.facts


def test_what_was_installed_stays(invitation: Invitation, tmp_path: Path) -> None:
    guest = joining.make_guest(invitation, tmp_path, None, None, None)
    members = cast("Members", FakeMembers(invitation.genesis, []))
    joining.install_joined(members, guest, 4)
    guest.where.config.unlink()  # as if it had ended before the last step
    joining.install_joined(members, guest, 4)
    guest.where.config.write_text("changed by its operator")
    for segment in guest.where.votes.glob("*.seg"):
        segment.unlink()
    joining.install_joined(members, guest, 4)
    assert guest.where.config.read_text() == "changed by its operator"
    assert not list(guest.where.votes.glob("*.seg"))  # a node that ran never gets an empty vote log


def test_the_own_node_is_known_by_its_key(invitation: Invitation, tmp_path: Path) -> None:
    guest = joining.make_guest(invitation, tmp_path, None, None, None)
    other = Node(0, "guest", 0, b"\2" * 33, b"", b"", "", "observer", 0)
    own = Node(4, "guest", 4, guest.consensus.public, b"", b"", "", "observer", 0)
    assert joining.find_own(cast("Members", FakeMembers(invitation.genesis, [other])), guest) is None
    assert joining.find_own(cast("Members", FakeMembers(invitation.genesis, [other, own])), guest) == own


def test_an_invitation_is_there_before_it_is_sent(invitation: Invitation, tmp_path: Path) -> None:
    path = tmp_path / "guest.invite"
    with pytest.raises(NodeUnreachable), reserve_invitation(path):
        assert path.stat().st_mode & 0o777 == 0o600
        raise NodeUnreachable("it could not be sent")
    assert not path.exists()
    with reserve_invitation(path) as fill:
        fill(invitation)
    assert read_invitation(path) == invitation
    with pytest.raises(FolderTaken), reserve_invitation(path):
        raise AssertionError("nothing may be sent")
    assert read_invitation(path) == invitation


@pytest.fixture
def network(tmp_path: Path) -> Network:
    folder = AllianceFolder(tmp_path / "alliance")
    found_alliance(folder, describe_alliance("test", None, dev=True, port=23_100))
    return open_network(folder.root)


def test_another_node_is_its_organisations_by_name(network: Network) -> None:
    assert adding.owner_of(network, "bank-2") == "bank"
    for name in ("bank", "bank2", "mint-2"):
        with pytest.raises(Usage, match="no name of another node"):
            adding.owner_of(network, name)
    network.folder.ca_key("bank").unlink()
    with pytest.raises(Usage, match="its organisation's authority is not here"):
        adding.owner_of(network, "bank-2")


def test_another_nodes_keys_are_made_once_and_founding_knows_nothing_of_it(network: Network) -> None:
    first = adding.make_node(network, "core", "core-2", None, None)
    again = adding.make_node(network, "core", "core-2", first.node.listen, None)
    assert (again.consensus, again.certificate) == (first.consensus, first.certificate)
    members = cast("Members", FakeMembers(first.genesis.decode(), []))
    joining.install_joined(members, again, 4)
    adding.note_node(network, again)
    with pytest.raises(Usage, match="there already"):
        adding.make_node(open_network(network.folder.root), "core", "core-2", None, None)
    changed = open_network(network.folder.root).alliance
    assert [node.name for _, node in changed.nodes()][:3] == ["core", "core-2", "supplier"]
    before = [network.folder.node(owner.name, node.name).config.read_text() for owner, node in network.alliance.nodes()]
    for organisation in changed.organisations:
        install(network.folder, changed, first.genesis, organisation)
    after = [network.folder.node(owner.name, node.name).config.read_text() for owner, node in network.alliance.nodes()]
    assert after == before, "their indexes are those of genesis"


def test_an_address_that_the_alliance_knows_stays(network: Network) -> None:
    known = Node(4, "core-2", 0, b"", b"", b"", "127.0.0.1:7", "observer", 1)
    members = cast("Members", FakeMembers((network.folder.genesis).read_text(), [known]))
    assert adding.registered_address(members, "core-2", None) == "127.0.0.1:7"
    assert adding.registered_address(members, "core-3", "127.0.0.1:8") == "127.0.0.1:8"
    with pytest.raises(Usage, match="leave --listen out"):
        adding.registered_address(members, "core-2", "127.0.0.1:8")
