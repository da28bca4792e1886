"""What is lost around the boundary of two epochs: results that are not in any log yet when the power fails everywhere;
the votes of a learner that is given a vote."""

from random import Random

import msgspec
import pytest

from hansa.consensus.inputs import Input, VoteDurable
from hansa.consensus.values import VoteType
from hansa.sim.host import Host
from hansa.sim.scenario import draw_machines, make_scenario
from hansa.sim.script import ChangeKind, Disk, DiskTrouble, Membership, Script
from hansa.sim.world import World

SEEDS = range(20)
AWAY_US = 50_000
SEAL_US = 400_000  # a log that is slow to take results; bodies and votes do not wait for them


class BoundaryWorld(World):
    """All lose power as soon as a quorum's COMMITs of the second epoch are durable; once."""

    def __init__(self, seed: int) -> None:
        self.committed: set[int] = set()
        self.has_failed = False
        self.lost: list[int] = []  # epochs of the ledgers that were found after the power cut
        change = Membership(300, 600, (1,), ChangeKind.ROTATE_KEY)
        script = Script("boundary", seed, 4, (change,), calm_ms=3_000, deadline_ms=40_000)
        drawn = make_scenario(seed, 4)
        super().__init__(
            msgspec.structs.replace(
                drawn, script=script, skew_ms=(0,) * 4, seal_us=SEAL_US, sync_us=(100, 300), load_pause_us=(0, 0),
                delay_us=(500, 1_000), loss=0.0, slow_share=0.0, load_us=20_000, has_sectors=False, window=4,
                execute_us=100,
            )
        )  # fmt: skip

    def _make_host(self, instance: int, index: int) -> Host:
        return BoundaryHost(self, instance, index)

    def note_commit(self, index: int) -> None:
        self.committed.add(index)
        if len(self.committed) == 3 and not self.has_failed:
            self.has_failed = True
            for host in self.hosts:
                host.crash()
            self.at(self.now_us + AWAY_US, self._restart, None)

    def _restart(self, _: None) -> None:
        for host in self.hosts:
            host.start()
            self.lost.append(host.ledger.epoch.facts.number)


class BoundaryHost(Host):
    """Tells when a COMMIT of the second epoch is safe."""

    world: BoundaryWorld

    def feed(self, event: Input) -> None:
        super().feed(event)
        if isinstance(event, VoteDurable):
            vote = event.signed.vote
            if (vote.type, vote.epoch) == (VoteType.COMMIT, 1):
                self.world.note_commit(self.index)


def test_bodies_of_the_next_epoch_outlive_a_power_cut_of_all_at_the_boundary() -> None:
    fallen_back = 0
    for seed in SEEDS:
        world = BoundaryWorld(seed)
        outcome = world.run()
        assert outcome.violation is None, (seed, outcome.violation)
        assert world.has_failed
        fallen_back += world.lost == [0] * 4
    assert fallen_back > len(SEEDS) // 2, "the ledgers had not reached the epoch of the votes"


@pytest.mark.parametrize("size", [1, 2])
def test_a_learner_that_lost_its_votes_can_be_the_second_or_third_validator(size: int) -> None:
    """Without its vote nothing goes on then, and the others are too few to lead it out of a quarantine."""
    for seed in range(10):
        lost = Disk(300, 600, (size,), DiskTrouble.LOST)
        added = Membership(0, 2_500, (size,), ChangeKind.ADD)
        script = Script("learner", seed, size, (added, lost), calm_ms=3_000, deadline_ms=40_000)
        world = World(draw_machines(script, Random(seed)))
        outcome = world.run()
        assert outcome.violation is None, (seed, outcome.violation)
        joined = world.hosts[size].replica
        assert joined is not None
        status = joined.status()
        assert (status.epoch, status.has_vote, status.quarantine) == (1, True, None)
