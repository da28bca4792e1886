"""The beginning of a life: what the logs hold becomes memory, and peers are asked what they saw of our votes."""

from hansa.consensus.config import RECENT_HEIGHTS
from hansa.consensus.effects import SetTimer
from hansa.consensus.inputs import HeldBody, Restored, TimerId
from hansa.consensus.messages import PrePrepare, ViewChange, VoteQuery, VoteReport
from hansa.consensus.pbft.blocks import check_children_of_root
from hansa.consensus.pbft.rejoin import distrust_votes, is_forgotten, resume_quarantine
from hansa.consensus.pbft.state import Base, Body, Candidate, Entry, PbftState
from hansa.consensus.pbft.tally import count_vote, note_seen
from hansa.consensus.pbft.views import on_view_change
from hansa.consensus.signer import vote_position
from hansa.consensus.values import (
    TimeoutCertificate,
    VoteContext,
    VoteRecord,
    VoteType,
    certificate_votes,
    decode_context,
)


def on_restored(state: PbftState, restored: Restored) -> None:
    """Begin from the sealed head, the vote log and the unsealed bodies."""
    head = restored.head
    state.root = head
    state.recent = dict(restored.recent[-RECENT_HEIGHTS:]) | {head.height: head.sealed_hash}
    state.committed_height = state.executing_height = head.height
    state.committed_hash = head.order_hash
    if restored.certificate is not None:
        for signed in certificate_votes(restored.certificate):
            note_seen(state, signed)
    state.epoch_end = restored.epoch_end
    state.end_known_height = head.height
    contexts = [(record, decode_context(record.context)) for record in restored.records]
    state.voted_later = any(record.signed.vote.epoch > state.config.epoch for record, _ in contexts)
    contexts = [found for found in contexts if _is_of_use(state, found[0])]
    for record, context in contexts:
        is_own = record.signed.vote.epoch == state.config.epoch
        _replay(state, record, context if is_own else VoteContext())
    contexts = [found for found in contexts if found[0].signed.vote.epoch == state.config.epoch]
    _choose_view(state, contexts)
    for body in sorted(restored.bodies, key=lambda body: body.block.height):
        _restore_body(state, body)
    check_children_of_root(state)
    _restore_leading(state, contexts)
    _count_own_votes(state)
    state.started = True
    validators = state.config.validators
    state.reports = 1 << state.config.me
    needs_no_answer = not state.has_vote or validators.is_quorum(state.reports)
    state.queried = not state.config.verify_own_votes or needs_no_answer
    state.last_check_ms = state.now_ms
    state.heard_ms = dict.fromkeys(validators.others(state.config.me), state.now_ms)
    state.emit(SetTimer(TimerId.TICK, state.now_ms))
    resume_quarantine(state)
    if not state.queried:
        state.broadcast(VoteQuery())


def on_vote_query(state: PbftState, peer: int) -> None:
    """Tell a starting validator the highest votes that were ever seen from it here."""
    votes = tuple(state.seen[key] for vote_type in VoteType if (key := (peer, vote_type)) in state.seen)
    state.send(peer, VoteReport(votes))


def on_vote_report(state: PbftState, peer: int, report: VoteReport) -> None:
    """Compare what a peer saw with what our log holds: a vote beyond it means that the log is not the whole truth."""
    for signed in report.votes:
        is_past = signed.vote.epoch < state.config.epoch
        if signed.signer != state.config.me or is_past or is_forgotten(state, signed.vote):
            continue
        mark = state.marks.get(signed.vote.type)
        position = vote_position(signed.vote)
        is_beyond = mark is None or position > vote_position(mark)
        is_other = mark is not None and position == vote_position(mark) and signed.vote != mark
        if is_beyond or is_other:
            vote = signed.vote
            what = f"peers hold a {vote.type.name} of this validator at {vote_position(vote)}"
            is_view_known = vote.type is not VoteType.SEAL and vote.epoch == state.config.epoch
            distrust_votes(state, what, vote.view if is_view_known else 0)
            return
    state.reports |= 1 << peer
    if state.config.validators.is_quorum(state.reports):
        state.queried = True


def _is_of_use(state: PbftState, record: VoteRecord) -> bool:
    """Of earlier epochs only what was SEALed still matters, and whether a quarantine began or ended."""
    vote = record.signed.vote
    is_kept = vote.type in (VoteType.SEAL, VoteType.REJOIN) and vote.epoch < state.config.epoch
    return is_kept or vote.epoch == state.config.epoch


