"""Losing track of one's own votes, and the way back (rules 1.13).

A validator whose vote log is lost, rotten or older than what others hold is in quarantine: it signs nothing, follows
the chain, and asks everybody in which view they are. Let M be the highest answer of a quorum. Whatever this validator
signed was of a view up to M + 1, or a VIEW-CHANGE for M + 2 at most: to come into a view it needed a quorum, of which
somebody honest is among those who answered. Once a block of view M + 2 or above is sealed, and its QC is known, it
votes again, in that view and above, and names nothing lower than what it may have committed.

On an idle chain no such block would come. So the others help for a while: the leader hands its view over without a
timeout until view M + 2 is reached, whose leader then proposes, an empty block if need be. A leader that is itself in
quarantine is left at once. Help is limited in time for each asker, since asking costs a liar nothing.

A node without a vote comes out before it is given one, for a set that needs every vote could not lead it out later.
What it signed in this epoch or an earlier one counts for nothing any more. Of a later one it can have signed nothing if
the last block of this epoch was not sealed when its life began; and a quorum that says, since then, that it does not
know where the epoch ends has not SEALed that block. The answers are remembered until the ledger has reached the epoch
of which they speak: whoever is still catching up when it is given a vote comes out on its way there.
"""

from hansa.consensus.config import REJOIN_HELP_MS, REJOIN_PAUSE_MS, REJOIN_VIEWS_MAX, REPLY_EVERY_MS, TICK_MS
from hansa.consensus.effects import SignVote, WhyLeave
from hansa.consensus.messages import Rejoin, RejoinReport
from hansa.consensus.pbft.blocks import get_block
from hansa.consensus.pbft.state import PbftState, Quarantine, Rejoining
from hansa.consensus.pbft.views import ask_view
from hansa.consensus.validators import can_rejoin
from hansa.consensus.values import Vote, VoteContext, VoteType, encode_context
from hansa.types.order import NO_HASH

HELP_DOUBLINGS_MAX = 6
REJOIN_FRESH_MS = 3 * TICK_MS  # who asked longer ago is back, or gone


# --- the one in quarantine


def distrust_votes(state: PbftState, what: str, beyond_view: int) -> None:
    """Our log lacks a vote of ours: quarantine, or the end where the others are too few to lead out of it.

    Parameters
    ----------
    what: who holds which vote. beyond_view: its view.
    """
    if state.quarantine is not None or not state.has_vote or state.voted_later:
        return
    reason = f"{what}, which its vote log lacks"
    if can_rejoin(state.config.validators, state.config.me):
        _enter(state, reason, beyond_view)
        return
    state.halt(
        "CONSENSUS-12",
        reason,
        "an old vote log, or a second process with this key: put the newest data/votes back, or stop the other one; "
        "an alliance of fewer than four validators cannot take back one that lost its votes",
    )


def _enter(state: PbftState, reason: str, beyond_view: int) -> None:
    floor = 1 + max(state.view, state.view_asked, beyond_view, _known_floor(state))
    vote = Vote(VoteType.REJOIN, state.config.epoch, floor, 0, NO_HASH)
    state.marks[VoteType.REJOIN] = vote
    state.emit(SignVote(vote, b""))
    _begin(state, reason, floor)


def is_forgotten(state: PbftState, vote: Vote) -> bool:
    """Whether a vote of ours is one of those that an earlier quarantine left behind."""
    mark = state.marks.get(VoteType.REJOIN)
    if mark is None or mark.epoch != vote.epoch:
        return False
    if vote.type is VoteType.SEAL:
        return vote.height <= mark.height
    return vote.view <= mark.view if vote.type is VoteType.VIEW_CHANGE else vote.view < mark.view


def resume_quarantine(state: PbftState) -> None:
    """Go on with a quarantine that stands in the vote log."""
    mark = state.marks.get(VoteType.REJOIN)
    if mark is not None and mark.height == 0:
        reason = "the vote log was lost, damaged or outdated"
        if state.has_vote and not can_rejoin(state.config.validators, state.config.me):
            reason += ", and in this epoch the others are too few to take this validator back"
        _begin(state, reason, _known_floor(state))


def ask_to_rejoin(state: PbftState) -> None:
    """Say to all that this validator waits; repeated on every tick."""
    if state.quarantine is not None and not state.quarantine.is_over:
        state.broadcast(_request(state, state.quarantine))


