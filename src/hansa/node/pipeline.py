"""Who hears what inside a replica, as tables. Data flows network -> consensus or sync -> execution -> seal.

Feedback rows: what sync imported raises consensus' sealed head, what consensus sealed raises sync's.
"""

from collections.abc import Callable
from typing import Any

from hansa.consensus.effects import (
    Broadcast,
    Effect,
    ImportBlocks,
    Send,
    ServeBlocks,
    ServeOffer,
    ServeSnapshot,
    SetTimer,
    WorkOnSnapshot,
)
from hansa.consensus.inputs import (
    Imported,
    MessageIn,
    PeerDown,
    SnapshotWorked,
    Synced,
    SyncState,
    TimerFired,
    TimerId,
)
from hansa.consensus.messages import (
    RangeRequest,
    RangeResponse,
    SnapshotOffer,
    SnapshotPart,
    SnapshotQuery,
    SnapshotRequest,
    Status,
)
from hansa.sync.snapshot_values import (
    AskOffers,
    AskPart,
    OfferReceived,
    PartReceived,
    SetSnapshotTimer,
    SnapshotInput,
    SnapshotStep,
    SnapshotTimerFired,
    Work,
    Worked,
)
from hansa.sync.values import (
    HeightSeen,
    Import,
    ImportDone,
    PeerLost,
    RangeReceived,
    RequestRange,
    SetSyncTimer,
    SyncInput,
    SyncStateChanged,
    SyncTimer,
)

# Messages that are not consensus': type -> (peer, message) -> effect or sync input.
SYNC_MESSAGES: dict[type, Callable[[int, Any], SyncInput]] = {
    RangeResponse: lambda peer, message: RangeReceived(
        peer, message.request, message.first, message.blocks, message.oldest
    ),
}
SNAPSHOT_MESSAGES: dict[type, Callable[[int, Any], SnapshotInput]] = {
    SnapshotOffer: lambda peer, message: OfferReceived(peer, message.heights, message.first, message.last),
    SnapshotPart: lambda peer, message: PartReceived(peer, message.request, message.answer),
}
SERVED_MESSAGES: dict[type, Callable[[int, Any], Effect]] = {
    RangeRequest: lambda peer, message: ServeBlocks(peer, message.request, message.first, message.count),
    SnapshotQuery: lambda peer, _: ServeOffer(peer),
    SnapshotRequest: lambda peer, message: ServeSnapshot(peer, message.request, message.height, message.ask),
}

# Messages and inputs that consensus handles and sync hears too.
OVERHEARD_MESSAGES: dict[type, Callable[[int, Any], SyncInput]] = {
    Status: lambda peer, message: HeightSeen(peer, message.sealed_height),
}
OVERHEARD_INPUTS: dict[type, Callable[[Any], SyncInput]] = {
    PeerDown: lambda event: PeerLost(event.peer),
}

# What sync asks for: an effect of the replica, or (feedback) an input of consensus.
SYNC_EFFECTS: dict[type, Callable[[Any], Effect]] = {
    RequestRange: lambda e: Send(e.peer, RangeRequest(e.request, e.first, e.count)),
    Import: lambda e: ImportBlocks(e.request, e.blocks),
    SetSyncTimer: lambda e: SetTimer(TimerId.SYNC, e.at_ms),
}
SNAPSHOT_EFFECTS: dict[type, Callable[[Any], Effect]] = {
    AskOffers: lambda _: Broadcast(SnapshotQuery()),
    AskPart: lambda e: Send(e.peer, SnapshotRequest(e.request, e.height, e.ask)),
    Work: lambda e: WorkOnSnapshot(e.step, e.request, e.peer, e.ask, e.answer),
    SetSnapshotTimer: lambda e: SetTimer(TimerId.SNAPSHOT, e.at_ms),
}
SYNC_FEEDBACK: dict[type, Callable[[Any], SyncState]] = {
    SyncStateChanged: lambda e: SyncState(e.behind, e.importing),
}


def route_to_sync(event: object, head_height: int) -> SyncInput | None:
    """Return the sync input for something that consensus does not handle itself, or None."""
    if isinstance(event, MessageIn):
        make = SYNC_MESSAGES.get(type(event.message))
        return None if make is None else make(event.peer, event.message)
    if isinstance(event, Imported):
        height = event.heads[-1].height if event.heads else head_height
        return ImportDone(event.request, height, event.error)
    if isinstance(event, TimerFired) and event.timer is TimerId.SYNC:
        return SyncTimer()
    return None


def route_to_snapshot(event: object) -> SnapshotInput | None:
    """Return the input of the snapshot machine for something that nobody else handles, or None."""
    if isinstance(event, MessageIn):
        make = SNAPSHOT_MESSAGES.get(type(event.message))
        return None if make is None else make(event.peer, event.message)
    if isinstance(event, SnapshotWorked):
        step = SnapshotStep(event.step)
        return Worked(step, event.request, event.height, event.face, event.missing, event.error)
    if isinstance(event, TimerFired) and event.timer is TimerId.SNAPSHOT:
        return SnapshotTimerFired()
    return None


def overhear(event: object) -> SyncInput | None:
    """Return what sync learns from an input of consensus, or None."""
    if isinstance(event, MessageIn):
        make = OVERHEARD_MESSAGES.get(type(event.message))
        return None if make is None else make(event.peer, event.message)
    make_input = OVERHEARD_INPUTS.get(type(event))
    return None if make_input is None else make_input(event)


def synced(event: Imported) -> Synced:
    """Return the consensus input for blocks that sync sealed."""
    return Synced(event.heads, event.error if event.is_split else "", event.own_seal)
