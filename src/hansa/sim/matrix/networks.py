"""Rows of links and clocks."""

from random import Random

from hansa.sim.matrix.crashes import STABLE
from hansa.sim.matrix.row import Play, Row, all_but, everybody
from hansa.sim.script import Clock, Cut, Links

BEGIN_MS = 1_000
END_MS = 6_000


def _cuts(rng: Random, size: int) -> Play:
    """Three cuts into any two parts, which may overlap."""
    faults = []
    for _ in range(3):
        side = tuple(sorted(rng.sample(range(size), rng.randrange(1, size))))
        at_ms = rng.randrange(BEGIN_MS, END_MS)
        until_ms = min(END_MS, at_ms + rng.choice((200, 1_500, 4_000)))
        faults.append(Cut(at_ms, until_ms, side, tuple(i for i in range(size) if i not in side)))
    return Play(list(faults), END_MS)


def _isolated_leader(rng: Random, size: int) -> Play:
    return Play([Cut(BEGIN_MS, END_MS, (0,), all_but(size, 0))], END_MS, machines=STABLE)


def _nobody_hears(rng: Random, size: int) -> Play:
    """Everybody alone."""
    faults = [Cut(BEGIN_MS, END_MS, (node,), all_but(size, node)) for node in everybody(size)]
    return Play(list(faults), END_MS)


def _one_way(rng: Random, size: int) -> Play:
    """Some hear everybody and are heard by nobody, or the other way round."""
    faults = []
    for _ in range(4):
        sender, receiver = rng.sample(range(size), 2)
        faults.append(Cut(rng.randrange(BEGIN_MS, END_MS), END_MS, (sender,), (receiver,), True))
    deaf = rng.randrange(size)
    faults.append(Cut(BEGIN_MS, END_MS, all_but(size, deaf), (deaf,), True))
    return Play(list(faults), END_MS)


def _loss(rng: Random, size: int) -> Play:
    loss = rng.choice((5, 25, 50))
    return Play([Links(0, END_MS, everybody(size), everybody(size), loss_percent=loss)], END_MS)


def _delay(rng: Random, size: int) -> Play:
    delay_ms = rng.choice((50, 400, 2_000))
    return Play([Links(0, END_MS, everybody(size), everybody(size), delay_ms=delay_ms)], END_MS)


def _duplicates(rng: Random, size: int) -> Play:
    twice = Links(0, END_MS, everybody(size), everybody(size), duplicate_percent=50, delay_ms=20)
    return Play([twice], END_MS)


def _flips(rng: Random, size: int) -> Play:
    """Bits flip on all links of one to all validators."""
    nodes = tuple(sorted(rng.sample(range(size), rng.randint(1, size))))
    return Play([Links(BEGIN_MS, END_MS, nodes, everybody(size), flip_percent=rng.choice((1, 5)))], END_MS)


def _jumps(rng: Random, size: int) -> Play:
    """Up to all clocks jump by ten minutes, each to its side."""
    faults = [
        Clock(rng.randrange(END_MS), END_MS, (node,), rng.choice((-600_000, 600_000)))
        for node in rng.sample(range(size), rng.randint(1, size))
    ]
    return Play(list(faults), END_MS)


def _rates(rng: Random, size: int) -> Play:
    faults = [Clock(0, END_MS, (node,), 0, rng.choice((75, 90, 110, 125))) for node in everybody(size)]
    return Play(list(faults), END_MS)


NETWORKS = (
    Row("partition", "cuts into two parts", "I1 I5", "a side with q goes on; all go on when it heals", _cuts),
    Row("partition", "leader cut off", "I1 I5", "the others change the view, it follows later", _isolated_leader),
    Row("partition", "everybody alone", "I1 I5", "nothing is decided until it heals", _nobody_hears),
    Row("asymmetric partition", "one-way cuts", "I1 I5", "nobody chases views of one node", _one_way),
    Row("delay, reorder, duplicate, loss", "loss", "I1 I5 I9", "votes and certificates are repeated", _loss),
    Row("delay, reorder, duplicate, loss", "delay and reordering", "I1 I5 I9", "timeouts grow, bounded", _delay),
    Row("delay, reorder, duplicate, loss", "duplicates", "I1 I5 I9", "a vote counts once", _duplicates),
    Row("corrupted peer", "bits flip on the way", "I1 I5 I9", "TLS ends the link, which is made anew", _flips),
    Row("clocks", "jumps of ten minutes", "I1 I5", "blocks of the future wait or are replaced", _jumps),
    Row("clocks", "wrong rates", "I1 I5", "timeouts differ by a quarter", _rates),
)
