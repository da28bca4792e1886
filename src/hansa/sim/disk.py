"""A node's two logs with power cuts: what was synced stays, of the rest a random beginning survives.

Each log is torn on its own, so that votes may reach the platter before bodies or the other way round.
"""

from random import Random

from hansa.consensus.inputs import HeldBody
from hansa.consensus.values import VoteRecord
from hansa.consensus.vote_log import retained_records
from hansa.sim.ledger import SealedBlock
from hansa.sim.script import DiskTrouble
from hansa.sim.sectors import SectorLog


class SimDisk:
    """The block log and the vote log of one node.

    Parameters
    ----------
    node: validator index. has_sectors: whether the vote log is kept as real bytes; slower, and it can rot.
    """

    def __init__(self, node: int, has_sectors: bool) -> None:
        self.blocks: list[HeldBody | SealedBlock] = []
        self.votes: list[VoteRecord] = []
        self.is_full = False
        self.extra_sync_us = 0
        self._is_lying = False
        self._blocks_synced = 0
        self._votes_synced = 0
        self._sectors = SectorLog(node) if has_sectors else None
        self._written = 0  # votes that were written to sectors
        self._image: tuple[list[HeldBody | SealedBlock], bytes] | None = None

    def begin_sync(self) -> tuple[int, int]:
        """Write what was appended; returns what a sync that begins now makes safe."""
        if self._sectors is not None and len(self.votes) > self._written:
            self._sectors.append(self.votes[self._written :])
            self._written = len(self.votes)
        return len(self.blocks), len(self.votes)

    def end_sync(self, marks: tuple[int, int]) -> None:
        """What `begin_sync` returned is safe now."""
        if self._is_lying:
            return
        self._blocks_synced = max(self._blocks_synced, marks[0])
        self._votes_synced = max(self._votes_synced, min(marks[1], len(self.votes)))
        if self._sectors is not None:
            self._sectors.sync()

    def prune_votes(self, below_height: int) -> None:
        """Begin a new segment; the block log, then the segment are synced before the old one goes."""
        if self._is_lying:
            return
        self._blocks_synced = len(self.blocks)
        self.votes = retained_records(self.votes, below_height)
        self._votes_synced = len(self.votes)
        if self._sectors is not None:
            self._sectors.prune(self.votes)
            self._written = len(self.votes)

    def cut_power(self, rng: Random) -> None:
        """Lose what was not synced, apart from a beginning of random length in each log."""
        self.blocks = self.blocks[: rng.randint(self._blocks_synced, len(self.blocks))]
        self._blocks_synced = len(self.blocks)
        if self._sectors is None:
            self.votes = self.votes[: rng.randint(self._votes_synced, len(self.votes))]
            self._votes_synced = len(self.votes)
        else:
            self._sectors.cut_power(rng)

    def open_votes(self) -> tuple[VoteRecord, ...]:
        """Return what a starting node finds in its vote log.

        Raises
        ------
        LostVoteLog: it is gone. CorruptVoteLog: it is damaged beyond what its second copies heal.
        """
        if self._sectors is not None:
            self.votes = list(self._sectors.recover())
            self._written = self._votes_synced = len(self.votes)
        return tuple(self.votes)

    def replace_votes(self, first: VoteRecord) -> tuple[VoteRecord, ...]:
        """Begin another vote log in place of one that is no use any more."""
        self.votes = [first]
        self._votes_synced = 1
        if self._sectors is not None:
            self._sectors.prune(self.votes)
            self._written = 1
        return (first,)

    def begin(self, trouble: DiskTrouble, amount_ms: int, rng: Random) -> None:
        """Trouble begins while the node runs."""
        sectors = self._sectors
        assert sectors is not None, "a scenario with disk faults keeps sectors"
        if trouble is DiskTrouble.SLOW:
            self.extra_sync_us += amount_ms * 1_000
        elif trouble is DiskTrouble.FULL:
            self.is_full = True
        elif trouble is DiskTrouble.LYING:
            self._is_lying = sectors.is_lying = True
        elif trouble is DiskTrouble.MISDIRECTED:
            sectors.misdirect_next(rng)
        elif trouble is DiskTrouble.STALE:
            self._image = (self.blocks[: self._blocks_synced], sectors.image())

    def strike(self, trouble: DiskTrouble, amount_ms: int, rng: Random) -> None:
        """Trouble ends; what harms a disk whose node is down happens now."""
        sectors = self._sectors
        assert sectors is not None, "a scenario with disk faults keeps sectors"
        if trouble is DiskTrouble.SLOW:
            self.extra_sync_us -= amount_ms * 1_000
        elif trouble is DiskTrouble.FULL:
            self.is_full = False
        elif trouble is DiskTrouble.LYING:
            self._is_lying = sectors.is_lying = False
        elif trouble in (DiskTrouble.ROTTEN, DiskTrouble.ROTTEN_TWICE):
            sectors.rot(rng, trouble is DiskTrouble.ROTTEN_TWICE)
        elif trouble is DiskTrouble.ROTTEN_BLOCKS and self.blocks:
            del self.blocks[rng.randrange(len(self.blocks)) :]  # recovery cuts the log at what does not hold
            self._blocks_synced = len(self.blocks)
        elif trouble is DiskTrouble.LOST:
            sectors.lose()
        elif trouble is DiskTrouble.STALE and self._image is not None:
            self.blocks = list(self._image[0])
            self._blocks_synced = len(self.blocks)
            sectors.restore(self._image[1])
