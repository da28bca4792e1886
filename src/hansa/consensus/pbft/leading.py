"""The leader's part: when to propose, on what, and the signed proposal."""

from hansa.consensus.effects import AskProposal, AskWork, SetTimer, SignVote, WhyLeave
from hansa.consensus.inputs import Proposed, TimerId
from hansa.consensus.messages import PrePrepare
from hansa.consensus.pbft.blocks import add_block, check_again, get_ancestors, get_block, is_linked
from hansa.consensus.pbft.rejoin import is_block_due
from hansa.consensus.pbft.state import Base, Body, Candidate, PbftState
from hansa.consensus.pbft.views import ask_view
from hansa.consensus.values import SignedVote, TimeoutCertificate, Vote, VoteContext, VoteType, encode_context
from hansa.types.order import OrderBlock, PayloadKind

EMPTY_ANSWER_WAIT_MS = 20
LEAD_REFUSALS_MAX = 5  # own bodies in a row that do not hold; then another leads
# Blocks that are not full and not sealed yet. What comes meanwhile waits for the next one, so that blocks grow as the
# machine gets busy: a block costs the same few milliseconds whatever it holds.
IN_FLIGHT_MAX = 2
# For the same reason a leader waits twice the interval after a block of so many transactions, and four times where work
# of so much gas has come per millisecond since the block before.
BUSY_BLOCK_COUNT = 256
CROWDED_GAS_PER_MS = 200_000


def lead(state: PbftState) -> None:
    """Go on with the own proposal under way, or ask the pool for the next one if it is due."""
    if state.lead_tip is None or not state.may_vote or not state.is_active:
        return
    if state.lead_checking is not None:
        _propose_checked(state)
    if state.lead_refusals >= LEAD_REFUSALS_MAX and len(state.config.validators.voters) > 1:
        state.lead_refusals = 0
        # Whatever is wrong with this ledger, others need not wait for the timeout.
        ask_view(state, state.view + 1, WhyLeave.CANNOT_LEAD)
        return
    tip = state.lead_tip
    if tip is not None and state.lead_checking is None and state.lead_asked is None and _is_due(state, tip):
        state.lead_asked = (tip.height + 1, tip.hash)
        state.emit(AskProposal(tip.height + 1, tip.hash, get_ancestors(state, tip.hash)))


def on_proposed(state: PbftState, answer: Proposed) -> None:
    """Build the block from what the pool chose and have its body stored; an empty one only where rules 1.10 asks for
    it."""
    tip = state.lead_tip
    if state.lead_asked != (answer.height, answer.parent_hash) or tip is None:
        return
    state.lead_asked = None
    end = state.closing_end
    if end is not None and answer.height > end:
        answer = Proposed(answer.height, answer.parent_hash, b"", state.config.payload_hash(b""), 0, 0)
    elif answer.tx_count == 0 and end is None and not _is_empty_due(state):
        # What we were told about work is outdated: ask again, and do not spin meanwhile.
        state.work_tip = b""
        state.lead_not_before_ms = state.now_ms + EMPTY_ANSWER_WAIT_MS
        return
    parent = get_block(state, tip.hash)
    if parent is None or not is_linked(state, tip.hash) or state.lead_base_height is None:
        return
    sealed_height = _sealed_height_to_name(state, parent)
    block = OrderBlock(
        epoch=state.config.epoch,
        view=state.view,
        height=answer.height,
        parent_hash=answer.parent_hash,
        base_height=state.lead_base_height,
        sealed_height=sealed_height,
        sealed_hash=state.recent[sealed_height],
        time_ms=max(state.wall_ms, parent.time_ms),
        proposer=state.config.me,
        payload_kind=PayloadKind.TRANSACTION_HASHES,
        payload_hash=answer.payload_hash,
        tx_count=answer.tx_count,
        gas=answer.gas,
    )
    order_hash = state.config.order_hash(block)
    state.lead_checking = order_hash
    state.lead_pause_ms = _pause_after(state, block)
    state.last_proposed_ms = state.now_ms
    known = state.entries.get(order_hash)
    if known is None:
        add_block(state, block, answer.refs, order_hash)
    else:
        check_again(state, known)  # the very block that did not hold a moment ago


def on_own_proposal(state: PbftState, signed: SignedVote) -> None:
    """Our PROPOSE is durable, and the body with it: send the proposal."""
    entry = state.entries.get(signed.vote.hash)
    if entry is None or signed.vote.view != state.view:
        return
    proof = state.lead_proof if entry.block.height == entry.block.base_height + 1 else None
    message = PrePrepare(entry.block, entry.refs, signed, proof)
    state.own_proposals[entry.block.height] = message
    state.broadcast(message)


def ask_work(state: PbftState) -> None:
    """Have the shell say whether there is work beyond the tip, whenever the tip moves."""
    tip = _work_tip(state)
    if tip != state.work_tip:
        state.work_tip = tip
        state.emit(AskWork(get_ancestors(state, tip)))


def is_window_open(state: PbftState) -> bool:
    """Whether the leader of the view may propose one more block for work alone, as far as is known here.

    The block above an inherited base (2.1.6) needs no work; while it is due, a block is in flight anyway.
    """
    top = max(state.candidates, default=0)
    top = max(top, state.committed_height, state.high_qc.height)
    end = state.closing_end
    return top + 1 <= state.root.height + state.config.window and (end is None or top < end)


