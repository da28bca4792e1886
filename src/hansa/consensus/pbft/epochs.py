"""From one epoch to the next: a fresh engine, which grows from the sealed last block of the one before.

Nothing of views, blocks and votes goes over: the certificate of the last block says all that is needed. What goes on
is what this node knows of its peers and itself: links, pauses, what others signed, and doubts about its own vote log.
"""

import msgspec

from hansa.consensus.effects import BeginView, Effect
from hansa.consensus.inputs import HeldBody, Restored
from hansa.consensus.pbft.machine import Pbft
from hansa.consensus.pbft.status import get_status
from hansa.consensus.values import VoteRecord, VoteType
from hansa.types.epoch import EpochFacts


class LaterLogs(msgspec.Struct, frozen=True):
    """What this life found in its logs of epochs that its ledger had not reached: the power may fail when votes of an
    epoch and their blocks are safe, and the result of the last block before it is not."""

    records: tuple[VoteRecord, ...] = ()
    bodies: tuple[HeldBody, ...] = ()

    def after(self, epoch: int) -> "LaterLogs":
        """What is of epochs above that one."""
        return LaterLogs(
            tuple(record for record in self.records if record.signed.vote.epoch > epoch),
            tuple(body for body in self.bodies if body.block.epoch > epoch),
        )


def begin_next_epoch(
    engine: Pbft, facts: EpochFacts, logs: LaterLogs, now_ms: int, wall_ms: int
) -> tuple[Pbft, list[Effect]]:
    """Return the engine that takes over from one whose last block is sealed, and its first effects.

    A validator asks anew what others saw of its votes (rules 1.13): before this life began it may have been further
    than its logs say, and a quorum that answered in the old epoch need not hold anybody who knows of the new one.

    Parameters
    ----------
    logs: as this life found them, of `facts` and later epochs.
    """
    old = engine.state
    config = old.config.for_epoch(facts, old.root.order_hash)
    following = Pbft(config, old.rules)
    state = following.state
    state.seen, state.accused = old.seen, old.accused
    state.down, state.replied_ms = old.down, old.replied_ms
    state.paused, state.stopped = old.paused, old.stopped
    state.behind, state.importing = old.behind, old.importing
    state.root_seals = old.root_seals
    if old.quarantine is not None:
        state.quarantine_life, state.told_epochs = old.quarantine.life, old.told_epochs
    state.latency_p99_ms = old.latency_p99_ms
    is_sure = old.queried and not old.rules.doubts_itself_anew()
    for vote_type in (VoteType.SEAL, VoteType.REJOIN):
        if vote_type in old.marks and not is_sure:
            state.marks[vote_type] = old.marks[vote_type]
    recent = tuple(sorted(old.recent.items()))
    effects = following.step(Restored(old.root, recent, logs.records, logs.bodies), now_ms, wall_ms)
    if is_sure:
        state.queried = True
    state.heard_ms |= old.heard_ms
    state.view_changes_count = old.view_changes_count
    state.view_entered_ms = state.last_status_ms = now_ms
    # Whoever still lacks the last block of the old epoch hears at once that it is sealed.
    state.out = effects
    state.broadcast(get_status(state))
    state.emit(BeginView(state.view, state.leader))
    return following, effects
