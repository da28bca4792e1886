"""The simulated vote log on sectors: what was synced survives what must be survived, the rest is noticed."""

import contextlib
from random import Random

import pytest

from hansa.consensus.errors import CorruptVoteLog, LostVoteLog
from hansa.consensus.values import SignedVote, Vote, VoteRecord, VoteType
from hansa.sim.sectors import SectorLog


def record(height: int) -> VoteRecord:
    vote = Vote(VoteType.PREPARE, 0, 0, height, height.to_bytes(32))
    return VoteRecord(SignedVote(vote, 1, b"signature of 1"), b"")


def log_of(synced: int) -> SectorLog:
    log = SectorLog(1)
    for height in range(1, synced + 1):
        log.append([record(height)])
        log.sync()
    return log


@pytest.mark.parametrize("seed", range(40))
def test_power_cuts_take_only_what_was_not_synced(seed: int) -> None:
    log = log_of(4)
    log.append([record(5)])
    log.cut_power(Random(seed))
    records = log.recover()
    assert records[:4] == tuple(record(height) for height in range(1, 5))
    assert records[4:] in ((), (record(5),))
    log.append([record(6)])
    log.sync()
    assert log.recover() == (*records, record(6))


@pytest.mark.parametrize("seed", range(40))
def test_one_rotten_sector_is_healed(seed: int) -> None:
    log = log_of(4)
    for _ in range(3):
        log.rot(Random(seed), both_copies=False)
        assert len(log.recover()) == 4


@pytest.mark.parametrize("seed", range(40))
def test_two_rotten_copies_are_noticed_unless_they_were_the_last(seed: int) -> None:
    log = log_of(4)
    log.rot(Random(seed), both_copies=True)
    with contextlib.suppress(CorruptVoteLog):
        assert len(log.recover()) == 3  # looks like a write that tore: only peers can tell


def test_a_lying_disk_forgets() -> None:
    log = log_of(2)
    log.is_lying = True
    log.append([record(3)])
    log.sync()
    log.is_lying = False
    log.restore(log.image())
    assert len(log.recover()) == 2


def test_a_lost_log_is_lost() -> None:
    log = log_of(2)
    log.lose()
    with pytest.raises(LostVoteLog):
        log.recover()
