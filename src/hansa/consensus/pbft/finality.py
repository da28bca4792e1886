"""From commit to the sealed block: linking commits, execution in order, SEAL, certificates, forgetting."""

from typing import Any

from hansa.consensus.config import RECENT_HEIGHTS, VIEW_TIMEOUT_MAX_MS
from hansa.consensus.effects import Execute, PruneVotes, Seal, SignVote
from hansa.consensus.inputs import Executed, Synced
from hansa.consensus.pbft.blocks import (
    check_again,
    check_children_of_root,
    drop_blocks_up_to_root,
    is_linked,
    want_block,
)
from hansa.consensus.pbft.rejoin import distrust_votes
from hansa.consensus.pbft.state import PbftState
from hansa.consensus.values import QuorumCertificate, SealedHead, Vote, VoteType, certificate_votes

_FORK_HINT = "stop this node and keep its data folder: more than t validators may have misbehaved"
_SPLIT_HINT = "compare versions, then repair this node's ledger from the others: hansa repair DIR"


def advance(state: PbftState) -> None:
    """Do everything that new facts allow: commit, execute, SEAL, seal."""
    if state.commit_target is not None:
        _link_commit(state)
    _execute(state)
    _vote_seals(state)
    while _seal_next(state):
        pass


def on_executed(state: PbftState, answer: Executed) -> None:
    """An executed block can be SEALed, as it is committed."""
    if answer.height <= state.root.height:
        if state.recent.get(answer.height, answer.sealed_hash) != answer.sealed_hash:
            _halt_split(state, answer.height)
        return
    if state.executed.get(answer.height, answer) != answer:
        _halt_split(state, answer.height)
        return
    state.executed[answer.height] = answer
    _learn_end(state, answer.height, answer.epoch_end)


def on_synced(state: PbftState, event: Synced) -> None:
    """Certified blocks were sealed here by sync: go on from the last one."""
    known = [mark.height for key in (VoteType.SEAL, VoteType.REJOIN) if (mark := state.marks.get(key)) is not None]
    if event.own_seal > max(known, default=0):
        distrust_votes(state, f"the certificate of block {event.own_seal} holds a SEAL of this validator", 0)
    for head in event.heads:
        if head.height <= state.root.height:
            continue
        committed = state.committed_chain.get(head.height)
        if committed is not None and committed != head.order_hash:
            _halt_fork(state, head.height)
            return
        executed = state.executed.get(head.height)
        if executed is not None and (executed.order_hash, executed.sealed_hash) != (head.order_hash, head.sealed_hash):
            _halt_split(state, head.height)
            return
        _move_root(state, head)
    if event.split:
        _halt_split(state, state.root.height + 1)
        return
    if state.next_epoch is None:
        check_children_of_root(state)


def _learn_end(state: PbftState, height: int, epoch_end: int | None) -> None:
    """The state after a block may name the epoch's end; it never moves."""
    if epoch_end is not None and state.epoch_end is None:
        state.epoch_end = epoch_end
        state.end_known_height = height


def _link_commit(state: PbftState) -> None:
    """S6: a commit commits all ancestors. Missing links are fetched first."""
    assert state.commit_target is not None
    height, order_hash = state.commit_target
    if height <= state.committed_height:
        if state.committed_chain.get(height, order_hash) != order_hash:
            _halt_fork(state, height)
        state.commit_target = None
        return
    chain: list[bytes] = []
    while height > state.committed_height:
        entry = state.entries.get(order_hash)
        if entry is None:
            want_block(state, order_hash, height)
            return
        chain.append(order_hash)
        order_hash, height = entry.block.parent_hash, height - 1
    if order_hash != state.committed_hash:
        _halt_fork(state, height)
        return
    state.commit_target = None
    for order_hash in reversed(chain):
        state.committed_height += 1
        state.committed_hash = order_hash
        state.committed_chain[state.committed_height] = order_hash
        _measure(state, order_hash)
        check_again(state, state.entries[order_hash])
    state.failures = state.passed_over = 0
    state.view_due_ms = None  # progress: the view's time begins anew


