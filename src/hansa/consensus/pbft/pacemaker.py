"""Time: when a view has failed, what is said on every tick, and help for those who are behind.

No timer runs on an idle chain. A view's time begins when there is something to do and begins anew with every commit.
"""

from hansa.consensus.config import (
    HEARTBEAT_MS,
    LEADER_GONE_MS,
    LEADER_SILENT_MS,
    LONELY_VIEW_CHANGE_MS,
    REPLY_EVERY_MS,
    STATUS_IDLE_MS,
    TICK_MS,
    VIEW_TIMEOUT_CAP_MS,
    VIEW_TIMEOUT_MAX_MS,
    VIEW_TIMEOUT_MIN_MS,
)
from hansa.consensus.effects import CancelTimer, SetTimer, WhyLeave
from hansa.consensus.inputs import TimerId
from hansa.consensus.messages import Certificate, NewView, Status, VoteQuery, Votes
from hansa.consensus.pbft.blocks import want_missing
from hansa.consensus.pbft.leading import is_window_open
from hansa.consensus.pbft.rejoin import ask_to_rejoin, is_help_open
from hansa.consensus.pbft.rejoin import on_peer_up as ask_peer_to_rejoin
from hansa.consensus.pbft.state import PbftState, Progress
from hansa.consensus.pbft.status import get_status
from hansa.consensus.pbft.views import ask_view
from hansa.consensus.values import QuorumCertificate, SignedVote, TimeoutCertificate, VoteType

LONELY_DOUBLINGS_MAX = 6
OWN_VOTES_SENT_MAX = 256


def compute_view_timeout_ms(state: PbftState) -> int:
    """T = clamp(4 x p99 of commit latency, 0.5 s, 4 s), x 1.5 for each failed view in a row, at most 8 s."""
    if state.latency_p99_ms is None:
        timeout = state.config.view_timeout_ms
    else:
        timeout = min(max(4 * state.latency_p99_ms, VIEW_TIMEOUT_MIN_MS), VIEW_TIMEOUT_MAX_MS)
    timeout += state.config.block_interval_ms
    for _ in range(min(state.failures, 16)):
        timeout = timeout * 3 // 2
    return min(timeout, VIEW_TIMEOUT_CAP_MS)


def keep_view_timer(state: PbftState) -> None:
    """Run the view's timer while there is something to do (rules 1.8a); called at the end of every step."""
    if not _has_something_to_do(state):
        state.view_due_ms = None
        if state.view_timer_at_ms is not None:
            state.view_timer_at_ms = None
            state.emit(CancelTimer(TimerId.VIEW))
        return
    if state.leader == state.config.me and state.lead_tip is None:
        # The power failed between the own proposal and its body, say: others need not wait for the timeout.
        ask_view(state, state.view + 1, WhyLeave.CANNOT_LEAD)
        return
    if state.view_due_ms is None:
        state.view_due_ms = state.now_ms + compute_view_timeout_ms(state)
        _shorten_for_gone_leader(state)
    if state.view_timer_at_ms is None or state.view_due_ms < state.view_timer_at_ms:
        state.view_timer_at_ms = state.view_due_ms
        state.emit(SetTimer(TimerId.VIEW, state.view_due_ms))


def on_view_timer(state: PbftState) -> None:
    """The view's time may be over; commits since the timer was set have moved it."""
    state.view_timer_at_ms = None
    if state.view_due_ms is None or state.view_due_ms > state.now_ms or not _has_something_to_do(state):
        return  # `keep_view_timer` sets it anew
    if _is_passed_over(state):
        state.passed_over += 1  # says nothing about how long the next leader may take
    else:
        state.failures += 1
    ask_view(state, state.view + 1, _why_failed(state))


def on_peer_down(state: PbftState, peer: int) -> None:
    """A link closed. If it is the leader's, its view gets less time."""
    state.down.add(peer)
    if peer == state.leader and state.view_due_ms is not None:
        _shorten_for_gone_leader(state)


def on_peer_up(state: PbftState, peer: int) -> None:
    """A link opened: say where we stand, and ask what the peer knows of our votes."""
    state.down.discard(peer)
    state.heard_ms[peer] = state.now_ms
    if state.started:
        state.send(peer, get_status(state))
        ask_peer_to_rejoin(state, peer)
        if not state.queried:
            state.send(peer, VoteQuery())