def _is_due(state: PbftState, tip: Base) -> bool:
    """Whether a child of the tip may be proposed now; sets the timer for a later moment."""
    base_height = state.lead_base_height
    mark = state.marks.get(VoteType.PROPOSE)
    parent = get_block(state, tip.hash)
    if base_height is None or parent is None or not is_linked(state, tip.hash) or not _is_own_line(state, tip):
        return False
    if parent.sealed_height > state.root.height:
        return False  # only sync can bring us to where this leader may name a sealed block
    height = tip.height + 1
    is_forbidden = mark is not None and (mark.view, mark.height) >= (state.view, height)
    if is_forbidden or height > base_height + state.config.term:
        return False
    if _is_empty_due(state):
        return True
    end = state.closing_end
    if (end is None and not state.work_pending) or (end is not None and height > end):
        return False
    if height > state.root.height + state.config.window:
        return False
    if not state.work_full and height > state.root.height + IN_FLIGHT_MAX:
        return False
    due_ms = state.last_proposed_ms + (0 if state.work_full else state.lead_pause_ms)
    due_ms = max(due_ms, state.lead_not_before_ms)
    if due_ms <= state.now_ms:
        return True
    _wake_at(state, due_ms)
    return False


def _pause_after(state: PbftState, block: OrderBlock) -> int:
    """Return how long to wait after an own block for the next one, unless that is full."""
    interval_ms = state.config.block_interval_ms
    if block.tx_count < BUSY_BLOCK_COUNT:
        return interval_ms
    gathered_ms = state.now_ms - state.last_proposed_ms
    return interval_ms * (4 if block.gas >= CROWDED_GAS_PER_MS * gathered_ms else 2)


def _wake_at(state: PbftState, due_ms: int) -> None:
    """Look again at that time."""
    if state.lead_wake_ms != due_ms:
        state.lead_wake_ms = due_ms
        state.emit(SetTimer(TimerId.PROPOSE, due_ms))


def _is_own_line(state: PbftState, tip: Base) -> bool:
    """Whether this replica itself may PREPARE a child of its tip; a leader proposes nothing else."""
    mark = state.marks.get(VoteType.PREPARE)
    if mark is None or mark.view < state.view:
        return True
    return (mark.height, mark.hash) == (tip.height, tip.hash)


def _is_empty_due(state: PbftState) -> bool:
    """Rules 1.10: the view's first block is due, empty if need be and beyond the window if need be (2.1.6).

    After a view change: while the base is not sealed here. Others may lack a commit that this replica saw, and cannot
    COMMIT in the old view any more; a sealed block they can fetch. After a hand-over: while the base is not committed.
    And whenever somebody in quarantine waits for a block of this view.
    """
    tip, required_ms = state.lead_tip, state.lead_required_ms
    if tip is None or tip.height != state.lead_base_height:
        return False
    if state.view > 0 and is_block_due(state):
        return True
    if required_ms is None:
        return False
    is_timeout = isinstance(state.lead_proof, TimeoutCertificate)
    if tip.height <= (state.root.height if is_timeout else state.committed_height):
        return False
    if required_ms <= state.now_ms:
        return True
    _wake_at(state, required_ms)
    return False


def _sealed_height_to_name(state: PbftState, parent: OrderBlock) -> int:
    """Name the oldest sealed block that still opens the window, so that slower validators can judge at once."""
    wanted = max(parent.sealed_height, parent.height + 1 - state.config.window, state.config.root_height)
    if state.closing_end is not None:
        wanted = max(wanted, state.end_known_height)  # so that all who judge this block know the end too
    while wanted < state.root.height and wanted not in state.recent:
        wanted += 1
    return min(wanted, state.root.height)


def _propose_checked(state: PbftState) -> None:
    assert state.lead_checking is not None
    entry = state.entries.get(state.lead_checking)
    if entry is None:
        state.lead_checking = state.lead_tip = None
        state.lead_refusals = LEAD_REFUSALS_MAX  # the chain went another way: nothing can be led from here
        return
    if entry.body is not Body.HELD or not entry.linked:
        return
    state.lead_checking = None
    state.lead_refusals = 0
    state.lead_tip = Base(entry.block.height, entry.hash)
    state.work_full = False  # that was told of the tip before, of which this block took its share
    vote = Vote(VoteType.PROPOSE, state.config.epoch, state.view, entry.block.height, entry.hash)
    proof = state.lead_proof if entry.block.height == entry.block.base_height + 1 else None
    state.marks[VoteType.PROPOSE] = vote
    # Its PREPARE goes into the same group commit; the signature is needed by others only.
    state.candidates.setdefault(vote.height, Candidate(entry.hash, SignedVote(vote, state.config.me, b""), proof))
    state.emit(SignVote(vote, encode_context(VoteContext(proof=proof))))


def _work_tip(state: PbftState) -> bytes:
    """Return the highest linked block that a proposal of this view could extend."""
    if state.lead_tip is not None and is_linked(state, state.lead_tip.hash):
        return state.lead_tip.hash
    for height in sorted(state.candidates, reverse=True):
        if is_linked(state, state.candidates[height].hash):
            return state.candidates[height].hash
    if is_linked(state, state.high_qc.hash):
        return state.high_qc.hash
    return state.committed_hash if is_linked(state, state.committed_hash) else state.root.order_hash