def _replay(state: PbftState, record: VoteRecord, context: VoteContext) -> None:
    signed = record.signed
    vote = signed.vote
    mark = state.marks.get(vote.type)
    if mark is not None and vote_position(vote) < vote_position(mark):
        return
    state.marks[vote.type] = vote
    _note_signers(state, context)
    if context.high_qc is not None and context.high_qc.key() > state.high_qc.key():
        state.high_qc = context.high_qc
    if vote.type is VoteType.REJOIN:
        return
    if vote.type is VoteType.VIEW_CHANGE:
        state.view_asked = vote.view
        qc = context.high_qc
        if qc is not None:
            state.own_view_change_qc = qc
            state.own_view_change = ViewChange(signed, qc)
    elif vote.height > state.root.height:
        state.own_votes[(vote.type, vote.view, vote.height)] = signed
    if context.high_qc is not None and context.high_qc.height >= state.root.height:
        state.qcs[context.high_qc.key()] = context.high_qc


def _note_signers(state: PbftState, context: VoteContext) -> None:
    """The certificates beside our votes hold votes of others, who may ask one day what they signed."""
    certificates = [context.high_qc]
    if isinstance(context.proof, TimeoutCertificate):
        certificates.append(context.proof.high_qc)
        for signed in context.proof.votes:
            note_seen(state, signed)
    elif context.proof is not None:
        certificates.append(context.proof)
    for certificate in certificates:
        for signed in () if certificate is None else certificate_votes(certificate):
            note_seen(state, signed)


def _choose_view(state: PbftState, contexts: list[tuple[VoteRecord, VoteContext]]) -> None:
    """The view is the highest one voted in or proven by a QC; its base and proof stand with its first PREPARE."""
    prepare = state.marks.get(VoteType.PREPARE)
    propose = state.marks.get(VoteType.PROPOSE)
    views = [vote.view for vote in (prepare, propose) if vote is not None]
    state.view = max([*views, state.high_qc.view])
    for record, context in contexts:
        vote = record.signed.vote
        if vote.type is VoteType.PREPARE and vote.view == state.view:
            state.base = Base(context.base_height, context.base_hash)
        if vote.type in (VoteType.PREPARE, VoteType.PROPOSE) and vote.view == state.view and context.proof is not None:
            state.view_proof = context.proof
    if state.view_proof is None and state.high_qc.view == state.view and state.high_qc.signatures:
        state.view_proof = state.high_qc


def _count_own_votes(state: PbftState) -> None:
    """Own votes count like everyone's; they are sent again, the same bytes, once a peer calls for them or we stall.

    A PREPARE whose body did not reach the disk was never sent, and must not be (rules 1.2).
    """
    for signed in state.own_votes.values():
        entry = state.entries.get(signed.vote.hash)
        if signed.vote.type is not VoteType.PREPARE or (entry is not None and entry.linked):
            count_vote(state, signed)
    if state.own_view_change is not None:
        on_view_change(state, state.own_view_change)


def _restore_body(state: PbftState, body: HeldBody) -> None:
    if body.block.height <= state.root.height or body.block.epoch != state.config.epoch:
        return
    entry = Entry(body.order_hash, body.block, body.refs, state.now_ms, Body.HELD)
    state.entries[body.order_hash] = entry
    state.children.setdefault(body.block.parent_hash, []).append(body.order_hash)


def _restore_leading(state: PbftState, contexts: list[tuple[VoteRecord, VoteContext]]) -> None:
    """A leader goes on in its view where its own log ends, and only if it holds that block."""
    if state.leader != state.config.me:
        return
    propose = state.marks.get(VoteType.PROPOSE)
    prepare = state.marks.get(VoteType.PREPARE)
    if propose is None or propose.view < state.view:
        if state.view == 0 and prepare is None and state.root.height == state.config.root_height:
            state.lead_tip = Base(state.root.height, state.root.order_hash)
            state.lead_base_height = state.root.height
        return
    tip = state.entries.get(propose.hash)
    block = state.root.block if propose.hash == state.root.order_hash else None if tip is None else tip.block
    if block is None:
        return
    state.lead_tip = Base(propose.height, propose.hash)
    state.lead_base_height = block.base_height
    for record, context in contexts:
        signed = record.signed
        entry = state.entries.get(signed.vote.hash)
        if signed.vote.type is VoteType.PROPOSE and signed.vote.view == state.view:
            state.lead_proof = context.proof or state.lead_proof
            if entry is not None:
                proof = context.proof
                state.own_proposals[signed.vote.height] = PrePrepare(entry.block, entry.refs, signed, proof)
                state.candidates[signed.vote.height] = Candidate(entry.hash, signed, proof)