def on_tick(state: PbftState) -> None:
    """Heartbeat, status, and what a stalled replica repeats so that lost messages heal."""
    is_leader = state.leader == state.config.me and state.is_active
    state.emit(SetTimer(TimerId.TICK, state.now_ms + (HEARTBEAT_MS if is_leader else TICK_MS)))
    if state.halted is not None:
        return
    if is_leader and state.last_broadcast_ms + HEARTBEAT_MS <= state.now_ms:
        state.broadcast(get_status(state))
    if state.last_check_ms + TICK_MS > state.now_ms:
        return
    state.last_check_ms = state.now_ms
    ask_to_rejoin(state)
    if not state.queried:
        state.broadcast(VoteQuery())
    if is_leader:
        _yield_to_lonely(state)
    if is_stalled(state):
        _call_for_help(state)
    elif state.last_status_ms + STATUS_IDLE_MS <= state.now_ms:
        state.last_status_ms = state.now_ms
        state.broadcast(get_status(state))


def on_status(state: PbftState, peer: int, status: Status) -> None:
    """Help a peer that is behind or stalled; ask for help in a higher view."""
    if not _may_reply(state, peer):
        return
    if status.epoch != state.config.epoch:
        _answer_other_epoch(state, peer, status)
        return
    peer_key = (status.high_qc_view, status.high_qc_height)
    is_behind = status.view < state.view or peer_key < state.high_qc.key()
    is_ahead = status.view > state.view or peer_key > state.high_qc.key()
    if not (is_behind or status.stalled or is_ahead):
        return
    state.replied_ms[peer] = state.now_ms
    if is_ahead:
        state.send(peer, get_status(state))
    if status.view < state.view and state.view_proof is not None:
        _send_proof(state, peer, state.view_proof)
    if peer_key < state.high_qc.key():
        state.send(peer, Certificate(state.high_qc))
    if status.stalled:
        _send_own_votes(state, peer, status.sealed_height)
        for height in sorted(state.own_proposals):
            if height > status.committed_height and status.view <= state.view:
                state.send(peer, state.own_proposals[height])


def _answer_other_epoch(state: PbftState, peer: int, status: Status) -> None:
    """Say what is sealed here, from which sync learns. Who lacks but the SEALs of its epoch's last block gets them."""
    state.replied_ms[peer] = state.now_ms
    state.send(peer, get_status(state))
    if (
        state.root_seals
        and status.epoch + 1 == state.config.epoch
        and status.sealed_height + 1 == state.config.root_height
    ):
        state.send(peer, Votes(state.root_seals))


def is_stalled(state: PbftState) -> bool:
    """Whether this replica is not at its tip, and something that should move did not move since the last check.

    Each stage counts by itself: ordering may run on while a SEAL that got lost holds up what clients see.
    """
    known = state.progress
    now = Progress(
        views=(state.view, state.view_asked, *state.high_qc.key(), len(state.entries)),
        prepared=max(max(state.candidates, default=0), state.high_qc.height),
        committed=state.committed_height,
        sealed=state.root.height,
    )
    state.progress = now
    if known is None or _is_at_tip(state):
        return False
    is_seal_due = known.committed > known.sealed and now.sealed == known.sealed
    is_commit_due = known.prepared > known.committed and now.committed == known.committed
    return now == known or is_seal_due or is_commit_due


def _is_at_tip(state: PbftState) -> bool:
    return (
        state.is_active
        and not state.entries
        and state.high_qc.height <= state.root.height
        and state.commit_target is None
        and not state.work_pending
        and state.queried
    )


def _has_something_to_do(state: PbftState) -> bool:
    if not state.may_vote or not state.is_active:
        return False
    highest = max(state.candidates, default=0)
    if max(highest, state.high_qc.height) > state.committed_height:
        return True
    has_work = state.work_pending or state.closing_end is not None
    return is_help_open(state) or (has_work and is_window_open(state))


def get_gone(state: PbftState) -> tuple[int, ...]:
    """Return the validators of whom nothing is heard: views that one of them is to lead are left at once."""
    voters = state.config.validators.voters
    return tuple(peer for peer in voters if peer != state.config.me and _gone_since_ms(state, peer) <= state.now_ms)


def _gone_since_ms(state: PbftState, peer: int) -> int:
    """Return when a peer counts as gone: its link is closed and it missed three heartbeats, or nothing at all was heard
    for longer, not even what idle validators say."""
    return state.heard_ms.get(peer, 0) + (LEADER_SILENT_MS if peer in state.down else LEADER_GONE_MS)


