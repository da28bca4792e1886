"""One node's protocol, complete and without I/O: ordering (PBFT or solo) and sync behind one `step`.

An engine lives for one epoch; at the boundary the replica puts the next one in its place, and sync goes on. The real
shell (`hansa.node.runtime`) and the simulator drive this same class.
"""

from collections.abc import Callable
from enum import Enum

import msgspec

from hansa.consensus.config import EngineConfig
from hansa.consensus.early import EarlyMessages
from hansa.consensus.effects import Effect
from hansa.consensus.inputs import Imported, Input, MessageIn, PeerDown, Restored, Synced
from hansa.consensus.pbft import Pbft, Rules
from hansa.consensus.pbft.epochs import LaterLogs, begin_next_epoch
from hansa.consensus.pbft.pacemaker import compute_view_timeout_ms, get_gone
from hansa.consensus.solo import Solo
from hansa.node.pipeline import (
    SERVED_MESSAGES,
    SNAPSHOT_EFFECTS,
    SYNC_EFFECTS,
    SYNC_FEEDBACK,
    overhear,
    route_to_snapshot,
    route_to_sync,
    synced,
)
from hansa.sync import SnapshotConfig, SnapshotFetch, Sync, SyncConfig
from hansa.sync.snapshot_values import SnapshotGivenUp, SnapshotInput, SnapshotNeeded, SnapshotPeerLost
from hansa.sync.values import HeadMoved, SnapshotFailed, SyncInput, WantSnapshot

BEHIND_HEIGHTS_MIN = 8


class EngineKind(Enum):
    """Which engine orders."""

    PBFT = "pbft"
    SOLO = "solo"


class ReplicaConfig(msgspec.Struct, frozen=True):
    """What a replica is built from."""

    engine: EngineConfig  # of epoch 0; `Restored` names the epoch in force
    kind: EngineKind = EngineKind.PBFT
    keeps_all: bool = False  # no block that this node holds is ever given up


class ReplicaStatus(msgspec.Struct, frozen=True):
    """Where a replica stands."""

    view: int
    leader: int
    in_view: bool  # False while a VIEW-CHANGE above `view` is signed
    committed_height: int
    sealed_height: int
    high_qc_view: int
    high_qc_height: int
    in_flight: int  # known blocks above the sealed head
    view_timeout_ms: int
    view_changes: int  # VIEW-CHANGEs signed in this life
    syncing: bool
    voting: bool
    quarantine: str | None  # why this validator does not trust its own vote log
    halted: str | None  # code and reason
    epoch: int = 0
    has_vote: bool = True  # whether this node votes in the epoch; else it only follows
    passed_over: tuple[int, ...] = ()  # validators of whom nothing is heard: their views are left at once (rules 1.9)


