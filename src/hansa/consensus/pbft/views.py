"""Which view this replica is in: QCs and TCs lead into views, VIEW-CHANGEs ask for the next."""

from hansa.consensus.config import LONELY_VIEW_CHANGE_MS, TICK_MS
from hansa.consensus.effects import BeginView, LeaveView, SignVote, WhyLeave
from hansa.consensus.messages import ViewChange
from hansa.consensus.pbft.blocks import want_block
from hansa.consensus.pbft.rules import is_end_of_term, is_valid_qc, is_valid_tc, signers_mask
from hansa.consensus.pbft.state import Base, Candidate, PbftState, Proof
from hansa.consensus.pbft.tally import accuse, learn_qc, note_seen
from hansa.consensus.values import (
    SignedVote,
    TimeoutCertificate,
    Vote,
    VoteContext,
    VoteType,
    encode_context,
)


def follow_certificates(state: PbftState) -> None:
    """Act on new QCs: raise the highest QC, COMMIT it, enter the view it proves or hands over to."""
    while state.new_qcs:
        qc = state.new_qcs.pop(0)
        if qc.height >= state.root.height:  # that of the sealed head permits its child (rules 1.3)
            state.qcs.setdefault(qc.key(), qc)
            want_block(state, qc.hash, qc.height)
        if qc.key() > state.high_qc.key():
            state.high_qc = qc
    commit_high_qc(state)
    if state.high_qc.view > state.view:
        enter_view(state, state.high_qc.view, state.high_qc)
    hand_over(state)


def commit_high_qc(state: PbftState) -> None:
    """Vote COMMIT for the highest QC; it counts for all ancestors in its view, so lower ones need no vote."""
    qc = state.high_qc
    mark = state.marks.get(VoteType.COMMIT)
    if not state.may_vote or qc.height <= state.root.height or qc.view < state.view:
        return
    if mark is not None and (mark.view, mark.height) >= qc.key():
        return
    if state.rules.may_commit(qc.view, state.view_asked):
        vote = Vote(VoteType.COMMIT, state.config.epoch, qc.view, qc.height, qc.hash)
        state.marks[VoteType.COMMIT] = vote
        state.emit(SignVote(vote, encode_context(VoteContext(high_qc=qc))))


def hand_over(state: PbftState) -> None:
    """S5: the QC of a term's last block leads into the next view without a timeout."""
    qc = state.high_qc
    if qc.view != state.view or qc.height < state.config.first_height:
        return
    entry = state.entries.get(qc.hash)
    block = state.root.block if qc.hash == state.root.order_hash else None if entry is None else entry.block
    if block is not None and block.view == state.view and is_end_of_term(block, state.config):
        enter_view(state, state.view + 1, qc)


def enter_view(state: PbftState, view: int, proof: Proof) -> None:
    """Go to a higher view that `proof` proves: TC(view), a QC of the view, or the end-of-term QC of the view before."""
    assert view > state.view, "views only rise"
    state.view = view
    state.view_proof = proof
    state.view_entered_ms = state.now_ms
    state.emit(BeginView(view, state.leader))
    state.view_due_ms = None
    state.base = None
    state.candidates = {}
    state.own_proposals = {}
    state.lead_asked = state.lead_checking = None
    state.lead_refusals = 0
    for slots in (state.prepare_votes, state.prepare_masks):
        for key in [key for key in slots if key[0] < view]:
            del slots[key]  # type: ignore[arg-type]
    for signer in [i for i, message in state.view_changes.items() if message.vote.vote.view <= view]:
        seen_ms = state.view_change_seen_ms.pop(signer, None)
        if seen_ms is not None and seen_ms + LONELY_VIEW_CHANGE_MS <= state.now_ms:
            state.lonely_counts[signer] = state.lonely_counts.get(signer, 0) + 1
    _begin_leading(state, proof)
    early = state.early
    state.early = {key: message for key, message in early.items() if key[0] > view}
    for (proposal_view, _), message in sorted(early.items()):
        if proposal_view == view:
            add_candidate(state, message.vote, message.proof)


def add_candidate(state: PbftState, vote: SignedVote, proof: Proof | None) -> None:
    """Take the leader's proposal of the current view; its block is in the tree already."""
    if vote.vote.height not in state.candidates:
        state.candidates[vote.vote.height] = Candidate(vote.vote.hash, vote, proof)


def on_tc(state: PbftState, tc: TimeoutCertificate) -> None:
    """A TC from a message leads into its view."""
    if tc.view > state.view and is_valid_tc(tc, state.config, state.rules):
        learn_qc(state, tc.high_qc)
        follow_certificates(state)
        if tc.view > state.view:
            enter_view(state, tc.view, tc)
            hand_over(state)


