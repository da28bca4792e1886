"""Peer messages: only those whose every signature holds become inputs, and each vote is checked once."""

import threading
from typing import Any, cast

import pytest

from hansa.consensus import inputs as ins
from hansa.consensus.messages import BlockResponse, Certificate, Message, Status, Votes, encode_message, lane_of
from hansa.consensus.signer import VoteDomain
from hansa.consensus.values import QuorumCertificate, SignedVote, Vote, VoteType
from hansa.crypto.suite import KeyPair, Suite, generate_key_pair, keccak256, sign
from hansa.errors import HansaError
from hansa.io.stages import StageClock
from hansa.io.worker import Worker
from hansa.network.lanes import Lane
from hansa.node.inbox import (
    CHECKED_AT_ONCE_MAX,
    CHECKED_PER_TURN_MAX,
    EARLY_OF_PEER_BYTES_MAX,
    EARLY_OF_PEER_MAX,
    VERIFIED_MAX,
    WAITING_BYTES_MAX,
    EarlyFrames,
    Inbox,
    Verifier,
)
from hansa.types.order import genesis_order
from tests.unit.node.fake_chain import epoch_of
from tests.waiting import eventually

DEADLINE_S = 10.0
PAIRS = [generate_key_pair() for _ in range(4)]
DOMAIN = VoteDomain(b"\x01" * 32, keccak256(b"main"), Suite.STANDARD, keccak256)


class CountingVerifier(Verifier):
    """Counts the signatures it really checks."""

    def __init__(self) -> None:
        super().__init__(DOMAIN, epoch_of([pair.public for pair in PAIRS]))
        self.checked = 0

    def check(self, votes: Any, publics: Any) -> None:
        self.checked += len(votes)
        super().check(votes, publics)


class World:
    """An inbox whose inputs and refusals are noted."""

    def __init__(self) -> None:
        self.inputs: list[ins.Input] = []
        self.refused: list[tuple[int, HansaError]] = []
        self.banned: list[tuple[int, HansaError]] = []
        self.paused: set[tuple[int, Lane]] = set()
        self.verifier = CountingVerifier()
        self.worker = Worker("serve", StageClock(), lambda error: pytest.fail(str(error)), lambda error: False)
        self.inbox = Inbox(self.verifier, self.worker, self.inputs.append)
        self.inbox.start(cast(Any, self))

    def refuse_peer(self, peer: int, error: HansaError) -> None:
        self.refused.append((peer, error))

    def ban_peer(self, peer: int, error: HansaError) -> None:
        self.banned.append((peer, error))

    def set_paused(self, peer: int, lane: Lane, paused: bool, by: str) -> None:
        (self.paused.add if paused else self.paused.remove)((peer, lane))

    def receive(self, message: Message, peer: int = 1) -> None:
        self.inbox.on_message(peer, Lane(lane_of(message)), encode_message(message))


def signed(signer: int, height: int = 1, vote_type: VoteType = VoteType.PREPARE) -> SignedVote:
    vote = Vote(vote_type, 0, 0, height, height.to_bytes(32))
    return SignedVote(vote, signer, sign(PAIRS[signer].secret, DOMAIN.digest(vote)))


async def test_votes_that_hold_become_one_input() -> None:
    world = World()
    message = Votes((signed(1), signed(2)))
    world.receive(message)
    assert world.inputs == [ins.MessageIn(1, message)]
    assert world.refused == []
    world.worker.close()


async def test_a_certificate_of_votes_seen_before_costs_no_check() -> None:
    world = World()
    votes = [signed(index) for index in range(3)]
    world.receive(Votes(tuple(votes)))
    vote = votes[0].vote
    pairs = tuple((entry.signer, entry.signature) for entry in votes)
    world.receive(Certificate(QuorumCertificate(vote.type, 0, 0, vote.height, vote.hash, pairs)))
    assert len(world.inputs) == 2
    assert world.verifier.checked == 3
    world.worker.close()


