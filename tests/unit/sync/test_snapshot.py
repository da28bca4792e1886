"""Taking over a state: from whom, what a liar costs, what a restart keeps, and that everything is bounded."""

from collections import deque
from random import Random

import pytest

from hansa.sync import SnapshotConfig, SnapshotFetch
from hansa.sync.snapshot import ASK_HEAD
from hansa.sync.snapshot_values import (
    AskOffers,
    AskPart,
    OfferReceived,
    PartReceived,
    SetSnapshotTimer,
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

HEIGHT = 900  # what honest peers hold: up to this + depth
DEPTH_MAX = 3
STALE = 50  # a height that no honest peer serves any more


class Store:
    """What was taken over: every question has three below it, down to DEPTH_MAX."""

    def __init__(self) -> None:
        self.portions = 1  # in which heads come
        self.height = 0
        self.missing: set[bytes] = set()
        self.taken: set[bytes] = set()

    def work(self, work: Work, height: int) -> Worked:
        match work.step:
            case SnapshotStep.OPEN:
                return Worked(work.step, work.request, self.height, missing=tuple(sorted(self.missing)))
            case SnapshotStep.HEAD:
                if work.answer == b"broken":
                    return Worked(work.step, work.request, error="SNAPSHOT-HEAD: no")
                shown = work.ask[1] + 1
                if shown < self.portions:
                    return Worked(work.step, work.request, height, missing=(ASK_HEAD[:1] + bytes((shown,)),))
                return Worked(work.step, work.request, height, work.answer)
            case SnapshotStep.BEGIN:
                assert work.answer == b"true face"
                self.height, self.missing, self.taken = height, {b"a", b"b"}, set()
                return Worked(work.step, work.request, height, missing=tuple(sorted(self.missing)))
            case SnapshotStep.ADD:
                if work.answer != b"part of " + work.ask:
                    return Worked(work.step, work.request, error="SNAPSHOT-PART: no")
                self.missing.discard(work.ask)
                self.taken.add(work.ask)
                below = [work.ask + b"%d" % n for n in range(3)] if len(work.ask) < DEPTH_MAX else []
                self.missing.update(below)
                return Worked(work.step, work.request, missing=tuple(below))
            case SnapshotStep.FINISH:
                assert not self.missing
                return Worked(work.step, work.request)


class World:
    """A machine, its store, and peers that answer late, wrongly, or not at all."""

    def __init__(self, seed: int, peers: dict[int, str], store: Store | None = None) -> None:
        self.draw = Random(seed)
        self.peers = peers  # honest, liar, silent, mute after its offer, empty
        self.store = store or Store()
        self.config = SnapshotConfig(has_honest=lambda mask: mask.bit_count() > 1)
        self.machine = SnapshotFetch(self.config)
        self.now_ms = 0
        self.waiting: list[tuple[int, SnapshotInput]] = []
        self.works: deque[Work] = deque()
        self.finished = False
        self.given_up = False
        self.under_way_max = 0

    def feed(self, event: SnapshotInput) -> None:
        for effect in self.machine.step(event, self.now_ms):
            self.perform(effect)

    def perform(self, effect: SnapshotEffect) -> None:
        match effect:
            case AskOffers():
                for peer, kind in self.peers.items():
                    if kind != "silent":
                        last = HEIGHT + self.config.depth_blocks + peer % 3
                        heights = (STALE, 500) if kind in ("liar", "mute") else (500,)
                        self.later(OfferReceived(peer, heights, HEIGHT - 100, last))
            case AskPart():
                self.answer(effect)
            case Work():
                self.works.append(effect)
            case SetSnapshotTimer():
                self.waiting.append((effect.at_ms, SnapshotTimerFired()))
            case SnapshotGivenUp():
                self.given_up = True

    def answer(self, asked: AskPart) -> None:
        kind = self.peers[asked.peer]
        is_head = asked.ask[:1] == ASK_HEAD[:1]
        right = b"true face" if is_head else b"part of " + asked.ask
        wrong = b"false face" if is_head else b"lie"
        answers = {"honest": right, "liar": wrong, "broken": b"broken", "empty": b"", "silent": None, "mute": None}
        answer = answers[kind]
        if answer is not None and self.draw.random() > 0.05:  # some are lost
            self.later(PartReceived(asked.peer, asked.request, answer))
            self.later(PartReceived(asked.peer, asked.request, answer))  # and all come twice

    def later(self, event: SnapshotInput) -> None:
        self.waiting.append((self.now_ms + self.draw.randrange(1, 400), event))

    def run(self, until_ms: int = 3_600_000) -> None:
        while not (self.finished or self.given_up) and self.now_ms < until_ms:
            self.under_way_max = max(self.under_way_max, len(self.machine._asked))
            if self.works and self.draw.random() < 0.7:
                work = self.works.popleft()
                self.feed(self.store.work(work, self.machine.height))
                self.finished = work.step is SnapshotStep.FINISH
                continue
            if not self.waiting:
                if not self.works:
                    return
                continue
            self.waiting.sort(key=lambda entry: entry[0])
            at_ms, event = self.waiting.pop(0)
            self.now_ms = max(self.now_ms, at_ms)
            self.feed(event)


def expected() -> set[bytes]:
    level, found = {b"a", b"b"}, set()
    while level:
        found |= level
        level = {ask + b"%d" % n for ask in level for n in range(3) if len(ask) < DEPTH_MAX}
    return found


@pytest.mark.parametrize("seed", range(40))
def test_everything_is_taken_over_whatever_a_minority_does(seed: int) -> None:
    draw = Random(seed)
    bad = draw.choice(["liar", "broken", "silent", "empty", "honest"])
    peers = {1: "honest", 2: "honest", 3: bad}
    order = list(peers)
    draw.shuffle(order)
    world = World(seed, {peer: peers[peer] for peer in order})
    world.feed(SnapshotNeeded(10))
    world.run()
    assert world.finished and world.store.taken == expected()
    assert world.store.height in range(HEIGHT, HEIGHT + 3)
    assert world.under_way_max <= world.config.requests_max


@pytest.mark.parametrize("seed", range(10))
def test_heads_that_come_in_portions_are_asked_of_who_began_them(seed: int) -> None:
    world = World(seed, {1: "honest", 2: "honest", 3: Random(seed).choice(["liar", "broken", "silent", "empty"])})
    world.store.portions = 4
    asked: dict[int, int] = {}  # by peer, how many portions came in a row
    answer = world.answer

    def follow(part: AskPart) -> None:
        if part.ask[:1] == ASK_HEAD[:1]:
            assert part.ask[1] in (0, asked.get(part.peer, 0) + 1)
            asked[part.peer] = part.ask[1]
        answer(part)

    world.answer = follow  # type: ignore[method-assign]
    world.feed(SnapshotNeeded(10))
    world.run()
    assert world.finished and world.store.taken == expected()


@pytest.mark.parametrize("only", ["liar", "mute"])
def test_one_peer_alone_holds_nobody_to_what_an_earlier_life_began(only: str) -> None:
    world = World(7, {1: "honest", 2: "honest", 3: only})
    world.store.height, world.store.missing = STALE, {b"a"}  # the others serve it no more
    world.feed(SnapshotNeeded(10))
    world.run()
    assert world.finished and world.store.height >= HEIGHT


def test_two_that_lie_alike_are_no_more_than_one_may_be() -> None:
    """Beyond what is assumed: that many liars could agree; one alone never begins a snapshot."""
    world = World(1, {1: "honest", 2: "liar"})
    world.feed(SnapshotNeeded(10))
    world.run()
    assert world.given_up and not world.store.height


def test_nobody_serves_one() -> None:
    world = World(2, {1: "silent", 2: "silent"})
    world.feed(SnapshotNeeded(10))
    world.run()
    assert world.given_up
    world.given_up = False
    world.peers = {1: "honest", 2: "honest"}
    world.feed(SnapshotNeeded(10))
    world.run()
    assert world.finished


def test_a_later_life_goes_on_from_what_is_there() -> None:
    world = World(3, {1: "honest", 2: "honest", 3: "honest"})
    world.feed(SnapshotNeeded(10))
    while len(world.store.taken) < 9:
        world.run(world.now_ms + 50)
    before = set(world.store.taken)
    again = World(4, world.peers, world.store)
    again.feed(SnapshotNeeded(10))
    asked: list[bytes] = []
    again_answer = again.answer

    def note(part: AskPart) -> None:
        asked.append(part.ask)
        again_answer(part)

    again.answer = note  # type: ignore[method-assign]
    again.run()
    assert again.finished and again.store.taken == expected()
    assert not set(asked) & (before | {ASK_HEAD})


def test_a_closed_link_gives_its_questions_to_others() -> None:
    world = World(5, {1: "honest", 2: "honest", 3: "honest"})
    world.feed(SnapshotNeeded(10))
    while not world.store.taken:
        world.run(world.now_ms + 50)
    world.feed(SnapshotPeerLost(1))
    assert all(asked.peer != 1 or asked.answer is not None for asked in world.machine._asked.values())
    world.peers[1] = "silent"
    world.run()
    assert world.finished


def test_answers_that_nobody_asked_for_change_nothing() -> None:
    world = World(6, {1: "honest", 2: "honest"})
    world.feed(PartReceived(1, 7, b"x"))
    world.feed(OfferReceived(1, (1,), 1, 5))
    world.feed(Worked(SnapshotStep.ADD, 3, missing=(b"z",)))
    world.feed(SnapshotNeeded(10))
    world.run()
    assert world.store.taken == expected()
