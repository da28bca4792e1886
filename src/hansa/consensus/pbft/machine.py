"""The engine: one `step`, one table of handlers.

Every handler only takes facts in. Then `_settle` lets the rules fire in one fixed order until nothing is left to do, so
that what an input leads to never depends on which handler it came through.
"""

from collections.abc import Callable
from typing import Any

from hansa.consensus.config import EngineConfig
from hansa.consensus.effects import Effect, WhyLeave
from hansa.consensus.inputs import (
    Abdicate,
    BodyChecked,
    Executed,
    ForceBlock,
    Input,
    MessageIn,
    PauseVoting,
    PeerDown,
    PeerUp,
    Proposed,
    Restored,
    ResumeVoting,
    StopVoting,
    Synced,
    SyncState,
    TimerFired,
    TimerId,
    VoteDurable,
    WorkPending,
)
from hansa.consensus.messages import (
    BlockRequest,
    BlockResponse,
    Certificate,
    EvidenceReport,
    Message,
    NewView,
    PayloadRequest,
    PayloadResponse,
    PrePrepare,
    Rejoin,
    RejoinReport,
    Status,
    ViewChange,
    VoteQuery,
    VoteReport,
    Votes,
)
from hansa.consensus.pbft import blocks, finality, leading, pacemaker, recovery, rejoin, tally, views, voting
from hansa.consensus.pbft.rules import Rules
from hansa.consensus.pbft.state import PbftState
from hansa.consensus.values import SealedHead, VoteType, genesis_qc
from hansa.types.order import NO_HASH, genesis_order


class Pbft:
    """PBFT-C for one validator in one epoch. Owns its state; single-threaded."""

    def __init__(self, config: EngineConfig, rules: Rules | None = None) -> None:
        root_hash, root_height = config.genesis_order_hash, config.root_height
        root = SealedHead(root_height, NO_HASH, root_hash, genesis_order(NO_HASH, 0))
        self.state = PbftState(config, rules or Rules(), root, genesis_qc(root_hash, config.epoch, root_height))

    def step(self, event: Input, now_ms: int, wall_ms: int) -> list[Effect]:
        """Take one input and return what to do, in order.

        Parameters
        ----------
        now_ms: monotonic milliseconds. wall_ms: Unix milliseconds.
        """
        state = self.state
        state.now_ms = now_ms
        state.wall_ms = wall_ms
        out: list[Effect] = []
        state.out = out
        if state.halted is None:
            HANDLERS[type(event)](state, event)
            if state.started and state.next_epoch is None:
                _settle(state)
        return out


def _settle(state: PbftState) -> None:
    """Let the rules fire until nothing new follows. Order matters for speed only, not for safety."""
    while state.halted is None and state.next_epoch is None:
        views.follow_certificates(state)
        leading.lead(state)
        voting.prepare_candidates(state)
        finality.advance(state)
        rejoin.leave_when_safe(state)
        rejoin.give_way(state)
        if not state.new_qcs:
            break
    if state.halted is None and state.next_epoch is None:
        leading.lead(state)
        leading.ask_work(state)
        pacemaker.keep_view_timer(state)


def _on_message(state: PbftState, event: MessageIn) -> None:
    state.heard_ms[event.peer] = state.now_ms
    MESSAGE_HANDLERS[type(event.message)](state, event.peer, event.message)


def _on_votes(state: PbftState, peer: int, message: Votes) -> None:
    for signed in message.votes:
        tally.count_vote(state, signed)


def _on_evidence(state: PbftState, peer: int, message: EvidenceReport) -> None:
    tally.accuse(state, message.first, message.second)
    vote = message.first.vote
    is_leader = message.first.signer == state.leader and (vote.epoch, vote.view) == (state.config.epoch, state.view)
    if is_leader and vote.type is VoteType.PROPOSE and tally.is_contradiction(message.first, message.second):
        views.ask_view(state, state.view + 1, WhyLeave.EQUIVOCATION)


