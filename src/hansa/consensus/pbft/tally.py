"""Counting votes. Facts in, certificates out: nothing here signs or sends a vote.

One vote of a validator counts at each position; a second, different one is evidence.
"""

from hansa.consensus.config import HEIGHTS_AHEAD_MAX
from hansa.consensus.effects import Evidence
from hansa.consensus.messages import EvidenceReport
from hansa.consensus.pbft.rules import is_valid_qc
from hansa.consensus.pbft.state import PbftState
from hansa.consensus.signer import vote_position
from hansa.consensus.values import Equivocation, QuorumCertificate, SignedVote, VoteType

COMMIT_VIEWS_BACK = 8  # COMMITs of this many earlier views still count; later ones always do


def count_vote(state: PbftState, signed: SignedVote) -> None:
    """Count one verified PREPARE, COMMIT or SEAL, whoever brought it."""
    vote = signed.vote
    if not state.rules.is_own_epoch(vote.epoch, state.config) or not state.config.validators.has_vote(signed.signer):
        return
    note_seen(state, signed)
    if not state.root.height < vote.height <= state.root.height + HEIGHTS_AHEAD_MAX:
        return
    if vote.type is VoteType.PREPARE:
        _count_prepare(state, signed)
    elif vote.type is VoteType.COMMIT:
        _count_commit(state, signed)
    elif vote.type is VoteType.SEAL:
        votes = state.seal_votes.setdefault(vote.height, {})
        _is_first(state, votes, signed)


def note_seen(state: PbftState, signed: SignedVote) -> None:
    """Remember the highest vote of each validator and type, for the day it asks what it signed."""
    key = (signed.signer, signed.vote.type)
    known = state.seen.get(key)
    if known is None or vote_position(known.vote) < vote_position(signed.vote):
        state.seen[key] = signed


def learn_qc(state: PbftState, qc: QuorumCertificate) -> None:
    """Take a QC from a message; `views.follow_certificates` acts on it."""
    if state.qcs.get(qc.key()) is not None or qc.height < state.config.first_height:
        return
    if is_valid_qc(qc, state.config):
        state.new_qcs.append(qc)


def add_commit_support(state: PbftState, view: int, height: int, order_hash: bytes, mask: int) -> None:
    """Count COMMITs of `mask` for a block and for its ancestors proposed in the same view, never across views."""
    while True:
        key = (view, height, order_hash)
        known = state.commit_masks.get(key, 0)
        if known | mask == known:
            return
        mask |= known
        state.commit_masks[key] = mask
        if height > state.committed_height and state.config.validators.is_quorum(mask):
            target = state.commit_target
            if target is None or height > target[0]:
                state.commit_target = (height, order_hash)
        entry = state.entries.get(order_hash)
        if entry is None or entry.block.view != view or entry.block.height != height:
            return  # continued by `blocks.add_block` once the block is known
        parent = state.entries.get(entry.block.parent_hash)
        if parent is None or parent.block.view != view:
            return
        height, order_hash = height - 1, parent.hash


def accuse(state: PbftState, first: SignedVote, second: SignedVote) -> None:
    """Report two votes of one validator that contradict each other; once for each validator and type."""
    key = (first.signer, first.vote.type)
    if key in state.accused or not is_contradiction(first, second):
        return
    state.accused.add(key)
    state.emit(Evidence(Equivocation(first, second)))
    state.broadcast(EvidenceReport(first, second))


def is_contradiction(first: SignedVote, second: SignedVote) -> bool:
    """Whether no honest validator signs both: one signer, type and position, different content."""
    return (
        first.signer == second.signer
        and first.vote.type is second.vote.type
        and first.vote.epoch == second.vote.epoch
        and vote_position(first.vote) == vote_position(second.vote)
        and first.vote != second.vote
    )


def _is_first(state: PbftState, votes: dict[int, SignedVote], signed: SignedVote) -> bool:
    known = votes.get(signed.signer)
    if known is None:
        votes[signed.signer] = signed
        return True
    if known.vote.hash != signed.vote.hash:
        accuse(state, known, signed)
    return False


def _count_prepare(state: PbftState, signed: SignedVote) -> None:
    vote = signed.vote
    if not state.view <= vote.view <= state.view + 1:
        return
    votes = state.prepare_votes.setdefault((vote.view, vote.height), {})
    if not _is_first(state, votes, signed):
        return
    key = (vote.view, vote.height, vote.hash)
    mask = state.prepare_masks.get(key, 0) | 1 << signed.signer
    state.prepare_masks[key] = mask
    if (vote.view, vote.height) not in state.qcs and state.config.validators.is_quorum(mask):
        signatures = tuple((i, votes[i].signature) for i in sorted(votes) if votes[i].vote.hash == vote.hash)
        qc = QuorumCertificate(VoteType.PREPARE, vote.epoch, vote.view, vote.height, vote.hash, signatures)
        state.new_qcs.append(qc)


def _count_commit(state: PbftState, signed: SignedVote) -> None:
    vote = signed.vote
    if not state.view - COMMIT_VIEWS_BACK <= vote.view <= state.view + 1:
        return
    votes = state.commit_votes.setdefault((vote.view, vote.height), {})
    if _is_first(state, votes, signed):
        add_commit_support(state, vote.view, vote.height, vote.hash, 1 << signed.signer)