async def test_a_signature_that_does_not_hold_bans_its_sender_and_reaches_nobody() -> None:
    world = World()
    good = signed(1)
    for forged in (
        SignedVote(good.vote, 2, good.signature),
        SignedVote(good.vote, 1, bytes(64)),
        SignedVote(good.vote, 1, b""),
        SignedVote(good.vote, 4, good.signature),
        SignedVote(Vote(VoteType.COMMIT, 0, 0, 1, good.vote.hash), 1, good.signature),
    ):
        world.receive(Votes((good, forged)), peer=3)
    assert world.inputs == []
    assert [peer for peer, _ in world.banned] == [3] * 5
    assert {error.code for _, error in world.banned} == {"NET-7"}
    assert world.refused == []
    assert world.inbox.invalid == {3: 5}
    world.worker.close()


async def test_a_message_on_another_lane_or_none_at_all_is_refused() -> None:
    world = World()
    status = Status(0, 0, 0, 0, 0, 0, 0, False)
    world.inbox.on_message(1, Lane.SYNC, encode_message(status))
    world.inbox.on_message(1, Lane.VOTES, b"\x93\x63\x01\x02")
    world.inbox.on_message(1, Lane.VOTES, b"")
    assert world.inputs == []
    assert len(world.refused) == 3
    world.worker.close()


async def test_many_signatures_are_checked_beside_the_loop() -> None:
    world = World()
    votes = tuple(signed(1, height) for height in range(1, CHECKED_AT_ONCE_MAX + 2))
    world.receive(Votes(votes))
    assert world.inputs == []
    await eventually(lambda: world.inputs == [ins.MessageIn(1, Votes(votes))], DEADLINE_S, "the message")
    bad = (*votes[:-1], SignedVote(votes[-1].vote, 2, votes[-1].signature))
    world.verifier = world.inbox._verifier = CountingVerifier()
    world.receive(Votes(bad), peer=2)
    await eventually(lambda: world.banned, DEADLINE_S, "the refusal")
    assert len(world.inputs) == 1
    world.worker.close()


async def test_one_turn_of_the_loop_checks_a_bounded_number_of_signatures() -> None:
    world = World()
    messages = [Votes((signed(1, height),)) for height in range(1, CHECKED_PER_TURN_MAX + 4)]
    for message in messages:
        world.receive(message)
    assert len(world.inputs) == CHECKED_PER_TURN_MAX
    await eventually(lambda: len(world.inputs) == len(messages), DEADLINE_S, "the rest")
    world.receive(Votes((signed(2, 1),)))
    assert len(world.inputs) == len(messages) + 1
    world.worker.close()


async def test_a_peer_that_sends_faster_than_the_replica_takes_is_not_read() -> None:
    world = World()
    block = genesis_order(bytes(32), 0)
    size = 1024 * 1024
    while not world.paused:
        world.receive(BlockResponse(block, bytes(size)), peer=2)
    assert world.paused == {(2, lane) for lane in Lane}
    assert WAITING_BYTES_MAX // size <= len(world.inputs) <= WAITING_BYTES_MAX // size + 1
    taken = 0
    while world.paused:
        world.inbox.taken(2)
        taken += 1
    assert len(world.inputs) // 2 <= taken < len(world.inputs)
    world.worker.close()


def in_epoch(signer: int, epoch: int, pair: KeyPair) -> SignedVote:
    vote = Vote(VoteType.PREPARE, epoch, 0, 9, bytes(32))
    return SignedVote(vote, signer, sign(pair.secret, DOMAIN.digest(vote)))


async def test_votes_of_the_next_epoch_wait_for_its_keys() -> None:
    world = World()
    fresh = generate_key_pair()
    early = Votes((in_epoch(1, 1, fresh),))
    world.receive(early)
    assert (world.inputs, world.refused) == ([], [])
    publics = [pair.public for pair in PAIRS]
    world.inbox.add_epoch(epoch_of([publics[0], fresh.public, *publics[2:]], 1, 9))
    assert world.inputs == [ins.MessageIn(1, early)]
    world.receive(Votes((in_epoch(1, 0, PAIRS[1]),)))
    assert len(world.inputs) == 2, "the epoch before still has votes"
    world.receive(Votes((in_epoch(1, 1, PAIRS[1]),)))
    assert len(world.banned) == 1, "its key is another one now"
    world.worker.close()


