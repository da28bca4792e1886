"""Rows in which the members change while something goes wrong."""

from random import Random

from hansa.sim.matrix.crashes import STABLE
from hansa.sim.matrix.row import Play, Row, all_but, everybody
from hansa.sim.scenario import VALIDATORS_LEFT, draw_blackouts, draw_crash, draw_cut
from hansa.sim.script import Attack, AttackKind, ChangeKind, Crash, Disk, DiskTrouble, Fault, Links, Membership

BEGIN_MS = 500
END_MS = 6_000
EVEN_PACE: dict[str, object] = {
    "window": 1,
    "delay_us": (30_000, 40_000),
    "sync_us": (100, 300),
    "execute_us": 100,
    "block_interval_ms": 0,
    "gossip_loss": 0.0,
    "load_us": 60_000,
}
LIARS = (AttackKind.EQUIVOCATING, AttackKind.SILENT, AttackKind.INVALID_BLOCK, AttackKind.HUGE_VIEW, AttackKind.TWINS)


def draw_change(rng: Random, size: int, at_ms: int, keeps: frozenset[int] = frozenset()) -> Membership:
    """Return a change of any kind.

    Parameters
    ----------
    keeps: validators that do not leave.
    """
    kinds = [kind for kind in ChangeKind if kind is not ChangeKind.REMOVE or size > VALIDATORS_LEFT]
    kind = rng.choice(kinds)
    leaver = rng.choice([node for node in range(size) if node not in keeps])
    nodes = {ChangeKind.ADD: (size,), ChangeKind.REPLACE: (leaver, size)}.get(kind, (leaver,))
    return Membership(max(0, at_ms - rng.choice((0, 500, 2_000))), at_ms, nodes, kind)


def _quiet(rng: Random, size: int) -> Play:
    """Three rotations of keys, one after another, and a change."""
    rotations = [Membership(at, at, (rng.randrange(size),), ChangeKind.ROTATE_KEY) for at in (700, 1_900, 3_100)]
    return Play([*rotations, draw_change(rng, size, 4_500)], END_MS)


def _under_crashes(rng: Random, size: int) -> Play:
    crashes: list[Fault] = [draw_crash(rng, END_MS, size) for _ in range(4)]
    return Play([*crashes, *draw_blackouts(rng, END_MS, size), draw_change(rng, size, rng.randrange(END_MS))], END_MS)


def _as_leader_crashes(rng: Random, size: int) -> Play:
    """The leader and so many others that no quorum is left lose power while the epoch closes; the others come back."""
    at_ms = rng.randrange(BEGIN_MS, 2_000)
    crash_ms = at_ms + rng.randrange(220, 520)
    others = rng.sample(range(1, size), (size - 1) // 3)
    crashes = [Crash(crash_ms, crash_ms + rng.choice((300, 1_500)), (node,)) for node in others]
    machines = STABLE | EVEN_PACE | {"window": rng.choice((1, 2))}
    return Play([draw_change(rng, size, at_ms), Crash(crash_ms, END_MS, (0,)), *crashes], END_MS, machines=machines)


def _under_partition(rng: Random, size: int) -> Play:
    cuts: list[Fault] = [draw_cut(rng, END_MS, size) for _ in range(4)]
    return Play([*cuts, draw_change(rng, size, rng.randrange(BEGIN_MS, END_MS))], END_MS)


def _straggler(rng: Random, size: int) -> Play:
    """One validator hears nothing while two epochs pass."""
    node = rng.randrange(size)
    faults: list[Fault] = [Links(BEGIN_MS, END_MS, all_but(size, node), (node,), loss_percent=100)]
    faults += [Membership(at, at, (rng.randrange(size),), ChangeKind.ROTATE_KEY) for at in (1_000, 2_500, 4_000)]
    return Play(faults, END_MS)


def _under_liar(rng: Random, size: int) -> Play:
    """A leader lies, or leaves while it lies."""
    liar = rng.randrange(size)
    attack = Attack(0, END_MS + 40_000, (liar,), rng.choice(LIARS))
    keeps = frozenset() if rng.random() < 0.5 else frozenset({liar})
    return Play([attack, draw_change(rng, size, rng.randrange(BEGIN_MS, END_MS), keeps)], END_MS)


def _under_loss(rng: Random, size: int) -> Play:
    loss = rng.choice((5, 25, 50))
    lossy = Links(0, END_MS, everybody(size + 1), everybody(size + 1), loss_percent=loss)
    at_ms = rng.randrange(BEGIN_MS, END_MS)
    return Play([lossy, Membership(at_ms // 2, at_ms, (rng.randrange(size), size), ChangeKind.REPLACE)], END_MS)


def _old_image(rng: Random, size: int) -> Play:
    """A validator votes in a new epoch, then starts from an image of its disks that is older than the epoch.

    Half of the time it led, and another one is down: its first block of the epoch is still under way as it comes back.
    """
    is_leader = rng.random() < 0.5
    node = 0 if is_leader else rng.randrange(size)
    other = rng.choice([i for i in range(size) if i != node])
    changed_ms = rng.randrange(BEGIN_MS, 2_000)
    struck_ms = changed_ms + (rng.randrange(400, 700) if is_leader else rng.randrange(100, 3_000))
    image = Disk(changed_ms - 100, struck_ms, (node,), DiskTrouble.STALE)
    change = Membership(changed_ms, changed_ms, (rng.randrange(size),), ChangeKind.ROTATE_KEY)
    machines = STABLE | (EVEN_PACE if is_leader else {})
    return Play([image, change, Crash(struck_ms, struck_ms + 2_000, (other,))], END_MS, machines=machines)


FAULT = "membership change"
MEMBERS = (
    Row(FAULT, "change of members", "I1 I5", "epochs end on demand, nobody stops", _quiet),
    Row(FAULT, "change under crashes", "I1 I3 I5", "the epoch closes once a quorum is back", _under_crashes),
    Row(
        FAULT, "change as the leader crashes", "I1 I5", "closing blocks commit what a view inherits", _as_leader_crashes
    ),
    Row(FAULT, "change under partition", "I1 I5", "the side with q of the old set closes the epoch", _under_partition),
    Row(FAULT, "validator cut off for two epochs", "I1 I5", "it follows by sync and votes again", _straggler),
    Row(FAULT, "change under a lying validator", "I1 I5", "it is outvoted in both epochs", _under_liar),
    Row(FAULT, "change under loss", "I1 I5", "stragglers hear that the epoch is over", _under_loss),
    Row(FAULT, "old image over a change", "I1 I3 I5", "quarantine, also in the new epoch", _old_image),
)
