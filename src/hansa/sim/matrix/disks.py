"""Rows of disks that fail, fill up, rot or lie."""

from random import Random

from hansa.sim.matrix.crashes import STABLE
from hansa.sim.matrix.row import Play, Row, draw_few, everybody
from hansa.sim.script import Crash, Disk, DiskTrouble, Fault

AT_MS = 500
UNTIL_MS = 3_000


def _strike_few(trouble: DiskTrouble, rng: Random, size: int) -> Play:
    """Up to t disks are struck, each at its own time; everybody also crashes now and then."""
    faults: list[Fault] = [
        Disk(AT_MS, UNTIL_MS + rng.randrange(1_000), (node,), trouble) for node in draw_few(rng, size)
    ]
    for _ in range(rng.randrange(3)):
        at_ms = rng.randrange(UNTIL_MS)
        faults.append(Crash(at_ms, at_ms + 200, (rng.randrange(size),)))
    return Play(faults, UNTIL_MS + 1_500)


def _lost(rng: Random, size: int) -> Play:
    return _strike_few(DiskTrouble.LOST, rng, size)


def _rotten_twice(rng: Random, size: int) -> Play:
    return _strike_few(DiskTrouble.ROTTEN_TWICE, rng, size)


def _rotten_blocks(rng: Random, size: int) -> Play:
    return _strike_few(DiskTrouble.ROTTEN_BLOCKS, rng, size)


def _misdirected(rng: Random, size: int) -> Play:
    return _strike_few(DiskTrouble.MISDIRECTED, rng, size)


def _lying(rng: Random, size: int) -> Play:
    return _strike_few(DiskTrouble.LYING, rng, size)


def _rotten(rng: Random, size: int) -> Play:
    """Every disk rots, one sector at each restart."""
    faults = [Disk(0, AT_MS + rng.randrange(4_000), (node,), DiskTrouble.ROTTEN) for node in everybody(size) * 2]
    return Play(list(faults), AT_MS + 4_500)


def _stale_few(rng: Random, size: int) -> Play:
    faults = [Disk(AT_MS, UNTIL_MS, (node,), DiskTrouble.STALE) for node in draw_few(rng, size)]
    return Play(list(faults), UNTIL_MS + 500, machines=STABLE)


def _stale_all(rng: Random, size: int) -> Play:
    """One after the other restarts from an image of its first seconds, and everybody remembers what it said since."""
    faults = [Disk(AT_MS, UNTIL_MS + 1_000 * node, (node,), DiskTrouble.STALE) for node in everybody(size)]
    quiet = {"duplicates": 0.0, "window": 4, "delay_us": (200, 1_000), "execute_us": 100, "sync_us": (100, 300)}
    return Play(list(faults), UNTIL_MS + 1_000 * size, 0, STABLE | quiet)


def _full_leader(rng: Random, size: int) -> Play:
    return Play([Disk(AT_MS, UNTIL_MS, (0,), DiskTrouble.FULL)], UNTIL_MS + 100, machines=STABLE)


def _full_all(rng: Random, size: int) -> Play:
    faults = [Disk(AT_MS + rng.randrange(500), UNTIL_MS, (node,), DiskTrouble.FULL) for node in everybody(size)]
    return Play(list(faults), UNTIL_MS + 100)


def _slow(rng: Random, size: int) -> Play:
    faults = [
        Disk(AT_MS, UNTIL_MS + 3_000, (node,), DiskTrouble.SLOW, rng.choice((10, 100, 1_000, 5_000)))
        for node in {0, rng.randrange(size)}
    ]
    return Play(list(faults), UNTIL_MS + 3_000, machines={"term": 1_000})


DISKS = (
    Row("vote log lost", "vote log lost", "I1 I4 I5", "quarantine; it votes again two views later", _lost),
    Row("vote log lost", "old disk image", "I1 I3 I4 I5", "peers know later votes: quarantine", _stale_few),
    Row("vote log lost", "old images everywhere", "I1 I3", "more than t in quarantine: it stands still", _stale_all),
    Row("disk full", "leader's disk full", "I1 I4 I5 I7", "it abdicates, serves, votes again with room", _full_leader),
    Row("disk full", "all disks full", "I1 I4 I5 I7", "the chain waits, and goes on with room", _full_all),
    Row("slow disk", "slow disks", "I1 I4 I5", "a leader that is too slow is replaced", _slow),
    Row("bit rot", "a sector rots, everywhere", "I1 I3 I4 I5", "the second copy of the frame is read", _rotten),
    Row("bit rot", "both copies rot", "I1 I4 I5 I8", "quarantine; it votes again two views later", _rotten_twice),
    Row("bit rot", "block log rots", "I1 I4 I5 I8", "cut there, fetched from peers", _rotten_blocks),
    Row("misdirected write", "misdirected write", "I1 I4 I5 I8", "found by frame numbers, or by peers", _misdirected),
    Row("lying fsync", "lying fsync", "I1 I4 I5 I8", "peers know later votes: quarantine", _lying),
)
