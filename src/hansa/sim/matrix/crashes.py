"""Rows of crashes and power cuts."""

from random import Random

from hansa.sim.matrix.row import Play, Row, draw_few, everybody
from hansa.sim.scenario import DEADLINE_MS
from hansa.sim.script import Crash

CRASH_MS = 2_000
KNOWN_MS = CRASH_MS + 6_000  # by then everybody knows who is gone
BEYOND_WINDOW = 20  # more heights than may have been in flight
STABLE: dict[str, object] = {"term": 1_000}  # validator 0 leads until it fails


def _leader_gone(rng: Random, size: int) -> Play:
    gone = Crash(CRASH_MS, CRASH_MS + DEADLINE_MS, (0,))
    return Play([gone], CRASH_MS, BEYOND_WINDOW, STABLE)


def _leaders_gone(rng: Random, size: int) -> Play:
    """Their turn comes again and again, as terms are short."""
    gone = Crash(CRASH_MS, KNOWN_MS + DEADLINE_MS, draw_few(rng, size))
    return Play([gone], KNOWN_MS, 3 * BEYOND_WINDOW, {"term": rng.choice((1, 3, 10))})


def _leader_back(rng: Random, size: int) -> Play:
    until_ms = CRASH_MS + rng.choice((10, 500, 4_000))
    return Play([Crash(CRASH_MS, until_ms, (0,))], until_ms, machines=STABLE)


def _follower_gone(rng: Random, size: int) -> Play:
    gone = Crash(CRASH_MS, CRASH_MS + DEADLINE_MS, (rng.randrange(1, size),))
    return Play([gone], CRASH_MS, BEYOND_WINDOW, STABLE)


def _leaders_in_turn(rng: Random, size: int) -> Play:
    """Each leader dies as soon as it may have been found."""
    faults = [Crash(CRASH_MS + 1_500 * i, CRASH_MS + 1_500 * i + 1_400, (i % size,)) for i in range(size)]
    return Play(list(faults), CRASH_MS + 1_500 * size, machines=STABLE)


def _crash_loop(rng: Random, size: int) -> Play:
    """Everybody crashes twenty times, each at its own times."""
    faults = []
    for node in range(size):
        for _ in range(20):
            at_ms = rng.randrange(8_000)
            faults.append(Crash(at_ms, at_ms + rng.choice((1, 50, 400)), (node,)))
    return Play(list(faults), 8_500)


def _blackouts(rng: Random, size: int) -> Play:
    times = [rng.randrange(500, 8_000) for _ in range(8)]
    faults = [Crash(at_ms, at_ms + rng.choice((1, 100, 700)), (node,)) for at_ms in times for node in everybody(size)]
    return Play(list(faults), 9_000)


def _torn(rng: Random, size: int) -> Play:
    play = _blackouts(rng, size)
    slow = {"has_sectors": True, "sync_us": (5_000, 40_000)}  # long syncs: the cut nearly always meets one
    return Play(play.faults, play.calm_ms, machines=slow)


CRASHES = (
    Row("crash", "leader crash", "I1 I4 I5", "the next view after T, or sooner where its link closed", _leader_gone),
    Row("crash", "leaders gone for long", "I1 I4 I5", "their views are left at once, round after round", _leaders_gone),
    Row("crash", "leader crash and return", "I1 I3 I4 I5", "it follows the new leader", _leader_back),
    Row("crash", "follower crash", "I1 I4 I5", "nothing stops", _follower_gone),
    Row("crash", "each leader in turn", "I1 I3 I4 I5", "one view for each of them", _leaders_in_turn),
    Row("crash and restart", "crash loop of all", "I1 I3 I4 I5", "votes are resumed from the log", _crash_loop),
    Row("crash and restart", "power cuts of all", "I1 I3 I4 I5", "what was final is on some disk", _blackouts),
    Row("torn write", "power cuts within a sync", "I1 I3 I4 I5", "the torn end is cut off", _torn),
)
