"""The sync machine: `step(input, now_ms) -> list[SyncEffect]`."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from hansa.sync.values import (
    HeadMoved,
    HeightSeen,
    Import,
    ImportDone,
    PeerLost,
    RangeReceived,
    RequestRange,
    SetSyncTimer,
    SnapshotFailed,
    SyncConfig,
    SyncEffect,
    SyncInput,
    SyncStateChanged,
    SyncTimer,
    WantSnapshot,
)


@dataclass(slots=True)
class _Range:
    """One range under way or received."""

    request: int
    first: int
    count: int
    peer: int
    due_ms: int
    blocks: tuple[bytes, ...] | None = None  # None = not answered yet


class Sync:
    """Catch-up of one node. Memory: at most `ranges_max` ranges."""

    def __init__(self, config: SyncConfig) -> None:
        self.config = config
        self.head = 0
        self.behind = False
        self.importing: _Range | None = None
        self._heights: dict[int, int] = {}  # peer -> sealed height it claims
        self._oldest: dict[int, int] = {}  # peer -> oldest block it holds, as far as it said
        self._wants_snapshot = False
        self._no_snapshot_until_ms = 0
        self._refused_until_ms: dict[int, int] = {}
        self._ranges: dict[int, _Range] = {}  # first height -> range
        self._requests = 0
        self._head_moved_ms = 0
        self._first_claim_ms: int | None = None
        self._told = (False, False)
        self._timer_ms: int | None = None
        self._now_ms = 0
        self._out: list[SyncEffect] = []

    def step(self, event: SyncInput, now_ms: int) -> list[SyncEffect]:
        """Take one input and return what to do, in order."""
        self._now_ms = now_ms
        out: list[SyncEffect] = []
        self._out = out
        HANDLERS[type(event)](self, event)
        self._settle()
        return out

    def set_members(self, has_honest: Callable[[int], bool], is_sure: Callable[[int], bool]) -> None:
        """Say whose claims count from now on: another epoch has begun."""
        self.config = msgspec.structs.replace(self.config, has_honest=has_honest, is_sure=is_sure)

    @property
    def target(self) -> int:
        """The highest sealed height that any peer claims."""
        return max(self._heights.values(), default=0)

    def _on_height_seen(self, event: HeightSeen) -> None:
        self._heights[event.peer] = event.height
        if self._first_claim_ms is None:
            self._first_claim_ms = self._now_ms

    def _on_head_moved(self, event: HeadMoved) -> None:
        self._set_head(event.height)

    def _on_range_received(self, event: RangeReceived) -> None:
        found = self._ranges.get(event.first)
        if found is None or found.request != event.request or found.peer != event.peer or found.blocks is not None:
            return
        self._oldest[event.peer] = event.oldest
        if not event.blocks or len(event.blocks) > found.count:
            self._refuse(found, self.config.penalty_ms)
            return
        found.blocks = event.blocks
        found.count = len(event.blocks)

    def _on_import_done(self, event: ImportDone) -> None:
        done = self.importing
        if done is None or done.request != event.request:
            return
        self.importing = None
        self._set_head(event.height)
        if event.error:
            self._refused_until_ms[done.peer] = self._now_ms + self.config.penalty_ms
            self._ranges.clear()

    def _on_peer_lost(self, event: PeerLost) -> None:
        self._heights.pop(event.peer, None)
        self._oldest.pop(event.peer, None)
        for found in [r for r in self._ranges.values() if r.peer == event.peer and r.blocks is None]:
            del self._ranges[found.first]

    def _on_snapshot_failed(self, event: SnapshotFailed) -> None:
        self._wants_snapshot = False
        self._no_snapshot_until_ms = self._now_ms + self.config.snapshot_retry_ms

    def _on_timer(self, event: SyncTimer) -> None:
        self._timer_ms = None
        for found in [r for r in self._ranges.values() if r.blocks is None and r.due_ms <= self._now_ms]:
            self._refuse(found, self.config.silence_ms)

    def _set_head(self, height: int) -> None:
        if height > self.head:
            self.head = height
            self._head_moved_ms = self._now_ms
            for found in [r for r in self._ranges.values() if r.first + r.count - 1 <= height]:
                del self._ranges[found.first]

    def _refuse(self, found: _Range, for_ms: int) -> None:
        """The peer did not deliver: ask someone else, and not this one for a while."""
        self._refused_until_ms[found.peer] = self._now_ms + for_ms
        del self._ranges[found.first]

    def _settle(self) -> None:
        lag = self._attested_height(self.config.has_honest) - self.head
        # Begin at the limit, end only when nearly level, so that a busy node does not flicker.
        self.behind = lag > self.config.behind_heights // 4 if self.behind else lag > self.config.behind_heights
        self._want_snapshot()
        if not self._wants_snapshot:
            self._import_next()
            if (self.behind or self._is_patience_over()) and self._second_claim_due_ms() <= self._now_ms:
                self._request_more()
        self._tell()
        self._set_timer()

    def _want_snapshot(self) -> None:
        """Far behind, or behind with nobody left who holds the next block: executing what was missed is no way."""
        if self._wants_snapshot or self.importing is not None or self._no_snapshot_until_ms > self._now_ms:
            return
        lag = self._attested_height(self.config.is_sure) - self.head
        ahead = [peer for peer in self._heights if self._heights[peer] > self.head]
        is_gone = self.behind and lag > 0 and all(self._oldest.get(peer, 0) > self.head + 1 for peer in ahead)
        may_skip = self.head == 0 or not self.config.keeps_all
        if is_gone or (may_skip and lag > self.config.snapshot_behind):
            self._wants_snapshot = True
            self._ranges.clear()
            self._out.append(WantSnapshot(self.head))

    def _attested_height(self, is_believed: Callable[[int], bool]) -> int:
        """Return the highest height that so many peers have sealed that they are believed."""
        mask = 0
        for peer in sorted(self._heights, key=lambda peer: -self._heights[peer]):
            mask |= 1 << peer
            if is_believed(mask):
                return self._heights[peer]
        return 0

    def _is_patience_over(self) -> bool:
        return self.target > self.head and self._head_moved_ms + self.config.patience_ms <= self._now_ms

    def _import_next(self) -> None:
        if self.importing is not None:
            return
        for first in sorted(self._ranges):
            found = self._ranges[first]
            if found.blocks is not None and first <= self.head + 1 <= first + found.count - 1:
                del self._ranges[first]
                self.importing = found
                self._out.append(Import(found.request, found.blocks[self.head + 1 - first :]))
                return

    def _request_more(self) -> None:
        """Cover the heights above the head with ranges, spread over the peers that have them."""
        next_height = self.head + 1
        if self.importing is not None:
            next_height = self.importing.first + self.importing.count
        while len(self._ranges) < self.config.ranges_max and next_height <= self.target:
            covering = next((r for r in self._ranges.values() if r.first <= next_height < r.first + r.count), None)
            if covering is not None:
                next_height = covering.first + covering.count
                continue
            peer = self._choose_peer(next_height)
            if peer is None:
                return
            above = [r.first for r in self._ranges.values() if r.first > next_height]
            count = min(
                self.config.range_blocks, self._heights[peer] - next_height + 1, *(f - next_height for f in above)
            )
            self._requests += 1
            due_ms = self._now_ms + self.config.answer_ms + self.config.answer_block_ms * count
            self._ranges[next_height] = _Range(self._requests, next_height, count, peer, due_ms)
            self._out.append(RequestRange(peer, self._requests, next_height, count))
            next_height += count

    def _choose_peer(self, height: int) -> int | None:
        """Return the least busy peer that has the height and did not fail lately."""
        busy = dict.fromkeys(self._heights, 0)
        for found in self._ranges.values():
            if found.peer in busy:
                busy[found.peer] += 1
        able = [
            peer
            for peer in sorted(self._heights)
            if self._heights[peer] >= height and self._refused_until_ms.get(peer, 0) <= self._now_ms
        ]
        return min(able, key=lambda peer: (busy[peer], (peer + self._requests) % (len(able) + 1)), default=None)

    def _tell(self) -> None:
        state = (self.behind, self.importing is not None)
        if state != self._told:
            self._told = state
            self._out.append(SyncStateChanged(*state))

    def _second_claim_due_ms(self) -> int:
        """Until when a snapshot may still come first: blocks taken before it rule it out where all are kept."""
        is_newcomer = self.head == 0 and self.target > self.config.snapshot_behind
        if self._first_claim_ms is None or not is_newcomer or self._no_snapshot_until_ms > self._now_ms:
            return self._now_ms
        return self._first_claim_ms + self.config.second_claim_ms

    def _set_timer(self) -> None:
        due = [r.due_ms for r in self._ranges.values() if r.blocks is None]
        if self.target > self.head and self.importing is None:
            patient_until_ms = max(self._head_moved_ms + self.config.patience_ms, self._second_claim_due_ms())
            is_over = patient_until_ms <= self._now_ms
            due.append(self._now_ms + self.config.patience_ms if is_over else patient_until_ms)
        at_ms = min(due, default=None)
        if at_ms is not None and (self._timer_ms is None or at_ms < self._timer_ms):
            self._timer_ms = at_ms
            self._out.append(SetSyncTimer(at_ms))


HANDLERS: dict[type, Callable[[Sync, Any], None]] = {
    HeightSeen: Sync._on_height_seen,
    HeadMoved: Sync._on_head_moved,
    RangeReceived: Sync._on_range_received,
    ImportDone: Sync._on_import_done,
    PeerLost: Sync._on_peer_lost,
    SnapshotFailed: Sync._on_snapshot_failed,
    SyncTimer: Sync._on_timer,
}
