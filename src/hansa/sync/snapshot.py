"""The snapshot machine: `step(input, now_ms) -> list[SnapshotEffect]`.

A node that is too far behind takes over the state after a sealed block from its peers. It asks all of them what they
serve, chooses the block that most of them can serve, and begins once more of them than may lie show the same face of
it: sealed header, and what the blocks before it used of replay keys, which no header names. Everything else proves
itself against that header, so each part is asked from whoever is least busy; an answer that does not hold bans its
sender for as long as this snapshot takes, one that does not come puts it aside for a while. What holds is on disk at
once, and a later life goes on from there.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from hansa.sync.snapshot_values import (
    AskOffers,
    AskPart,
    OfferReceived,
    PartReceived,
    SetSnapshotTimer,
    SnapshotConfig,
    SnapshotEffect,
    SnapshotGivenUp,
    SnapshotInput,
    SnapshotNeeded,
    SnapshotPeerLost,
    SnapshotStep,
    SnapshotTimerFired,
    Work,
    Worked,
)

ASK_HEAD = bytes(9)  # the one question that is the same for every snapshot: its header, and all epochs before it
OFFERED_HEIGHTS_MAX = 8


class Stage(Enum):
    """How far it is."""

    IDLE = 0  # not needed
    OPENING = 1  # looking for what an earlier life left
    OFFERS = 2  # asking what is served
    HEADS = 3  # asking for the header
    BEGINNING = 4  # keeping the header
    PARTS = 5  # asking for everything else
    FINISHING = 6  # all is there


@dataclass(slots=True)
class _Asked:
    """One question under way, or its answer being checked."""

    peer: int
    ask: bytes
    due_ms: int
    answer: bytes | None = None


class SnapshotFetch:
    """One node's snapshot. Memory: `requests_max` answers, and the questions open, which a checked state bounds."""

    def __init__(self, config: SnapshotConfig) -> None:
        self.config = config
        self.stage = Stage.IDLE
        self.height = 0  # of the snapshot on its way
        self._head = 0  # of this node
        self._kept: tuple[int, tuple[bytes, ...]] = (0, ())  # what an earlier life left
        self._offers: dict[int, OfferReceived] = {}
        self._open: deque[bytes] = deque()
        self._asked: dict[int, _Asked] = {}
        self._faces: dict[bytes, int] = {}  # face of the header -> mask of peers that showed it
        self._banned: set[int] = set()
        self._unable: set[int] = set()  # cannot serve this height
        self._refused_until_ms: dict[int, int] = {}
        self._requests = 0
        self._rounds = 0
        self._progress_ms = 0  # when the stage began, or something held
        self._timer_ms: int | None = None
        self._now_ms = 0
        self._out: list[SnapshotEffect] = []

    def step(self, event: SnapshotInput, now_ms: int) -> list[SnapshotEffect]:
        """Take one input and return what to do, in order."""
        self._now_ms = now_ms
        out: list[SnapshotEffect] = []
        self._out = out
        HANDLERS[type(event)](self, event)
        if self.stage in (Stage.HEADS, Stage.PARTS):
            self._ask_more()
        self._set_timer()
        return out

    # --- inputs

    def _on_needed(self, event: SnapshotNeeded) -> None:
        if self.stage is Stage.IDLE:
            self._head = event.head
            self._rounds = 0
            self._banned.clear()
            self.stage = Stage.OPENING
            self._work(SnapshotStep.OPEN)

    def _on_offer(self, event: OfferReceived) -> None:
        if self.stage is Stage.OFFERS and len(event.heights) <= OFFERED_HEIGHTS_MAX:
            self._offers[event.peer] = event

    def _on_part(self, event: PartReceived) -> None:
        asked = self._asked.get(event.request)
        if asked is None or asked.peer != event.peer or asked.answer is not None:
            return
        if not event.answer:
            self._unable.add(event.peer)
            self._ask_again(event.request)
            return
        asked.answer = event.answer
        step = SnapshotStep.HEAD if self.stage is Stage.HEADS else SnapshotStep.ADD
        self._out.append(Work(step, event.request, event.peer, asked.ask, event.answer))

    def _on_worked(self, event: Worked) -> None:
        match event.step:
            case SnapshotStep.OPEN if self.stage is Stage.OPENING:
                self._kept = (event.height, event.missing)
                self._ask_offers()
            case SnapshotStep.HEAD if self.stage is Stage.HEADS:
                self._on_head(event)
            case SnapshotStep.BEGIN if self.stage is Stage.BEGINNING and not event.error:
                self._enter(Stage.PARTS)
                self._open.extend(event.missing)
            case SnapshotStep.BEGIN | SnapshotStep.FINISH if event.error:
                self.height = 0
                self._kept = (0, ())
                self._ask_offers()
            case SnapshotStep.ADD if self.stage is Stage.PARTS and event.request in self._asked:
                self._on_added(event)

    def _on_head(self, event: Worked) -> None:
        asked = self._asked.get(event.request)
        if asked is None or asked.answer is None:
            return
        if event.error or event.height != self.height:
            self._ban(asked.peer)
            del self._asked[event.request]
            return
        if event.missing:  # it showed some of the epochs before its header; only that peer is known to have the others
            del self._asked[event.request]
            self._progress_ms = self._now_ms
            self._ask(asked.peer, event.missing[0])
            return
        mask = self._faces.get(event.face, 0) | 1 << asked.peer
        self._faces[event.face] = mask
        answer = asked.answer
        del self._asked[event.request]
        if self.config.has_honest(mask):
            # Whoever shows another face lies, or is broken.
            for face, others in self._faces.items():
                if face != event.face:
                    self._banned.update(peer for peer in self._offers if others >> peer & 1)
            self._asked.clear()
            self._open.clear()
            self._enter(Stage.BEGINNING)
            self._work(SnapshotStep.BEGIN, asked.peer, answer)

    def _on_added(self, event: Worked) -> None:
        asked = self._asked[event.request]
        if event.error:
            self._ban(asked.peer)
            self._ask_again(event.request)
            return
        del self._asked[event.request]
        self._open.extend(event.missing)
        self._progress_ms = self._now_ms
        self._rounds = 0
        if not self._open and not self._asked:
            self._enter(Stage.FINISHING)
            self._work(SnapshotStep.FINISH)

    def _on_peer_lost(self, event: SnapshotPeerLost) -> None:
        self._offers.pop(event.peer, None)
        for request in [r for r, asked in self._asked.items() if asked.peer == event.peer and asked.answer is None]:
            self._ask_again(request)

    def _on_timer(self, event: SnapshotTimerFired) -> None:
        self._timer_ms = None
        late = [r for r, asked in self._asked.items() if asked.answer is None and asked.due_ms <= self._now_ms]
        for request in late:
            self._refused_until_ms[self._asked[request].peer] = self._now_ms + self.config.silence_ms
            self._ask_again(request)
        if self.stage is Stage.OFFERS and self._progress_ms + self.config.offers_ms <= self._now_ms:
            self._choose()

    # --- stages

    def _enter(self, stage: Stage) -> None:
        self.stage = stage
        self._progress_ms = self._now_ms

    def _ask_offers(self) -> None:
        """Begin a round, or leave it to ranges for a while. No answer is being checked then."""
        if self.stage is Stage.PARTS:
            self._kept = (self.height, (*self._open, *(asked.ask for asked in self._asked.values())))
        if self._rounds >= self.config.rounds_max:
            self.stage = Stage.IDLE
            self._out.append(SnapshotGivenUp())
            return
        self._rounds += 1
        self._enter(Stage.OFFERS)
        self._offers.clear()
        self._open.clear()
        self._asked.clear()
        self._faces.clear()
        self._unable.clear()
        self._out.append(AskOffers())

    def _choose(self) -> None:
        """Go on with what an earlier life began if enough peers still serve it, else begin with the best offered."""
        kept, missing = self._kept
        if kept > self._head and self._is_served(kept):
            self.height = kept
            self._enter(Stage.PARTS)
            self._open.extend(missing)
            if not missing:
                self._enter(Stage.FINISHING)
                self._work(SnapshotStep.FINISH)
            return
        chosen = self._best_height()
        if chosen is None:
            self._ask_offers()
            return
        self.height = chosen
        self._enter(Stage.HEADS)
        self._open.extend([ASK_HEAD] * len(self._able(chosen)))

    def _best_height(self) -> int | None:
        """The height that most peers serve, among these the newest; None where too few serve any."""
        heights = {height for offer in self._offers.values() for height in offer.heights}
        heights |= {offer.last - self.config.depth_blocks for offer in self._offers.values()}
        best: tuple[int, int] | None = None
        for height in sorted(heights):
            if height > self._head and self._is_served(height):
                best = max(best or (0, 0), (len(self._able(height)), height))
        return None if best is None else best[1]

    def _is_served(self, height: int) -> bool:
        """Whether an honest peer is among those that serve a height: one alone may lie, or never answer."""
        return self.config.has_honest(sum(1 << peer for peer in self._able(height)))

    def _able(self, height: int) -> list[int]:
        """The peers that offered the state after block `height` and did not lie."""
        return [
            peer
            for peer, offer in sorted(self._offers.items())
            if peer not in self._banned
            and peer not in self._unable
            and (height in offer.heights or offer.first <= height <= offer.last)
        ]

    # --- questions

    def _ask_more(self) -> None:
        able = self._able(self.height)
        is_checking = any(asked.answer is not None for asked in self._asked.values())
        is_stalled = self._progress_ms + self.config.stall_ms <= self._now_ms
        cannot_agree = self.stage is Stage.HEADS and not self._is_served(self.height)
        if not is_checking and (not able or is_stalled or cannot_agree):
            self._ask_offers()  # nobody is left: see who else there is
            return
        while self._open and len(self._asked) < self.config.requests_max:
            peer = self._choose_peer(able)
            if peer is None:
                break
            self._ask(peer, self._open.popleft())

    def _ask(self, peer: int, ask: bytes) -> None:
        self._requests += 1
        self._asked[self._requests] = _Asked(peer, ask, self._now_ms + self.config.answer_ms)
        self._out.append(AskPart(peer, self._requests, self.height, ask))

    def _choose_peer(self, able: list[int]) -> int | None:
        """The least busy peer; for the header one that was not asked for it."""
        busy = dict.fromkeys(able, 0)
        for asked in self._asked.values():
            if asked.peer in busy:
                busy[asked.peer] += 1
        shown = 0
        for mask in self._faces.values():
            shown |= mask
        limit = 1 if self.stage is Stage.HEADS else self.config.requests_per_peer_max
        free = [
            peer
            for peer in able
            if busy[peer] < limit
            and self._refused_until_ms.get(peer, 0) <= self._now_ms
            and not (self.stage is Stage.HEADS and shown >> peer & 1)
        ]
        return min(free, key=lambda peer: (busy[peer], (peer + self._requests) % (len(able) + 1)), default=None)

    def _ask_again(self, request: int) -> None:
        ask = self._asked.pop(request).ask
        self._open.appendleft(ASK_HEAD if self.stage is Stage.HEADS else ask)  # a head goes on with who began it only

    def _ban(self, peer: int) -> None:
        self._banned.add(peer)

    def _work(self, step: SnapshotStep, peer: int = -1, answer: bytes = b"") -> None:
        self._requests += 1
        self._out.append(Work(step, self._requests, peer, b"", answer))

    def _set_timer(self) -> None:
        due = [asked.due_ms for asked in self._asked.values() if asked.answer is None]
        if self.stage is Stage.OFFERS:
            due.append(self._progress_ms + self.config.offers_ms)
        elif self.stage in (Stage.HEADS, Stage.PARTS):
            due.append(self._progress_ms + self.config.stall_ms)
            due += [until for until in self._refused_until_ms.values() if until > self._now_ms and self._open]
        at_ms = min(due, default=None)
        if at_ms is not None and (self._timer_ms is None or at_ms < self._timer_ms):
            self._timer_ms = at_ms
            self._out.append(SetSnapshotTimer(at_ms))


HANDLERS: dict[type, Callable[[SnapshotFetch, Any], None]] = {
    SnapshotNeeded: SnapshotFetch._on_needed,
    OfferReceived: SnapshotFetch._on_offer,
    PartReceived: SnapshotFetch._on_part,
    Worked: SnapshotFetch._on_worked,
    SnapshotPeerLost: SnapshotFetch._on_peer_lost,
    SnapshotTimerFired: SnapshotFetch._on_timer,
}
