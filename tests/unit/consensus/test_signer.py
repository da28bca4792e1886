"""The signer's marks: what was signed binds, whatever the machine asks for."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hansa.consensus.errors import RefusedVote
from hansa.consensus.signer import Signer, VoteDomain, vote_position
from hansa.consensus.values import Vote, VoteRecord, VoteType

ONE, OTHER = b"\1" * 32, b"\2" * 32


def make_signer() -> Signer:
    return Signer(2, lambda vote: hashlib.sha256(repr(vote).encode()).digest() * 2)


def vote(vote_type: VoteType, view: int, height: int, block: bytes = ONE) -> Vote:
    return Vote(vote_type, 0, view, height, block)


@pytest.mark.parametrize("vote_type", [VoteType.PROPOSE, VoteType.PREPARE, VoteType.COMMIT])
def test_marks_rise_by_view_then_height(vote_type: VoteType) -> None:
    signer = make_signer()
    for view, height in ((0, 1), (0, 2), (0, 9), (1, 3), (4, 4)):
        signer.sign_vote(vote(vote_type, view, height))
    for view, height in ((0, 1), (1, 3), (4, 3), (3, 100)):
        with pytest.raises(RefusedVote):
            signer.sign_vote(vote(vote_type, view, height))


@pytest.mark.parametrize("vote_type", list(VoteType))
def test_the_mark_itself_is_signed_again_with_the_same_bytes(vote_type: VoteType) -> None:
    signer = make_signer()
    view = 0 if vote_type is VoteType.SEAL else 1
    first = signer.sign_vote(vote(vote_type, view, 1))
    assert signer.sign_vote(vote(vote_type, view, 1)) == first
    with pytest.raises(RefusedVote):
        signer.sign_vote(vote(vote_type, view, 1, OTHER))


def test_nothing_below_a_view_change_is_signed() -> None:
    signer = make_signer()
    signer.sign_vote(Vote(VoteType.VIEW_CHANGE, 0, 3, 7, ONE, 1))
    for vote_type in (VoteType.PROPOSE, VoteType.PREPARE, VoteType.COMMIT):
        with pytest.raises(RefusedVote):
            signer.sign_vote(vote(vote_type, 2, 8))
        signer.sign_vote(vote(vote_type, 3, 8))


def test_no_view_change_into_a_view_already_voted_in() -> None:
    signer = make_signer()
    signer.sign_vote(vote(VoteType.PREPARE, 3, 8))
    with pytest.raises(RefusedVote):
        signer.sign_vote(Vote(VoteType.VIEW_CHANGE, 0, 3, 7, ONE, 1))
    signer.sign_vote(Vote(VoteType.VIEW_CHANGE, 0, 4, 7, ONE, 1))


def test_pipelined_votes_are_legal() -> None:
    """PREPARE(0,3) before COMMIT(0,1): one common mark would refuse the COMMIT."""
    signer = make_signer()
    for height in (1, 2, 3):
        signer.sign_vote(vote(VoteType.PREPARE, 0, height))
    signer.sign_vote(vote(VoteType.COMMIT, 0, 1))
    signer.sign_vote(vote(VoteType.SEAL, 0, 1))
    signer.sign_vote(vote(VoteType.COMMIT, 0, 3))


def test_restored_marks_bind_like_signed_ones() -> None:
    first = make_signer()
    records = [VoteRecord(first.sign_vote(vote(VoteType.PREPARE, 0, h)), b"") for h in (1, 2)]
    second = make_signer()
    second.restore(records)
    with pytest.raises(RefusedVote):
        second.sign_vote(vote(VoteType.PREPARE, 0, 2, OTHER))
    assert second.sign_vote(vote(VoteType.PREPARE, 0, 2)) == records[1].signed


def test_the_refusal_says_where_and_why() -> None:
    signer = make_signer()
    signer.sign_vote(vote(VoteType.COMMIT, 5, 9))
    with pytest.raises(RefusedVote, match=r"COMMIT at epoch 0, view 5, height 8 .*\(0, 5, 9\)") as refusal:
        signer.sign_vote(vote(VoteType.COMMIT, 5, 8))
    assert refusal.value.code == "CONSENSUS-2" and refusal.value.hint


VOTES = st.builds(
    lambda t, view, height, block: Vote(t, 0, 0 if t is VoteType.SEAL else view, height, block),
    st.sampled_from(list(VoteType)),
    st.integers(0, 4),
    st.integers(0, 4),
    st.sampled_from([ONE, OTHER]),
)


@given(st.lists(VOTES, max_size=60))
def test_no_sequence_of_requests_makes_it_contradict_itself(requests: list[Vote]) -> None:
    signer = make_signer()
    signed: dict[object, Vote] = {}
    given_up = rejoined = 0
    for request in requests:
        try:
            signer.sign_vote(request)
        except RefusedVote:
            continue
        key = (request.type, vote_position(request))
        if key in signed:  # the mark itself, the same bytes again
            assert signed[key] == request
            continue
        signed[key] = request
        if request.type is VoteType.REJOIN:
            rejoined = request.view if request.height else 1_000
        elif request.type is VoteType.VIEW_CHANGE:
            given_up = request.view
            assert request.view > rejoined or not rejoined
        elif request.type is not VoteType.SEAL:
            assert request.view >= max(given_up, rejoined)


def test_in_quarantine_nothing_is_signed_and_afterwards_nothing_old() -> None:
    signer = make_signer()
    signer.begin_quarantine()
    for vote_type in (VoteType.PREPARE, VoteType.COMMIT, VoteType.SEAL, VoteType.VIEW_CHANGE, VoteType.PROPOSE):
        with pytest.raises(RefusedVote, match="quarantine"):
            signer.sign_vote(vote(vote_type, 0 if vote_type is VoteType.SEAL else 9, 9))
    signer.sign_vote(vote(VoteType.REJOIN, 4, 9))
    for old in (vote(VoteType.PREPARE, 3, 9), vote(VoteType.COMMIT, 3, 9), vote(VoteType.VIEW_CHANGE, 4, 9)):
        with pytest.raises(RefusedVote, match="view 4"):
            signer.sign_vote(old)
    signer.sign_vote(vote(VoteType.PREPARE, 4, 10))
    signer.sign_vote(vote(VoteType.SEAL, 0, 9))


def test_the_domain_binds_genesis_group_suite_and_every_field() -> None:
    sha = lambda data: hashlib.sha256(data).digest()  # noqa: E731
    base = vote(VoteType.PREPARE, 1, 2)
    domains = [
        VoteDomain(g, n, suite, sha) for g, n, suite in ((ONE, ONE, 0), (OTHER, ONE, 0), (ONE, OTHER, 0), (ONE, ONE, 1))
    ]
    votes = [base, vote(VoteType.COMMIT, 1, 2), vote(VoteType.PREPARE, 2, 2), vote(VoteType.PREPARE, 1, 3)]
    votes += [
        vote(VoteType.PREPARE, 1, 2, OTHER),
        Vote(VoteType.PREPARE, 0, 1, 2, ONE, 9),
        Vote(VoteType.PREPARE, 1, 1, 2, ONE),
    ]
    digests = [domain.digest(base) for domain in domains] + [domains[0].digest(v) for v in votes[1:]]
    assert len(set(digests)) == len(domains) + len(votes) - 1


def test_a_new_epoch_begins_anew_and_ends_all_earlier_ones() -> None:
    signer = make_signer()
    signer.sign_vote(vote(VoteType.PREPARE, 9, 20))
    signer.sign_vote(Vote(VoteType.VIEW_CHANGE, 0, 12, 19, ONE, 9))
    signer.sign_vote(Vote(VoteType.PREPARE, 1, 0, 21, ONE))
    signer.sign_vote(Vote(VoteType.VIEW_CHANGE, 1, 1, 20, ONE, 0))
    for late in (
        vote(VoteType.SEAL, 0, 20),
        vote(VoteType.COMMIT, 12, 20),
        Vote(VoteType.VIEW_CHANGE, 0, 13, 19, ONE, 9),
        Vote(VoteType.PREPARE, 1, 0, 22, ONE),
    ):
        with pytest.raises(RefusedVote):
            signer.sign_vote(late)


def test_a_quarantine_outlives_its_epoch() -> None:
    signer = make_signer()
    signer.begin_quarantine()
    with pytest.raises(RefusedVote):
        signer.sign_vote(Vote(VoteType.PREPARE, 3, 0, 40, ONE))
    signer.sign_vote(Vote(VoteType.REJOIN, 3, 2, 41, ONE))
    with pytest.raises(RefusedVote):
        signer.sign_vote(Vote(VoteType.PREPARE, 3, 1, 42, ONE))
    with pytest.raises(RefusedVote):
        signer.sign_vote(Vote(VoteType.PREPARE, 2, 9, 39, ONE))
    signer.sign_vote(Vote(VoteType.PREPARE, 3, 2, 42, ONE))
    signer.sign_vote(Vote(VoteType.PREPARE, 4, 0, 50, ONE))