def _is_passed_over(state: PbftState) -> bool:
    """Rules 1.9: the leader was gone before its view began. No more in a row than may be faulty at once: where links
    are cut so that everybody misses somebody, views must not pass as fast as messages do."""
    is_gone = state.leader != state.config.me and _gone_since_ms(state, state.leader) <= state.view_entered_ms
    return is_gone and state.passed_over < state.config.validators.tolerated


def _shorten_for_gone_leader(state: PbftState) -> None:
    """Who is gone needs no time; who went just now may be back. Only the local timeout shrinks."""
    if state.view_due_ms is None or state.leader == state.config.me:
        return
    gone_ms = _gone_since_ms(state, state.leader)
    if _is_passed_over(state):
        state.view_due_ms = state.now_ms
    elif state.leader in state.down:
        due_ms = max(gone_ms, state.view_entered_ms + HEARTBEAT_MS, state.now_ms)
        state.view_due_ms = min(state.view_due_ms, due_ms)
    elif gone_ms <= state.now_ms:
        due_ms = state.now_ms + LEADER_SILENT_MS  # it may be back: time to say so
        state.view_due_ms = min(state.view_due_ms, due_ms)


def _why_failed(state: PbftState) -> WhyLeave:
    """What the timeout of a view looks like from here."""
    if state.leader != state.config.me:
        if state.leader in state.down:
            return WhyLeave.LEADER_DOWN
        if _gone_since_ms(state, state.leader) <= state.now_ms:
            return WhyLeave.LEADER_SILENT
    return WhyLeave.TIMEOUT


def _call_for_help(state: PbftState) -> None:
    """Repeat everything of ours that someone may have missed, and say where we stand."""
    want_missing(state)
    state.last_status_ms = state.now_ms
    state.broadcast(get_status(state, stalled=True))
    votes = _get_own_votes(state, state.root.height)
    if votes:
        state.broadcast(Votes(votes))
    if state.own_view_change is not None and not state.is_active:
        state.broadcast(state.own_view_change)
    for height in sorted(state.own_proposals):
        if height > state.committed_height:
            state.broadcast(state.own_proposals[height])


def _send_own_votes(state: PbftState, peer: int, above_height: int) -> None:
    votes = _get_own_votes(state, above_height)
    if votes:
        state.send(peer, Votes(votes))
    if state.own_view_change is not None and not state.is_active:
        state.send(peer, state.own_view_change)


def _get_own_votes(state: PbftState, above_height: int) -> tuple[SignedVote, ...]:
    """Own durable votes that may still count, lowest first. A PREPARE counts only while its body is held (rules
    1.2)."""
    votes = []
    for (vote_type, view, height), signed in sorted(state.own_votes.items(), key=lambda item: item[0][2]):
        if height <= above_height or vote_type is VoteType.PROPOSE:
            continue
        if vote_type is VoteType.PREPARE:
            entry = state.entries.get(signed.vote.hash)
            if view < state.view or entry is None or not entry.linked:
                continue
        votes.append(signed)
    return tuple(votes[:OWN_VOTES_SENT_MAX])


def _send_proof(state: PbftState, peer: int, proof: QuorumCertificate | TimeoutCertificate) -> None:
    if isinstance(proof, TimeoutCertificate):
        state.send(peer, NewView(proof))
    elif proof.key() != state.high_qc.key():
        state.send(peer, Certificate(proof))


def _yield_to_lonely(state: PbftState) -> None:
    """A validator that alone asked for a higher view cannot vote in this one again: after a while, hand over.

    It timed out behind a cut, say. The wait doubles with each time for the same validator, whoever led then
    (`enter_view` counts): a faulty one gains seven short view changes in ten minutes, then one in ten minutes.
    """
    for signer, seen_ms in state.view_change_seen_ms.items():
        doublings = min(state.lonely_counts.get(signer, 0), LONELY_DOUBLINGS_MAX)
        if seen_ms + (LONELY_VIEW_CHANGE_MS << doublings) <= state.now_ms:
            ask_view(state, state.view + 1, WhyLeave.ONE_IS_STUCK)
            return


def _may_reply(state: PbftState, peer: int) -> bool:
    return state.replied_ms.get(peer, -REPLY_EVERY_MS) + REPLY_EVERY_MS <= state.now_ms
