"""From a seed to a scenario: the script of faults, and what the simulated machines and links are like.

Each run draws which kinds of faults it has at all (swarm): many kinds at once hide what a few would show.
"""

from collections.abc import Sequence
from itertools import combinations
from random import Random

import msgspec

from hansa.sim.script import (
    Attack,
    AttackKind,
    ChangeKind,
    Clock,
    Crash,
    Cut,
    Disk,
    DiskTrouble,
    Fault,
    Membership,
    Script,
)

SECOND_MS = 1_000
DEADLINE_MS = 40 * SECOND_MS  # after calm
CHANGES_SHARE = 0.4  # of the swarm's runs: the members change
CHANGES_MAX = 3
VALIDATORS_LEFT = 4
SWARM_ATTACKS = (*(kind for kind in AttackKind if kind is not AttackKind.TWINS), *(AttackKind.TWINS,) * 8)


class Scenario(msgspec.Struct, frozen=True):
    """Everything that a run is made from, besides the draws of its own generator."""

    script: Script
    window: int
    term: int
    block_interval_ms: int
    prune_every_heights: int
    delay_us: tuple[int, int]  # of a message, lowest and highest
    slow_share: float  # share of messages that take up to ten times longer, until calm
    loss: float  # until calm
    duplicates: float
    gossip_loss: float  # of transactions, which then must be fetched
    sync_us: tuple[int, int]  # of a disk sync
    execute_us: int
    seal_us: int  # until a result and its certificate are in the log's buffer, in turn with executions
    check_us: int
    skew_ms: tuple[int, ...]  # of each node's wall clock
    load_us: int  # between two transactions
    load_pause_us: tuple[int, int]  # idle time without transactions
    has_codec: bool  # messages pass through their encoding
    has_sectors: bool  # vote logs are kept as the real bytes in sectors

    @property
    def seed(self) -> int:
        """The script's seed, which also drives the draws of the run."""
        return self.script.seed

    @property
    def size(self) -> int:
        """The number of validators."""
        return self.script.size

    @property
    def twins(self) -> tuple[int, ...]:
        """Validators that run as two instances with one key."""
        attacks = (fault for fault in self.script.faults if isinstance(fault, Attack))
        return tuple(sorted({node for a in attacks if a.attack is AttackKind.TWINS for node in a.nodes}))


def make_scenario(seed: int, size: int | None = None) -> Scenario:
    """Return the swarm scenario of a seed: several kinds of faults at once, up to t traitors.

    Parameters
    ----------
    size: number of validators; None = drawn from 4, 5 and 7.
    """
    rng = Random(seed)
    count = size or rng.choice((4, 4, 5, 7))
    tolerated = (count - 1) // 3
    kinds = {kind for kind in ("crash", "cut", "jump", "loss", "traitors", "blackout", "slow") if rng.random() < 0.6}
    calm_ms = rng.randint(3, 8) * SECOND_MS
    faults: list[Fault] = []
    if "crash" in kinds:
        faults += [draw_crash(rng, calm_ms, count) for _ in range(rng.randint(1, 8))]
    if "blackout" in kinds:
        faults += draw_blackouts(rng, calm_ms, count)
    if "cut" in kinds:
        faults += [draw_cut(rng, calm_ms, count) for _ in range(rng.randint(1, 4))]
    if "jump" in kinds and tolerated:
        jump_ms = rng.choice((-600_000, -2_000, 2_000, 600_000))
        rate = rng.choice((75, 100, 100, 125))
        faults.append(Clock(rng.randrange(calm_ms), calm_ms, (rng.randrange(count),), jump_ms, rate))
    if rng.random() < 0.2:
        at_ms = rng.randrange(calm_ms)
        slow_ms = rng.choice((10, 200, 2_000))
        until_ms = min(calm_ms, at_ms + 2_000)
        faults.append(Disk(at_ms, until_ms, (rng.randrange(count),), DiskTrouble.SLOW, slow_ms))
    if "traitors" in kinds and tolerated:
        deadline_ms = calm_ms + DEADLINE_MS
        traitors = rng.sample(range(count), rng.randint(1, tolerated))
        faults += [Attack(0, deadline_ms, (node,), rng.choice(SWARM_ATTACKS)) for node in sorted(traitors)]
    if rng.random() < CHANGES_SHARE:
        faulty = {node for fault in faults if isinstance(fault, Attack) for node in fault.nodes}
        faults += draw_changes(rng, calm_ms, count, faulty)
    script = Script(
        name="swarm",
        seed=seed,
        size=count,
        faults=tuple(sorted(faults, key=lambda fault: fault.at_ms)),
        calm_ms=calm_ms,
        deadline_ms=calm_ms + DEADLINE_MS,
    )
    lossy = "loss" in kinds
    return draw_machines(script, rng, is_slow="slow" in kinds, loss=rng.choice((0.02, 0.1, 0.25)) if lossy else 0.0)