def on_peer_up(state: PbftState, peer: int) -> None:
    """Ask a peer that came."""
    if state.quarantine is not None and not state.quarantine.is_over:
        state.send(peer, _request(state, state.quarantine))


def on_rejoin_report(state: PbftState, peer: int, report: RejoinReport) -> None:
    """A peer says where it stands. Its first answer is the lowest that still bounds what we signed."""
    quarantine = state.quarantine
    if quarantine is None or report.life != quarantine.life:
        return
    if report.epoch == state.config.epoch:
        quarantine.reports.setdefault(peer, report.view)
    state.told_epochs[peer] = max(report.epoch, state.told_epochs.get(peer, 0))


def leave_when_safe(state: PbftState) -> None:
    """Vote again once everything that was ever signed lies below what is sealed now."""
    quarantine = state.quarantine
    if quarantine is None or quarantine.is_over:
        return
    if not state.has_vote:
        _leave_without_vote(state, quarantine)
        return
    wanted = _wanted_view(state, quarantine)
    qc = state.high_qc
    if wanted is None or not state.rules.may_rejoin(_committed_view(state), qc.view, wanted):
        return
    if _is_key_used_elsewhere(state, wanted):
        state.halt(
            "CONSENSUS-12",
            "while this validator was in quarantine, somebody voted with its key",
            "a second process runs with this key: stop it, then start this node again",
        )
        return
    # Sealed, not only committed: if we voted in the next epoch, this one's last block was committed below `wanted`.
    # Then what is committed from there on are closing blocks, and the quarantine goes on in the next epoch.
    if not state.rules.may_rejoin(_sealed_view(state), qc.view, wanted):
        return
    quarantine.is_over = True
    vote = Vote(VoteType.REJOIN, state.config.epoch, qc.view, qc.height, qc.hash)
    state.marks[VoteType.REJOIN] = vote
    state.emit(SignVote(vote, encode_context(VoteContext(high_qc=qc))))


def _leave_without_vote(state: PbftState, quarantine: Quarantine) -> None:
    mask = sum(1 << peer for peer, epoch in state.told_epochs.items() if epoch == state.config.epoch)
    if not state.config.validators.is_quorum(mask) or not state.root.height:
        return
    quarantine.is_over = True
    vote = Vote(VoteType.REJOIN, state.config.epoch, _known_floor(state), state.root.height, state.root.order_hash)
    state.marks[VoteType.REJOIN] = vote
    state.emit(SignVote(vote, b""))


def on_own_rejoin(state: PbftState, vote: Vote) -> None:
    """The end of the quarantine is durable."""
    if vote.height > 0 and vote == state.marks.get(VoteType.REJOIN):
        state.quarantine = state.quarantine_life = None
        state.told_epochs = {}  # another quarantine would be another life


def _begin(state: PbftState, reason: str, floor: int) -> None:
    # The wall clock tells this life from earlier ones; nothing rests on its being right.
    life = state.wall_ms if state.quarantine_life is None else state.quarantine_life
    state.quarantine = Quarantine(reason, floor, life)
    state.queried = True  # what peers saw of our votes matters no more
    ask_to_rejoin(state)


def _request(state: PbftState, quarantine: Quarantine) -> Rejoin:
    return Rejoin(state.config.epoch, quarantine.life, _wanted_view(state, quarantine) or 0)


def _known_floor(state: PbftState) -> int:
    """The view of this epoch below which the vote log already says that votes may be missing."""
    mark = state.marks.get(VoteType.REJOIN)
    return mark.view if mark is not None and mark.epoch == state.config.epoch else 0


def _wanted_view(state: PbftState, quarantine: Quarantine) -> int | None:
    """Return the view from which on nothing of ours can be contradicted; None until a quorum answered.

    Any quorum's highest answer is a bound; the lowest such bound is taken, so that single liars do not count.
    """
    mask = 0
    for peer in sorted(quarantine.reports, key=lambda peer: quarantine.reports[peer]):
        mask |= 1 << peer
        if state.config.validators.is_quorum(mask):
            return max(quarantine.reports[peer] + 2, quarantine.floor)
    return None


def _is_key_used_elsewhere(state: PbftState, wanted: int) -> bool:
    """Whether votes of ours are known that can only have been signed after this life began."""
    me = state.config.me
    if state.high_qc.view >= wanted and any(signer == me for signer, _ in state.high_qc.signatures):
        return True
    for vote_type, allowed in ((VoteType.PREPARE, 0), (VoteType.COMMIT, 0), (VoteType.VIEW_CHANGE, 1)):
        seen = state.seen.get((me, vote_type))
        if seen is not None and seen.vote.epoch == state.config.epoch and seen.vote.view >= wanted + allowed:
            return True
    return False


