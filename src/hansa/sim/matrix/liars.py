"""Rows of validators that break the protocol: up to t of them, the first leader among them."""

from collections.abc import Callable
from random import Random

from hansa.sim.matrix.crashes import STABLE
from hansa.sim.matrix.row import Play, Row, draw_few
from hansa.sim.scenario import DEADLINE_MS
from hansa.sim.script import Attack, AttackKind, Crash

CALM_MS = 3_000


def _few(kind: AttackKind, term: int | None = None, demand_heights: int = 6) -> Callable[[Random, int], Play]:
    """Up to t validators attack from the beginning to the end; terms are drawn unless given."""

    def draw(rng: Random, size: int) -> Play:
        nodes = draw_few(rng, size) if rng.random() < 0.3 else (0, *range(1, rng.randint(1, (size - 1) // 3)))
        machines = {} if term is None else STABLE | {"term": term}
        return Play([Attack(0, CALM_MS + DEADLINE_MS, nodes, kind)], CALM_MS, demand_heights, machines)

    return draw


def _under_crashes(kind: AttackKind) -> Callable[[Random, int], Play]:
    """The same, while honest nodes lose power."""

    def draw(rng: Random, size: int) -> Play:
        play = _few(kind)(rng, size)
        times = [rng.randrange(200, CALM_MS) for _ in range(4)]
        crashes = [Crash(at_ms, at_ms + rng.choice((5, 200)), (rng.randrange(size),)) for at_ms in times]
        return Play([*play.faults, *crashes], CALM_MS + 200)

    return draw


def _split(rng: Random, size: int) -> Play:
    """More than t compute another result: no quorum agrees on any."""
    nodes = tuple(range((size - 1) // 3 + 1))
    return Play([Attack(0, CALM_MS, nodes, AttackKind.WRONG_RESULT)], CALM_MS, 0)


_LIE = "lying leader"
_BAD = "corrupted peer"
LIARS = (
    Row(_LIE, "equivocating", "I1 I5 I10", "evidence, and the next view", _few(AttackKind.EQUIVOCATING)),
    Row(_LIE, "equivocating under crashes", "I1 I3 I5", "the same", _under_crashes(AttackKind.EQUIVOCATING)),
    Row(_LIE, "twins", "I1 I5 I10", "the same", _few(AttackKind.TWINS)),
    Row(_LIE, "twins under crashes", "I1 I3 I5", "the same", _under_crashes(AttackKind.TWINS)),
    Row(_LIE, "silent", "I1 I5", "replaced after T", _few(AttackKind.SILENT)),
    Row(_LIE, "slow", "I1 I5", "replaced where it is slower than T", _few(AttackKind.SLOW)),
    Row(_LIE, "censoring", "I1 I5", "ordered by the next leaders", _few(AttackKind.CENSORING, 10, 40)),
    Row("invalid block", "invalid block", "I1 I2 I5", "no PREPARE, the next view", _few(AttackKind.INVALID_BLOCK)),
    Row("invalid block", "payload withheld", "I1 I5", "no PREPARE, the next view", _few(AttackKind.WITHHOLDING)),
    Row("execution differs", "wrong result", "I1 I2 I5", "its SEALs count for nothing", _few(AttackKind.WRONG_RESULT)),
    Row("execution differs", "result split", "I1 I2", "no certificate: the nodes stop loudly", _split),
    Row(_BAD, "garbage", "I1 I5 I7", "refused when decoded or verified", _few(AttackKind.GARBAGE)),
    Row(_BAD, "forged signatures", "I1 I5", "refused when verified", _few(AttackKind.FORGING)),
    Row(_BAD, "stale votes", "I1 I5 I7", "counted where they belong, once", _few(AttackKind.STALE_VOTES)),
    Row(_BAD, "foreign epoch", "I1 I5", "not counted", _few(AttackKind.FOREIGN_EPOCH)),
    Row(_BAD, "huge view", "I1 I5", "nobody follows one node's claim", _few(AttackKind.HUGE_VIEW)),
    Row(_BAD, "empty answers", "I1 I5", "the next peer is asked", _few(AttackKind.EMPTY_ANSWERS)),
    Row("flood", "flood", "I1 I5 I7", "bounded tables, one reply in 200 ms", _few(AttackKind.FLOOD)),
)
