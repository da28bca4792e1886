"""Opening a node's folder: what does not belong together is refused before anything is begun."""

import json
import shutil
import ssl
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from hansa import _native
from hansa._native import Chain
from hansa.alliance.draft import encode_alliance
from hansa.alliance.founding import load_alliance
from hansa.alliance.layout import AllianceFolder, NodeFolder
from hansa.alliance.node_config import encode_joined_config
from hansa.cli.members import joining
from hansa.cli.members.invitation import Invitation
from hansa.cli.setup import describe_alliance, found_alliance
from hansa.consensus.errors import ForeignVoteLog, LostVoteLog
from hansa.consensus.values import VoteType
from hansa.consensus.vote_log import recover_segment
from hansa.node import assemble, votes
from hansa.node.config import NodeConfig, PeerEntry
from hansa.node.epochs.facts import note_epoch
from hansa.node.genesis import decode_genesis
from hansa.node.signing.follower import SignsNothing
from hansa.node.signing.pairing import choose_places, make_standby
from hansa.types.epoch import EpochNode


@pytest.fixture
def folder(tmp_path: Path) -> NodeFolder:
    """One node of a new alliance."""
    alliance = describe_alliance("test", None, True)
    founded = AllianceFolder(tmp_path)
    found_alliance(founded, alliance)
    organisation = alliance.organisations[0]
    return founded.node(organisation.name, organisation.nodes[0].name)


async def test_a_changed_genesis_begins_no_ledger(folder: NodeFolder) -> None:
    genesis = json.loads(folder.genesis.read_bytes())
    genesis["timestamp_ms"] += 1
    folder.genesis.chmod(0o644)
    folder.genesis.write_text(json.dumps(genesis))
    with pytest.raises(ForeignVoteLog):
        await assemble.open_node(folder.root)
    assert not assemble.has_ledger(folder.data)


async def test_without_a_vote_log_it_begins_in_quarantine(folder: NodeFolder) -> None:
    for segment in folder.votes.iterdir():
        segment.unlink()
    await assemble.open_node(folder.root)
    assert kinds(folder) == [VoteType.REJOIN]


async def test_a_damaged_vote_log_is_put_aside(folder: NodeFolder) -> None:
    segment = next(folder.votes.glob("*.seg"))
    damaged = b"\1" * 8192 + segment.read_bytes()[8192:]
    segment.write_bytes(damaged)
    await assemble.open_node(folder.root)
    assert kinds(folder) == [VoteType.REJOIN]
    assert (folder.data / "quarantine" / "votes-1" / segment.name).read_bytes() == damaged


async def test_too_few_others_to_lead_it_out_of_quarantine(folder: NodeFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    open_chain(folder).close()
    monkeypatch.setattr(votes, "can_rejoin", lambda validators, me: False)
    for segment in folder.votes.iterdir():
        segment.unlink()
    with pytest.raises(LostVoteLog, match="no vote log"):
        await assemble.open_node(folder.root)


async def test_who_lost_everything_learns_in_time_whether_the_others_can_take_it_back(
    folder: NodeFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(votes, "can_rejoin", lambda validators, me: False)  # of genesis, which may be long past
    shutil.rmtree(folder.data)
    await assemble.open_node(folder.root)
    assert kinds(folder) == [VoteType.REJOIN]


async def test_a_node_that_joined_later_and_lost_everything_begins_in_quarantine(
    folder: NodeFolder, tmp_path: Path
) -> None:
    genesis = folder.genesis.read_bytes()
    alliance = load_alliance(AllianceFolder(tmp_path))
    invitation = Invitation(
        1, encode_alliance(alliance), genesis.decode(), "guest", "member", 1, "0x" + "11" * 32, (), 2**40
    )
    guest = joining.make_guest(invitation, tmp_path / "guest", None, None, None)
    known = decode_genesis(genesis).epoch()
    places = [msgspec.structs.replace(node, address="127.0.0.1:1") for node in known.nodes]
    own = EpochNode(
        4, guest.node.name, "guest", guest.consensus.public, guest.consensus.address, guest.certificate,
        ssl.DER_cert_to_PEM_cert(guest.authority_der), "127.0.0.1:1", 0,
    )  # fmt: skip
    where = guest.where
    where.genesis.write_bytes(genesis)
    facts = msgspec.structs.replace(known, number=1, first_height=9, nodes=(*places, own))
    where.members.write_bytes(msgspec.json.encode(facts))
    where.config.write_text(encode_joined_config(guest.alliance, guest.node.name, 4))
    await assemble.open_node(where.root)
    assert kinds(where) == [VoteType.REJOIN]


@pytest.mark.parametrize("is_paired", [False, True])
async def test_links_are_those_of_the_epoch_that_was_noted_while_the_ledger_is_behind(
    tmp_path: Path, folder: NodeFolder, is_paired: bool
) -> None:
    alliance = load_alliance(AllianceFolder(tmp_path))
    organisation = alliance.organisations[0]
    if is_paired:
        name = organisation.nodes[0].name
        places = choose_places(alliance, name, None, None, None, None)
        make_standby(AllianceFolder(tmp_path), alliance, organisation.name, name, places)
    known = decode_genesis(folder.genesis.read_bytes()).epoch()
    gone = msgspec.structs.replace(known.nodes[2], weight=0, is_linked=False)
    facts = msgspec.structs.replace(known, number=5, nodes=(*known.nodes[:2], gone, *known.nodes[3:]))
    note_epoch(folder, facts, assemble.hash_genesis(folder.genesis.read_bytes()))
    parts = (await assemble.open_node(folder.root))._parts
    transport = parts.transport
    if parts.pairing is not None:
        _, transport = parts.pairing.lead(cast(Any, SignsNothing()), ())
    assert transport is not None and sorted(transport._peers) == [1, 3]


def open_chain(folder: NodeFolder) -> Chain:
    """The ledger of a node, begun if there is none."""
    return assemble.open_chain(folder.data, folder.genesis.read_bytes())


def kinds(folder: NodeFolder) -> list[VoteType]:
    """The types of the votes in a node's log."""
    recovery = recover_segment(next(folder.votes.glob("*.seg")).read_bytes())
    return [record.signed.vote.type for record in recovery.records]


async def test_a_node_takes_its_share_of_the_cores(folder: NodeFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[int, int]] = []

    def configure(threads: int, nodes_on_host: int) -> int:
        asked.append((threads, nodes_on_host))
        return 1

    def stop(*_: object) -> Chain:
        raise InterruptedError

    monkeypatch.setattr(_native, "configure_workers", configure)
    monkeypatch.setattr(assemble, "open_chain", stop)
    with pytest.raises(InterruptedError):
        await assemble.open_node(folder.root)
    assert asked == [(0, 4)]


def test_nodes_on_this_machine_are_told_by_their_addresses() -> None:
    peers = [PeerEntry(f"node-{i}", "org", i, address) for i, address in enumerate(("10.0.0.1:2", "10.0.0.2:1"), 1)]
    config = NodeConfig(1, "node-0", "org", 0, "10.0.0.1:1", "127.0.0.1:8545", peers=tuple(peers))
    assert assemble.count_nodes_here(config) == 2
