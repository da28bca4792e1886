"""From a seed to a scenario: topology, delays, faults. Each run draws which kinds of faults it has at all (swarm)."""

from random import Random
from typing import Literal

import msgspec

SECOND_US = 1_000_000


class Fault(msgspec.Struct, frozen=True):
    """One fault: what, when, to whom, until when."""

    kind: Literal["crash", "cut", "jump"]
    at_us: int
    until_us: int
    nodes: tuple[int, ...]  # crash: who; cut: one side; jump: who
    peers: tuple[int, ...] = ()  # cut: the other side
    is_one_way: bool = False
    amount_ms: int = 0  # jump: the wall clock's step


class Scenario(msgspec.Struct, frozen=True):
    """Everything that a run is made from, besides the draws of its own generator."""

    seed: int
    size: int
    window: int
    term: int
    twins: tuple[int, ...]  # validators that run as two instances with one key
    mutes: tuple[int, ...]  # validators that withhold some kinds of messages
    liars: tuple[int, ...]  # validators that claim heights and ask for views that do not exist, and send no payloads
    block_interval_ms: int
    prune_every_heights: int
    delay_us: tuple[int, int]  # of a message, lowest and highest
    slow_share: float  # share of messages that take up to ten times longer
    loss: float
    duplicates: float
    gossip_loss: float  # of transactions, which then must be fetched
    sync_us: tuple[int, int]  # of a disk sync
    execute_us: int
    check_us: int
    skew_ms: tuple[int, ...]  # of each node's wall clock
    load_us: int  # between two transactions
    load_pause: tuple[int, int]  # idle time without transactions
    has_codec: bool  # messages pass through their encoding
    faults: tuple[Fault, ...]
    calm_us: int  # from here on: no faults, no loss, bounded delays (GST)
    demand_heights: int  # progress demanded after calm
    deadline_us: int  # by when

    @property
    def traitors(self) -> frozenset[int]:
        """Validators that do not follow the protocol; their weight is at most t."""
        return frozenset(self.twins + self.mutes + self.liars)


def make_scenario(seed: int, size: int | None = None) -> Scenario:
    """Return the scenario of a seed.

    Parameters
    ----------
    size: number of validators; None = drawn from 4, 5 and 7.
    """
    rng = Random(seed)
    count = size or rng.choice((4, 4, 5, 7))
    tolerated = (count - 1) // 3
    kinds = {kind for kind in ("crash", "cut", "jump", "loss", "traitors", "blackout", "slow") if rng.random() < 0.6}
    calm_us = rng.randint(3, 8) * SECOND_US
    faults: list[Fault] = []
    if "crash" in kinds:
        faults += [_draw_crash(rng, calm_us, count) for _ in range(rng.randint(1, 8))]
    if "blackout" in kinds:
        faults += _draw_blackouts(rng, calm_us, count)
    if "cut" in kinds:
        faults += [_draw_cut(rng, calm_us, count) for _ in range(rng.randint(1, 4))]
    if "jump" in kinds and tolerated:
        who = rng.randrange(count)
        amount_ms = rng.choice((-600_000, -2_000, 2_000, 600_000))
        faults.append(Fault("jump", rng.randrange(calm_us), calm_us, (who,), amount_ms=amount_ms))
    traitors = rng.sample(range(count), rng.randint(1, tolerated)) if "traitors" in kinds and tolerated else []
    roles = {node: rng.choice(("twins", "twins", "twins", "mutes", "liars")) for node in traitors}
    low = rng.choice((200, 1_000, 5_000, 20_000))
    pause_at = rng.randrange(calm_us)
    return Scenario(
        seed=seed,
        size=count,
        window=rng.choice((1, 2, 4, 8)),
        term=rng.choice((1, 3, 10, 1_000)),
        twins=tuple(sorted(node for node in traitors if roles[node] == "twins")),
        mutes=tuple(sorted(node for node in traitors if roles[node] == "mutes")),
        liars=tuple(sorted(node for node in traitors if roles[node] == "liars")),
        block_interval_ms=rng.choice((0, 0, 50)),
        prune_every_heights=rng.choice((2, 5, 64)),
        delay_us=(low, low * rng.choice((1, 2, 5))),
        slow_share=0.05 if "slow" in kinds else 0.0,
        loss=rng.choice((0.02, 0.1, 0.25)) if "loss" in kinds else 0.0,
        duplicates=rng.choice((0.0, 0.0, 0.05)),
        gossip_loss=rng.choice((0.0, 0.0, 0.1, 0.5)),
        sync_us=rng.choice(((100, 300), (200, 8_000), (2_000, 40_000))),
        execute_us=rng.choice((100, 2_000, 30_000)),
        check_us=rng.choice((50, 1_000)),
        skew_ms=tuple(rng.randint(-400, 400) for _ in range(count)),
        load_us=rng.choice((20_000, 60_000, 150_000)),
        load_pause=(pause_at, pause_at + rng.choice((0, 0, 3 * SECOND_US))),
        has_codec=rng.random() < 0.05,
        faults=tuple(sorted(faults, key=lambda fault: (fault.at_us, fault.kind, fault.nodes))),
        calm_us=calm_us,
        demand_heights=6,
        deadline_us=calm_us + 40 * SECOND_US,
    )


def _draw_crash(rng: Random, calm_us: int, size: int) -> Fault:
    at_us = rng.randrange(calm_us)
    until_us = min(calm_us, at_us + rng.choice((10_000, 300_000, 2 * SECOND_US, calm_us)))
    return Fault("crash", at_us, until_us, (rng.randrange(size),))


def _draw_blackouts(rng: Random, calm_us: int, size: int) -> list[Fault]:
    """All nodes, or a random subset, lose power in the same instant; once or several times."""
    faults = []
    for _ in range(rng.randint(1, 3)):
        at_us = rng.randrange(calm_us)
        nodes = tuple(i for i in range(size) if rng.random() < 0.9)
        faults += [
            Fault("crash", at_us, min(calm_us, at_us + rng.randint(1_000, SECOND_US)), (node,)) for node in nodes
        ]
    return faults


def _draw_cut(rng: Random, calm_us: int, size: int) -> Fault:
    at_us = rng.randrange(calm_us)
    side = tuple(i for i in range(size) if rng.random() < 0.5)
    other = tuple(i for i in range(size) if i not in side)
    until_us = min(calm_us, at_us + rng.randint(100_000, 4 * SECOND_US))
    return Fault("cut", at_us, until_us, side, other, is_one_way=rng.random() < 0.4)