def _measure(state: PbftState, order_hash: bytes) -> None:
    """Follow the 99th percentile of commit latency: up fast, down slowly.

    A block that waited out a fault says little about the next one, and more than the longest timeout nothing at all.
    """
    entry = state.entries[order_hash]
    if entry.block.view != state.view or entry.latency_counted:
        return
    entry.latency_counted = True
    sample = min(state.now_ms - entry.seen_ms, VIEW_TIMEOUT_MAX_MS // 4)
    known = state.latency_p99_ms
    if known is None:
        state.latency_p99_ms = sample
    elif sample > known:
        state.latency_p99_ms = known + (sample - known + 3) // 4
    else:
        state.latency_p99_ms = known - (known - sample + 31) // 32


def _execute(state: PbftState) -> None:
    """Hand committed blocks whose bodies are held to execution, in height order."""
    while not state.importing and state.halted is None:
        height = state.executing_height + 1
        order_hash = state.rules.block_to_execute(state, height)
        if order_hash is None or not is_linked(state, order_hash):
            return
        if not state.rules.may_execute(state, height, max(state.executed, default=state.root.height)):
            return
        state.executing_height += 1
        state.emit(Execute(state.executing_height, order_hash))


def _vote_seals(state: PbftState) -> None:
    """SEAL what was executed, in height order; what an earlier life SEALed must be the same."""
    if not state.executed or not state.may_vote:
        return
    mark = state.marks.get(VoteType.SEAL)
    for height in sorted(state.executed):
        sealed_hash = state.executed[height].sealed_hash
        if mark is None or height > mark.height:
            mark = Vote(VoteType.SEAL, state.config.epoch, 0, height, sealed_hash)
            state.marks[VoteType.SEAL] = mark
            state.emit(SignVote(mark, b""))
        elif height == mark.height and mark.hash != sealed_hash:
            _halt_split(state, height)
            return


def _seal_next(state: PbftState) -> bool:
    """Seal the block after the sealed head if a quorum SEALed what was executed here."""
    height = state.root.height + 1
    votes = state.seal_votes.get(height)
    executed = state.executed.get(height)
    if votes is None or executed is None or state.halted is not None:
        return False
    masks: dict[bytes, int] = {}
    for signer, signed in votes.items():
        masks[signed.vote.hash] = masks.get(signed.vote.hash, 0) | 1 << signer
    validators = state.config.validators
    certified = next((hash_ for hash_, mask in masks.items() if validators.is_quorum(mask)), None)
    order_hash, sealed_hash = executed.order_hash, executed.sealed_hash
    if certified is None:
        silent = validators.total - sum(validators.weight_of(mask) for mask in masks.values())
        if all(validators.weight_of(mask) + silent < validators.quorum for mask in masks.values()):
            _halt_split(state, height)
        return False
    if certified != sealed_hash:
        _halt_split(state, height)
        return False
    entry = state.entries.get(order_hash)
    if entry is None:
        return False
    signatures = tuple((i, votes[i].signature) for i in sorted(votes) if votes[i].vote.hash == sealed_hash)
    certificate = QuorumCertificate(VoteType.SEAL, state.config.epoch, 0, height, sealed_hash, signatures)
    state.emit(Seal(certificate))
    _move_root(state, SealedHead(height, sealed_hash, order_hash, entry.block, executed.epoch_end, executed.next_epoch))
    if state.next_epoch is not None:
        state.root_seals = tuple(certificate_votes(certificate))
        return False
    check_children_of_root(state)
    return True


def _move_root(state: PbftState, head: SealedHead) -> None:
    """Begin anew above a sealed block and forget what lies below it."""
    height = head.height
    state.root = head
    _learn_end(state, height, head.epoch_end)
    state.next_epoch = head.next_epoch
    if height == state.epoch_end and head.next_epoch is None:
        state.halt("CONSENSUS-14", f"the state after block {height} does not say who keeps the chain next", _SPLIT_HINT)
    state.recent[height] = head.sealed_hash
    state.recent.pop(height - RECENT_HEIGHTS, None)
    if height >= state.committed_height:
        state.committed_height = height
        state.committed_hash = head.order_hash
    state.executing_height = max(state.executing_height, height)
    _forget_up_to(state, height)
    if state.commit_target is not None and state.commit_target[0] <= height:
        state.commit_target = None
    drop_blocks_up_to_root(state)
    period = state.config.prune_every_heights
    kept = max(period, state.config.window)
    if height % period == 0 and height > kept:
        # Results of the last heights may still be on their way to the log; the votes that would bring them back stay.
        state.emit(PruneVotes(height - kept))


def _forget_up_to(state: PbftState, height: int) -> None:
    by_height: tuple[dict[int, Any], ...] = (
        state.committed_chain,
        state.executed,
        state.seal_votes,
        state.candidates,
        state.own_proposals,
    )
    for heights in by_height:
        for key in [key for key in heights if key <= height]:
            del heights[key]
    by_position: tuple[dict[Any, Any], ...] = (
        state.prepare_votes,
        state.prepare_masks,
        state.commit_votes,
        state.commit_masks,
    )
    for table in by_position:
        for position in [found for found in table if found[1] <= height]:
            del table[position]
    for vote_key in [key for key in state.own_votes if key[2] <= height]:
        del state.own_votes[vote_key]
    # The QC of the sealed head is kept: to whoever missed a PREPARE in this view, nothing else permits the next one.
    for place in [place for place in state.qcs if place[1] < height]:
        del state.qcs[place]


def _halt_fork(state: PbftState, height: int) -> None:
    state.halt("CONSENSUS-10", f"two different blocks were committed at height {height}", _FORK_HINT)


def _halt_split(state: PbftState, height: int) -> None:
    state.halt("CONSENSUS-11", f"validators do not agree on the result of block {height}", _SPLIT_HINT)