def _on_vote_durable(state: PbftState, event: VoteDurable) -> None:
    """A vote of ours is safe on disk: now it is sent, and counts here."""
    signed = event.signed
    vote = signed.vote
    if vote.epoch != state.config.epoch:
        if vote.type is VoteType.SEAL:
            state.broadcast(Votes((signed,)))  # it may be what another one still lacks to leave that epoch
        return
    if vote.type is VoteType.VIEW_CHANGE:
        views.on_own_view_change(state, signed)
        return
    if vote.type is VoteType.REJOIN:
        rejoin.on_own_rejoin(state, vote)
        return
    if vote.height > state.root.height:
        state.own_votes[(vote.type, vote.view, vote.height)] = signed
    if vote.type is VoteType.PROPOSE:
        leading.on_own_proposal(state, signed)
        return
    state.broadcast(Votes((signed,)))
    tally.count_vote(state, signed)


def _on_timer(state: PbftState, event: TimerFired) -> None:
    if event.timer is TimerId.VIEW:
        pacemaker.on_view_timer(state)
    elif event.timer is TimerId.TICK:
        pacemaker.on_tick(state)
    elif event.timer is TimerId.FETCH:
        blocks.on_fetch_timer(state)
    elif event.timer is TimerId.PROPOSE:
        state.lead_wake_ms = None
    # PROPOSE and RECHECK wake the rules up, which look at the time themselves.


def _on_work_pending(state: PbftState, event: WorkPending) -> None:
    state.work_pending = event.pending
    state.work_full = event.full


def _on_abdicate(state: PbftState, event: Abdicate) -> None:
    if state.leader == state.config.me and state.is_active:
        views.ask_view(state, state.view + 1, WhyLeave.PLANNED)


def _on_pause_voting(state: PbftState, event: PauseVoting) -> None:
    state.paused = event.reason


def _on_resume_voting(state: PbftState, event: ResumeVoting) -> None:
    state.paused = None


def _on_stop_voting(state: PbftState, event: StopVoting) -> None:
    state.stopped = event.reason


def _on_sync_state(state: PbftState, event: SyncState) -> None:
    state.behind = event.behind
    state.importing = event.importing


HANDLERS: dict[type, Callable[[PbftState, Any], None]] = {
    Restored: recovery.on_restored,
    MessageIn: _on_message,
    TimerFired: _on_timer,
    VoteDurable: _on_vote_durable,
    Proposed: leading.on_proposed,
    BodyChecked: blocks.on_body_checked,
    Executed: finality.on_executed,
    WorkPending: _on_work_pending,
    PeerUp: lambda state, event: pacemaker.on_peer_up(state, event.peer),
    PeerDown: lambda state, event: pacemaker.on_peer_down(state, event.peer),
    Abdicate: _on_abdicate,
    ForceBlock: lambda state, event: None,
    StopVoting: _on_stop_voting,
    PauseVoting: _on_pause_voting,
    ResumeVoting: _on_resume_voting,
    Synced: finality.on_synced,
    SyncState: _on_sync_state,
}

MESSAGE_HANDLERS: dict[type[Message], Callable[[PbftState, int, Any], None]] = {
    PrePrepare: lambda state, peer, message: voting.on_pre_prepare(state, message),
    Votes: _on_votes,
    ViewChange: lambda state, peer, message: views.on_view_change(state, message),
    NewView: lambda state, peer, message: views.on_tc(state, message.certificate),
    Certificate: lambda state, peer, message: tally.learn_qc(state, message.certificate),
    Status: pacemaker.on_status,
    BlockRequest: blocks.on_block_request,
    BlockResponse: lambda state, peer, message: blocks.on_block_response(state, message),
    PayloadRequest: blocks.on_payload_request,
    PayloadResponse: blocks.on_payload_response,
    VoteQuery: lambda state, peer, message: recovery.on_vote_query(state, peer),
    VoteReport: recovery.on_vote_report,
    Rejoin: rejoin.on_rejoin,
    RejoinReport: rejoin.on_rejoin_report,
    EvidenceReport: _on_evidence,
}
