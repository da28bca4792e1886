"""PRE-PREPARE in, PREPARE out: judging the leader's proposals in height order."""

from hansa.consensus.effects import SetTimer, SignVote, WhyLeave
from hansa.consensus.inputs import TimerId
from hansa.consensus.messages import PrePrepare
from hansa.consensus.pbft.blocks import add_block, get_block, is_in_reach
from hansa.consensus.pbft.rules import get_genuine_base, is_well_formed, may_be_empty
from hansa.consensus.pbft.state import Base, Candidate, PbftState, Proof
from hansa.consensus.pbft.tally import accuse, learn_qc, note_seen
from hansa.consensus.pbft.views import add_candidate, ask_view, follow_certificates, on_tc
from hansa.consensus.values import QuorumCertificate, Vote, VoteContext, VoteType, encode_context
from hansa.types.order import OrderBlock

EARLY_VIEWS_MAX = 2  # proposals are kept for this many views above the current one


def on_pre_prepare(state: PbftState, message: PrePrepare) -> None:
    """Take a leader's proposal: enter its view if it proves it, keep the block, remember the candidate."""
    block, signed = message.block, message.vote
    if not is_in_reach(state, block.height) or not is_well_formed(block, message.refs, state.config):
        return
    if block.sealed_height <= state.root.height and not may_be_empty(block, state):
        return
    order_hash = state.config.order_hash(block)
    word = Vote(VoteType.PROPOSE, block.epoch, block.view, block.height, order_hash)
    if signed.vote != word or signed.signer != block.proposer:
        return
    note_seen(state, signed)
    _enter_by_proof(state, message.proof)
    if block.height > max(state.root.height, state.high_qc.height) + 2 * state.config.window:
        return  # no honest leader runs so far ahead of what is proven; a false one must not fill our memory
    if block.view < state.view:
        if order_hash in state.fetches and order_hash not in state.entries:
            add_block(state, block, message.refs, order_hash)
        return
    if block.view > state.view:
        _keep_early(state, message, order_hash)
        return
    known = state.candidates.get(block.height)
    if known is not None and known.hash != order_hash:
        accuse(state, known.vote, signed)
        ask_view(state, state.view + 1, WhyLeave.EQUIVOCATION)  # proven equivocation
        return
    if order_hash not in state.entries:
        add_block(state, block, message.refs, order_hash)
    add_candidate(state, signed, message.proof)


def prepare_candidates(state: PbftState) -> None:
    """Vote PREPARE for every candidate that may be voted for, lowest first; strictly increasing in (view, height)."""
    if not state.may_vote or not state.is_active:
        return
    mark = state.marks.get(VoteType.PREPARE)
    voted_height = mark.height if mark is not None and mark.view == state.view else 0
    for height in sorted(state.candidates):
        if height > voted_height:
            _prepare(state, state.candidates[height])


def _prepare(state: PbftState, candidate: Candidate) -> None:
    entry = state.entries.get(candidate.hash)
    if entry is None or not state.rules.is_votable(entry):
        return
    block = entry.block
    parent = get_block(state, block.parent_hash)
    if parent is None or not state.rules.is_child(block, parent):
        return
    if not may_be_empty(block, state) or not state.rules.is_within_epoch(block, state):
        return
    base_and_proof = _find_permission(state, candidate, block, parent)
    if base_and_proof is None or not _is_sealed_right(state, block) or not _is_time_right(state, block, parent):
        return
    base, proof = base_and_proof
    is_first = state.base is None
    state.base = base
    vote = Vote(VoteType.PREPARE, block.epoch, block.view, block.height, candidate.hash)
    state.marks[VoteType.PREPARE] = vote
    context = VoteContext(base.height, base.hash, proof if is_first else None)
    state.emit(SignVote(vote, encode_context(context)))


def _find_permission(
    state: PbftState, candidate: Candidate, block: OrderBlock, parent: OrderBlock
) -> tuple[Base, Proof | None] | None:
    """Rules 1.3: a block may extend the view's base, the block PREPAREd at h-1 in v, or one with QC(v, h-1)."""
    mark = state.marks.get(VoteType.PREPARE)
    is_own_line = mark is not None and (mark.view, mark.height, mark.hash) == (
        block.view,
        block.height - 1,
        block.parent_hash,
    )
    if is_own_line and state.base is not None:
        return state.base, None
    qc = state.qcs.get((block.view, block.height - 1))
    if qc is not None and qc.hash == block.parent_hash:
        base = state.base or Base(block.base_height, b"")
        return (base, qc) if base.height == block.base_height else None
    base_found = get_genuine_base(candidate, block, parent, state)
    if base_found is not None and state.rules.may_begin_on(state.base, base_found):
        return base_found, candidate.proof
    other = state.rules.other_base(Base(parent.height, block.parent_hash))
    return None if other is None else (other, None)


def _is_sealed_right(state: PbftState, block: OrderBlock) -> bool:
    """Rules 1.11: the sealed block that a proposal names must be sealed here too, with the same hash."""
    return state.recent.get(block.sealed_height) == block.sealed_hash


def _is_time_right(state: PbftState, block: OrderBlock, parent: OrderBlock) -> bool:
    """Rules 1.12: not ahead of our clock by more than a second, unless its parent is too; such a block waits."""
    early_ms = block.time_ms - state.rules.latest_time_ms(parent.time_ms, state.wall_ms)
    if early_ms <= 0:
        return True
    due_ms = state.now_ms + early_ms
    if state.recheck_ms is None or due_ms < state.recheck_ms or state.recheck_ms <= state.now_ms:
        state.recheck_ms = due_ms
        state.emit(SetTimer(TimerId.RECHECK, due_ms))
    return False


def _enter_by_proof(state: PbftState, proof: Proof | None) -> None:
    if isinstance(proof, QuorumCertificate):
        learn_qc(state, proof)
        follow_certificates(state)
    elif proof is not None:
        on_tc(state, proof)


def _keep_early(state: PbftState, message: PrePrepare, order_hash: bytes) -> None:
    """Keep a proposal of one of the next views until that view is proven; at most one for each height."""
    block = message.block
    key = (block.view, block.height)
    is_near = block.view <= state.view + EARLY_VIEWS_MAX and block.height <= block.base_height + state.config.window + 1
    if is_near and key not in state.early and len(state.early) <= EARLY_VIEWS_MAX * (state.config.window + 1):
        state.early[key] = message
        if order_hash not in state.entries:
            add_block(state, block, message.refs, order_hash)