async def test_who_floods_with_early_votes_crowds_out_only_its_own() -> None:
    world = World()
    fresh = generate_key_pair()
    honest = Votes((in_epoch(1, 1, fresh),))
    world.receive(honest)
    for number in range(20 * EARLY_OF_PEER_MAX):
        vote = Vote(VoteType.PREPARE, 1, 0, number + 1, bytes(32))
        world.receive(Votes((SignedVote(vote, 2, bytes(64)),)), peer=2)
    world.receive(last := Votes((in_epoch(3, 1, PAIRS[3]),)), peer=3)
    publics = [pair.public for pair in PAIRS]
    world.inbox.add_epoch(epoch_of([publics[0], fresh.public, *publics[2:]], 1, 9))
    await eventually(lambda: len(world.inputs) == 2, DEADLINE_S, "what the honest ones said")
    assert world.inputs == [ins.MessageIn(1, honest), ins.MessageIn(3, last)]
    await eventually(lambda: len(world.banned) == EARLY_OF_PEER_MAX, DEADLINE_S, "the flood's judgement")
    world.worker.close()


def test_early_frames_of_a_peer_are_bounded_and_the_latest_are_kept() -> None:
    early = EarlyFrames()
    for number in range(10 * EARLY_OF_PEER_MAX):
        early.keep(Lane.VOTES, number.to_bytes(4))
    assert [int.from_bytes(payload) for _, payload in early.frames] == list(
        range(9 * EARLY_OF_PEER_MAX, 10 * EARLY_OF_PEER_MAX)
    )
    early.keep(Lane.PROPOSALS, bytes(EARLY_OF_PEER_BYTES_MAX + 1))
    assert len(early.frames) == EARLY_OF_PEER_MAX
    for _ in range(3):
        early.keep(Lane.PROPOSALS, bytes(EARLY_OF_PEER_BYTES_MAX))
        assert [len(payload) for _, payload in early.frames] == [EARLY_OF_PEER_BYTES_MAX]
    early.keep(Lane.VOTES, b"vote")
    assert [payload for _, payload in early.frames] == [b"vote"], "bytes of what went are free again"


async def test_votes_of_epochs_long_past_are_left_out() -> None:
    world = World()
    publics = [pair.public for pair in PAIRS]
    world.inbox.add_epoch(epoch_of(publics, 1, 5))
    world.inbox.add_epoch(epoch_of(publics, 2, 9))
    old, new = in_epoch(1, 0, PAIRS[1]), in_epoch(1, 2, PAIRS[1])
    world.receive(Votes((old, new)))
    assert world.inputs == [ins.MessageIn(1, Votes((new,)))]
    assert world.refused == []
    world.worker.close()


async def test_votes_whose_epoch_is_forgotten_while_they_are_checked_are_not_blamed() -> None:
    world = World()
    votes = tuple(signed(1, height) for height in range(1, CHECKED_AT_ONCE_MAX + 2))
    go_on = threading.Event()
    world.worker.submit("hold", go_on.wait, lambda _: None)
    world.receive(Votes(votes))
    publics = [pair.public for pair in PAIRS]
    for epoch in (1, 2):
        world.inbox.add_epoch(epoch_of(publics, epoch, 50 * epoch))
    go_on.set()
    await eventually(lambda: world.inputs or world.banned, DEADLINE_S, "the message")
    assert world.banned == []
    assert world.inputs == [ins.MessageIn(1, Votes(votes))]
    world.worker.close()


def test_the_memory_of_verified_votes_is_bounded() -> None:
    verifier = CountingVerifier()
    vote = signed(1)
    entries = [SignedVote(vote.vote, 1, number.to_bytes(8)) for number in range(VERIFIED_MAX + 10)]
    verifier.remember(entries)
    assert verifier.unverified(Votes(tuple(entries[:20]))) == entries[:10]