def on_view_change(state: PbftState, message: ViewChange) -> None:
    """Count a VIEW-CHANGE: it may complete a TC, make us join, or tell that the leader gives up."""
    vote, qc = message.vote.vote, message.high_qc
    names_qc = (vote.qc_view, vote.height, vote.hash) == (qc.view, qc.height, qc.hash)
    signer = message.vote.signer
    is_wrong = vote.type is not VoteType.VIEW_CHANGE or vote.epoch != state.config.epoch or vote.qc_view >= vote.view
    if is_wrong or not names_qc or not state.config.validators.has_vote(signer) or not is_valid_qc(qc, state.config):
        return
    note_seen(state, message.vote)
    learn_qc(state, qc)
    known = state.view_changes.get(signer)
    if known is not None and known.vote.vote.view >= vote.view:
        accuse(state, known.vote, message.vote)
        return
    state.view_changes[signer] = message
    if vote.view > state.view:
        state.view_change_seen_ms.setdefault(signer, state.now_ms)
    _assemble_tc(state)
    _join(state)


def ask_view(state: PbftState, view: int, why: WhyLeave) -> None:
    """Sign VIEW-CHANGE for `view`: nothing of a lower view is signed any more."""
    if not state.may_change_view or view <= max(state.view, state.view_asked):
        return
    follow_certificates(state)
    if view <= state.view:
        return
    qc = state.rules.qc_to_name(state)
    vote = Vote(VoteType.VIEW_CHANGE, state.config.epoch, view, qc.height, qc.hash, qc.view)
    state.emit(LeaveView(state.view, view, why))
    state.view_asked = view
    state.view_changes_count += 1
    state.view_due_ms = None
    state.own_view_change_qc = qc
    state.marks[VoteType.VIEW_CHANGE] = vote
    state.emit(SignVote(vote, encode_context(VoteContext(high_qc=qc))))


def on_own_view_change(state: PbftState, signed: SignedVote) -> None:
    """Our VIEW-CHANGE is durable: send it and count it."""
    qc = state.own_view_change_qc
    if qc is None or signed.vote != state.marks.get(VoteType.VIEW_CHANGE):
        return  # a higher one is on its way
    state.own_view_change = ViewChange(signed, qc)
    state.broadcast(state.own_view_change)
    on_view_change(state, state.own_view_change)


def _assemble_tc(state: PbftState) -> None:
    """Build the TC of the highest view that a quorum asks for or has passed; any replica may."""
    messages = sorted(state.view_changes.values(), key=lambda message: -message.vote.vote.view)
    mask = 0
    for message in messages:
        view = message.vote.vote.view
        if view <= state.view:
            return
        mask |= 1 << message.vote.signer
        if state.config.validators.is_quorum(mask):
            break
    else:
        return
    members = [m for m in messages if m.vote.vote.view >= view and m.vote.vote.qc_view < view]
    if not state.config.validators.is_quorum(signers_mask(m.vote.signer for m in members)):
        return  # a named QC is of that view or above: `follow_certificates` leads there
    high = state.rules.high_vote([m.vote for m in members])
    high_qc = next(m.high_qc for m in members if m.vote == high)
    votes = tuple(sorted((m.vote for m in members), key=lambda signed: signed.signer))
    on_tc(state, TimeoutCertificate(state.config.epoch, view, votes, high_qc))


def _join(state: PbftState) -> None:
    """Go along with the (t+1)-th highest view that others ask for, never with one node's claim; or with the
    leader's."""
    leader_message = state.view_changes.get(state.leader)
    if state.leader != state.config.me and leader_message is not None and leader_message.vote.vote.view > state.view:
        ask_view(state, state.view + 1, WhyLeave.LEADER_LEAVES)
    mask = 0
    for message in sorted(state.view_changes.values(), key=lambda m: -m.vote.vote.view):
        if message.vote.signer == state.config.me:
            continue
        mask |= 1 << message.vote.signer
        if state.rules.may_join(state.config.validators, mask):
            ask_view(state, message.vote.vote.view, WhyLeave.OTHERS_LEAVE)
            return


def _begin_leading(state: PbftState, proof: Proof) -> None:
    """Know what to propose on if this replica leads the view just entered."""
    state.lead_tip = state.lead_base_height = state.lead_proof = state.lead_required_ms = None
    if state.leader != state.config.me:
        return
    mark = state.marks.get(VoteType.PROPOSE)
    if mark is not None and mark.view >= state.view:
        return
    state.lead_proof = proof
    if isinstance(proof, TimeoutCertificate):
        # Rules 1.10: inherited blocks must not wait for work to come.
        state.lead_required_ms = state.now_ms
        state.lead_tip = Base(proof.high_qc.height, proof.high_qc.hash)
        state.lead_base_height = proof.high_qc.height
    elif proof.view == state.view - 1:
        # After a hand-over the COMMITs of the old term are under way; an empty block is due only if they got lost.
        state.lead_required_ms = state.now_ms + TICK_MS
        state.lead_tip = Base(proof.height, proof.hash)
        state.lead_base_height = proof.height