# --- the others


def on_rejoin(state: PbftState, peer: int, message: Rejoin) -> None:
    """Tell a validator in quarantine where we stand, unless our own memory may have gaps; begin to help it."""
    known = state.rejoining.get(peer)
    is_answered = known is not None and known.heard_ms + REPLY_EVERY_MS > state.now_ms
    if message.epoch > state.config.epoch or is_answered:
        return
    if not state.config.validators.has_vote(peer):
        state.rejoining[peer] = Rejoining(until_ms=state.now_ms, heard_ms=state.now_ms)  # it needs no view and no block
        if not _may_have_ended(state):
            _report(state, peer, message)
        return
    if message.epoch < state.config.epoch:
        return
    if known is None:
        known = state.rejoining[peer] = Rejoining(until_ms=state.now_ms + REJOIN_HELP_MS)
    elif state.now_ms >= known.until_ms + (REJOIN_PAUSE_MS << min(known.helps, HELP_DOUBLINGS_MAX)):
        known.until_ms = state.now_ms + REJOIN_HELP_MS
        known.helps += 1
        known.view = 0
    known.heard_ms = state.now_ms
    known.view = min(known.view or message.view, message.view)
    _report(state, peer, message)


def _report(state: PbftState, peer: int, message: Rejoin) -> None:
    if state.queried and state.quarantine is None:
        state.send(peer, RejoinReport(message.life, max(state.view, state.view_asked), state.config.epoch))


def _may_have_ended(state: PbftState) -> bool:
    """Whether this validator may have SEALed the epoch's last block: it knows the end, or SEALed more than it knows."""
    seal = state.marks.get(VoteType.SEAL)
    known_height = max(state.executed, default=state.root.height)
    is_beyond = seal is not None and (seal.epoch, seal.height) > (state.config.epoch, known_height)
    return state.epoch_end is not None or is_beyond or state.voted_later


def give_way(state: PbftState) -> None:
    """Hand the view over: as a leader that cannot propose, or that helps those in quarantine; or because the leader is
    one of them."""
    is_paused_leader = state.paused is not None and state.leader == state.config.me and state.is_active
    # Once until something is committed: where all disks are full at once, views would pass as fast as messages do.
    if is_paused_leader and state.gave_way_height != state.committed_height:
        state.gave_way_height = state.committed_height
        ask_view(state, state.view + 1, WhyLeave.CANNOT_LEAD)
    for peer in sorted(state.rejoining):
        if peer == state.leader and _is_fresh(state, peer):
            ask_view(state, state.view + 1, WhyLeave.HELPS_REJOIN)
    if state.leader != state.config.me:
        return
    view = _helped_view(state)
    if view is not None and (state.view < view or (state.lead_tip is None and _committed_view(state) < view)):
        ask_view(state, state.view + 1, WhyLeave.HELPS_REJOIN)


def is_block_due(state: PbftState) -> bool:
    """Rules 1.10: whether the first block of this view is due, empty if need be, for somebody in quarantine."""
    view = _helped_view(state)
    return view is not None and _committed_view(state) < view <= state.view


def is_help_open(state: PbftState) -> bool:
    """Whether somebody in quarantine still waits for a view or a block: then the view's timer runs."""
    view = _helped_view(state)
    return view is not None and _committed_view(state) < view


def _helped_view(state: PbftState) -> int | None:
    """Return the highest view that somebody in quarantine asks for, as far as it may be helped."""
    views = [
        known.view
        for peer, known in state.rejoining.items()
        if _is_fresh(state, peer) and state.now_ms < known.until_ms and 0 < known.view <= state.view + REJOIN_VIEWS_MAX
    ]
    return max(views, default=None)


def _is_fresh(state: PbftState, peer: int) -> bool:
    return state.rejoining[peer].heard_ms + REJOIN_FRESH_MS > state.now_ms


def _sealed_view(state: PbftState) -> int:
    block = state.root.block
    return block.view if block.epoch == state.config.epoch else 0


def _committed_view(state: PbftState) -> int:
    block = get_block(state, state.committed_hash)
    return 0 if block is None or block.epoch != state.config.epoch else block.view
