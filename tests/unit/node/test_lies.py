"""What becomes of a lie told over real links: a proof in a file, a ban, and a chain that goes on."""

import logging
from pathlib import Path

import pytest

from hansa.consensus.evidence import check_evidence, decode_evidence
from hansa.consensus.messages import Votes, encode_message
from hansa.consensus.values import SignedVote, Vote, VoteType
from hansa.crypto.suite import is_signature_valid, sign
from hansa.io.evidence_folder import EVIDENCE_FILES_MAX, keep_evidence, list_evidence
from hansa.network.frames import FrameKind
from hansa.network.lanes import Lane
from tests.unit.node.test_runtime import DEADLINE_S, World, running
from tests.waiting import eventually

LIAR = 3


def signed(world: World, content: bytes) -> SignedVote:
    vote = Vote(VoteType.PREPARE, 0, 0, 50, content * 32)
    return SignedVote(vote, LIAR, sign(world.pairs[LIAR].secret, world.domain.digest(vote)))


def tell(world: World, to: int, *votes: SignedVote) -> None:
    transport = world.members[LIAR].transport
    assert transport is not None
    transport.send(to, Lane.VOTES, FrameKind.MESSAGE, encode_message(Votes(votes)))


async def test_a_lie_is_kept_as_a_proof_by_all_who_hear_of_it(tmp_path: Path) -> None:
    async with running(tmp_path) as world:
        await eventually(lambda: len(world.members[LIAR].transport.peers_up()) == 3, DEADLINE_S, "links")  # type: ignore[union-attr]
        tell(world, 0, signed(world, b"\1"), signed(world, b"\2"))
        honest = world.members[:LIAR]
        public = world.pairs[LIAR].public

        def is_signed(vote: SignedVote) -> bool:
            return is_signature_valid(public, world.domain.digest(vote.vote), vote.signature)

        await eventually(lambda: all(list_evidence(m.evidence) for m in honest), DEADLINE_S, "proofs")
        for member in honest:
            (path,) = list_evidence(member.evidence)
            found = decode_evidence(path.read_bytes())
            proof = check_evidence(found, is_signed)
            assert (proof.first.signer, found.name) == (LIAR, "node3")
            assert bytes.fromhex(found.public_key[2:]) == public
        world.members[1].submit(b"afterwards")
        await eventually(lambda: all(m.height >= 1 for m in world.members), DEADLINE_S, "a block")


async def test_a_forged_signature_costs_its_sender_its_links_for_a_while(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(tmp_path) as world:
        member = world.members[0]
        await eventually(lambda: member.transport.is_up(LIAR), DEADLINE_S, "links")  # type: ignore[union-attr]
        true = signed(world, b"\1")
        tell(world, 0, SignedVote(true.vote, 1, true.signature))
        transport = member.transport
        assert transport is not None
        await eventually(lambda: transport._bans.left_us(LIAR, transport.now_us()), DEADLINE_S, "the ban")
        await eventually(lambda: not transport.is_up(LIAR), DEADLINE_S, "its links")
        refused = transport.refused
        await eventually(lambda: transport.refused > refused, DEADLINE_S, "a further link")
        assert not transport.is_up(LIAR)
        said = [getattr(record, "code", "") for record in caplog.records if record.levelno == logging.ERROR]
        assert "NET-7" in said
        for number in range(3):
            world.members[1].submit(b"%d" % number)
        honest = world.members[:LIAR]
        await eventually(lambda: all(len(world.sealed_raws(m)) == 3 for m in honest), DEADLINE_S, "blocks")
        assert not list_evidence(member.evidence)  # a link proves nothing to others


async def test_the_log_tells_of_views(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "hansa.node")
    async with running(tmp_path) as world:
        world.members[0].submit(b"before")
        await eventually(lambda: all(member.height >= 1 for member in world.members), DEADLINE_S, "first block")
        leader = world.members[world.members[1].leader]
        assert leader.runtime is not None
        leader.runtime.abdicate()
        await eventually(lambda: all(m.leader != leader.index for m in world.members), DEADLINE_S, "the next view")
    said = [record.getMessage() for record in caplog.records]
    assert "view 0 given up for view 1: this node leads it and is about to stop" in said
    assert "view 0 given up for view 1: its leader gives it up" in said
    assert said.count("view 1 begins, led by node1") == 4


def test_evidence_is_kept_once_and_bounded_in_number(tmp_path: Path) -> None:
    folder = tmp_path / "evidence"
    path = keep_evidence(folder, "a.json", b"first")
    assert path is not None and keep_evidence(folder, "a.json", b"second") == path
    assert path.read_bytes() == b"first" and list_evidence(folder) == [path]
    for number in range(EVIDENCE_FILES_MAX - 1):
        (folder / f"{number}.json").touch()
    assert keep_evidence(folder, "b.json", b"one more") is None
    assert keep_evidence(folder, "a.json", b"") == path


def test_a_folder_that_cannot_be_written_costs_the_file_only(tmp_path: Path) -> None:
    (tmp_path / "evidence").write_bytes(b"a file in the way")
    assert keep_evidence(tmp_path / "evidence", "a.json", b"first") is None