def draw_machines(script: Script, rng: Random, is_slow: bool = False, loss: float = 0.0) -> Scenario:
    """Return a scenario for a script: window, term, delays, disks, clocks and load are drawn."""
    low = rng.choice((200, 1_000, 5_000, 20_000))
    pause_at = rng.randrange(script.calm_ms * 1_000 or 1)
    return Scenario(
        script=script,
        window=rng.choice((1, 2, 4, 8)),
        term=rng.choice((1, 3, 10, 1_000)),
        block_interval_ms=rng.choice((0, 0, 50)),
        prune_every_heights=rng.choice((2, 5, 64)),
        delay_us=(low, low * rng.choice((1, 2, 5))),
        slow_share=0.05 if is_slow else 0.0,
        loss=loss,
        duplicates=rng.choice((0.0, 0.0, 0.05)),
        gossip_loss=rng.choice((0.0, 0.0, 0.1, 0.5)),
        sync_us=rng.choice(((100, 300), (200, 8_000), (2_000, 40_000))),
        execute_us=rng.choice((100, 2_000, 30_000)),
        check_us=rng.choice((50, 1_000)),
        skew_ms=tuple(rng.randint(-400, 400) for _ in range(script.size)) + (0,) * (script.nodes - script.size),
        load_us=rng.choice((20_000, 60_000, 150_000)),
        load_pause_us=(pause_at, pause_at + rng.choice((0, 0, 3_000_000))),
        has_codec=rng.random() < 0.05,
        has_sectors=rng.random() < 0.05 or any(isinstance(fault, Disk) for fault in script.faults),
        seal_us=rng.choice((0, 100, 5_000)),
    )


def draw_changes(rng: Random, calm_ms: int, size: int, faulty: set[int]) -> list[Membership]:
    """One to three changes of the members, each of which leaves at most t of the faulty ones among the validators,
    whichever of them have taken effect."""
    found: list[Membership] = []
    joiner = size
    for _ in range(rng.randint(1, CHANGES_MAX)):
        kind = rng.choice(tuple(ChangeKind))
        until_ms = rng.randrange(calm_ms)
        at_ms = rng.randrange(until_ms + 1)
        leaver = rng.randrange(size)
        nodes = {ChangeKind.ADD: (joiner,), ChangeKind.REPLACE: (leaver, joiner)}.get(kind, (leaver,))
        change = Membership(at_ms, until_ms, nodes, kind)
        if all(_is_safe(subset, size, faulty) for subset in _subsets([*found, change])):
            found.append(change)
            joiner += change.joiner is not None
    return found


def _subsets(changes: Sequence[Membership]) -> list[tuple[Membership, ...]]:
    return [subset for count in range(len(changes) + 1) for subset in combinations(changes, count)]


def _is_safe(changes: Sequence[Membership], size: int, faulty: set[int]) -> bool:
    voters = set(range(size))
    for change in changes:
        if change.change in (ChangeKind.REMOVE, ChangeKind.REPLACE):
            voters.discard(change.nodes[0])
        if change.joiner is not None:
            voters.add(change.joiner)
    return len(voters) >= min(size, VALIDATORS_LEFT) and len(voters & faulty) <= (len(voters) - 1) // 3


def draw_crash(rng: Random, calm_ms: int, size: int) -> Crash:
    """One node loses power for ten milliseconds up to the rest of the unrest."""
    at_ms = rng.randrange(calm_ms)
    return Crash(at_ms, min(calm_ms, at_ms + rng.choice((10, 300, 2_000, calm_ms))), (rng.randrange(size),))


def draw_blackouts(rng: Random, calm_ms: int, size: int) -> list[Crash]:
    """All nodes, or a random subset, lose power in the same instant; once or several times."""
    faults = []
    for _ in range(rng.randint(1, 3)):
        at_ms = rng.randrange(calm_ms)
        nodes = [i for i in range(size) if rng.random() < 0.9]
        faults += [Crash(at_ms, min(calm_ms, at_ms + rng.randint(1, SECOND_MS)), (node,)) for node in nodes]
    return faults


def draw_cut(rng: Random, calm_ms: int, size: int) -> Cut:
    """The nodes fall into two parts, in both directions or in one."""
    at_ms = rng.randrange(calm_ms)
    side = tuple(i for i in range(size) if rng.random() < 0.5)
    other = tuple(i for i in range(size) if i not in side)
    until_ms = min(calm_ms, at_ms + rng.randint(100, 4 * SECOND_MS))
    return Cut(at_ms, until_ms, side, other, is_one_way=rng.random() < 0.4)