class Replica:
    """Ordering and sync of one validator. Single-threaded; owns all its memory."""

    def __init__(self, config: ReplicaConfig, rules: Rules | None = None) -> None:
        engine = config.engine
        self.config = config
        self._solo = Solo(engine) if config.kind is EngineKind.SOLO else None
        self._pbft = Pbft(engine, rules)
        self._engine: Pbft | Solo = self._solo or self._pbft
        behind_heights = max(2 * engine.window, BEHIND_HEIGHTS_MIN)
        believed = _whom_to_believe(engine)
        self._sync = Sync(SyncConfig(*believed, behind_heights=behind_heights, keeps_all=config.keeps_all))
        self._early = EarlyMessages()
        self._later = LaterLogs()
        self._snapshot = SnapshotFetch(SnapshotConfig(lambda mask: self._pbft.state.config.validators.has_honest(mask)))

    def step(self, event: Input, now_ms: int, wall_ms: int) -> list[Effect]:
        """Take one input and return what to do, in order.

        Parameters
        ----------
        now_ms: monotonic clock, milliseconds; never goes back. wall_ms: Unix time; may jump.
        """
        if self._solo is not None:
            return self._solo.step(event, now_ms, wall_ms)
        if isinstance(event, MessageIn) and type(event.message) in SERVED_MESSAGES:
            return [SERVED_MESSAGES[type(event.message)](event.peer, event.message)]
        snapshot_event = route_to_snapshot(event)
        if snapshot_event is not None:
            return self._step_snapshot(snapshot_event, now_ms, wall_ms)
        if isinstance(event, Restored):
            self._restore(event)
        elif self._is_early(event):
            return []
        out: list[Effect] = []
        sync_event = route_to_sync(event, self.sealed_height)
        if isinstance(event, Imported):
            for part in _split_at_boundaries(synced(event)):
                out += self._step_engine(part, now_ms, wall_ms)
        if sync_event is not None:
            out += self._step_sync(sync_event, now_ms, wall_ms)
            return out
        out += self._step_engine(event, now_ms, wall_ms)
        overheard = overhear(event)
        if overheard is not None:
            out += self._step_sync(overheard, now_ms, wall_ms)
        if isinstance(event, PeerDown):
            out += self._step_snapshot(SnapshotPeerLost(event.peer), now_ms, wall_ms)
        return out

    @property
    def sealed_height(self) -> int:
        """The latest sealed height."""
        return self._solo.root.height if self._solo is not None else self._pbft.state.root.height

    @property
    def leader(self) -> int:
        """The validator that leads the view."""
        return self.config.engine.me if self._solo is not None else self._pbft.state.leader

    def status(self) -> ReplicaStatus:
        """Return where the replica stands."""
        if self._solo is not None:
            height, halted = self._solo.root.height, self._solo.halted
            me = self.config.engine.me
            return ReplicaStatus(0, me, True, height, height, 0, height, 0, 0, 0, False, halted is None, None, halted)
        state = self._pbft.state
        return ReplicaStatus(
            view=state.view,
            leader=state.leader,
            in_view=state.is_active,
            committed_height=state.committed_height,
            sealed_height=state.root.height,
            high_qc_view=state.high_qc.view,
            high_qc_height=state.high_qc.height,
            in_flight=len(state.entries),
            view_timeout_ms=compute_view_timeout_ms(state),
            view_changes=state.view_changes_count,
            syncing=state.behind or state.importing,
            voting=state.may_vote and state.is_active,
            quarantine=None if state.quarantine is None else state.quarantine.reason,
            halted=state.halted,
            epoch=state.config.epoch,
            has_vote=state.has_vote,
            passed_over=get_gone(state),
        )

    @property
    def engine_config(self) -> EngineConfig:
        """Settings of the engine that runs now: its epoch, its set, its first height."""
        return self.config.engine if self._solo is not None else self._pbft.state.config

    def _restore(self, event: Restored) -> None:
        """Build the engine of the epoch that this ledger is in; votes and bodies of later epochs wait for theirs."""
        if event.epoch is not None:
            engine = self.config.engine.for_epoch(event.epoch, event.epoch_root_hash)
            self._pbft = self._engine = Pbft(engine, self._pbft.state.rules)
            self._sync.set_members(*_whom_to_believe(engine))
        self._later = LaterLogs(event.records, event.bodies).after(self._pbft.state.config.epoch)

    def _is_early(self, event: Input) -> bool:
        """Whether a message speaks of the epoch to come; it is kept once the end of this one is known."""
        state = self._pbft.state
        if not isinstance(event, MessageIn) or state.epoch_end is None:
            return False
        return self._early.keep(state.config.epoch + 1, event.peer, event.message)

    def _step_engine(self, event: Input, now_ms: int, wall_ms: int) -> list[Effect]:
        before = self.sealed_height
        out = self._engine.step(event, now_ms, wall_ms)
        after = self.sealed_height
        if after != before:
            out += self._step_sync(HeadMoved(after), now_ms, wall_ms)
        if self._solo is None and self._pbft.state.next_epoch is not None and self._pbft.state.halted is None:
            out += self._begin_epoch(now_ms, wall_ms)
        return out

    def _begin_epoch(self, now_ms: int, wall_ms: int) -> list[Effect]:
        facts = self._pbft.state.next_epoch
        assert facts is not None, "the epoch has not ended"
        engine, out = begin_next_epoch(self._pbft, facts, self._later, now_ms, wall_ms)
        self._pbft = self._engine = engine
        self._later = self._later.after(facts.number)
        self._sync.set_members(*_whom_to_believe(engine.state.config))
        for peer, message in self._early.take():
            out += self._step_engine(MessageIn(peer, message), now_ms, wall_ms)
        return out

    def _step_sync(self, event: SyncInput, now_ms: int, wall_ms: int) -> list[Effect]:
        out: list[Effect] = []
        for effect in self._sync.step(event, now_ms):
            if isinstance(effect, WantSnapshot):
                out += self._step_snapshot(SnapshotNeeded(effect.head), now_ms, wall_ms)
                continue
            feedback = SYNC_FEEDBACK.get(type(effect))
            if feedback is not None:
                out += self._step_engine(feedback(effect), now_ms, wall_ms)
            else:
                out.append(SYNC_EFFECTS[type(effect)](effect))
        return out

    def _step_snapshot(self, event: SnapshotInput, now_ms: int, wall_ms: int) -> list[Effect]:
        out: list[Effect] = []
        for effect in self._snapshot.step(event, now_ms):
            if isinstance(effect, SnapshotGivenUp):
                out += self._step_sync(SnapshotFailed(), now_ms, wall_ms)
            else:
                out.append(SNAPSHOT_EFFECTS[type(effect)](effect))
        return out


def _whom_to_believe(engine: EngineConfig) -> tuple[Callable[[int], bool], Callable[[int], bool]]:
    """Say which peers' claims to be further make this node fetch at once and vote no more, and which make it give up
    blocks for a snapshot: those among which an honest one is.

    A node without a vote fetches from everybody: that costs it nothing, and of the set that it knows all may be gone.
    """
    has_honest = engine.validators.has_honest
    return (has_honest if engine.validators.has_vote(engine.me) else bool), has_honest


def _split_at_boundaries(event: Synced) -> list[Synced]:
    """Return the same news in parts, of which each but the last one ends with the last block of an epoch."""
    first = 0
    parts = []
    for beyond, head in enumerate(event.heads, 1):
        if head.next_epoch is not None:
            parts.append(_cut(event, first, beyond, ""))
            first = beyond
    if not parts:
        return [event]
    return [*parts, _cut(event, first, len(event.heads), event.split)]


def _cut(event: Synced, first: int, beyond: int, split: str) -> Synced:
    heads = event.heads[first:beyond]
    is_own_here = any(head.height == event.own_seal for head in heads)
    return Synced(heads, split, event.own_seal if is_own_here else 0)
