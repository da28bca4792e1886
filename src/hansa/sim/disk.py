"""A node's two logs with power cuts: what was synced stays, of the rest a random beginning survives.

Each log is torn on its own, so that votes may reach the platter before bodies or the other way round.
"""

from random import Random

from hansa.consensus.inputs import HeldBody
from hansa.consensus.values import VoteRecord
from hansa.consensus.vote_log import retained_records
from hansa.sim.ledger import SealedBlock


class SimDisk:
    """The block log and the vote log of one node."""

    def __init__(self) -> None:
        self.blocks: list[HeldBody | SealedBlock] = []
        self.blocks_synced = 0
        self.votes: list[VoteRecord] = []
        self.votes_synced = 0

    def sync_blocks(self, count: int) -> None:
        """The first `count` records of the block log are safe now."""
        self.blocks_synced = max(self.blocks_synced, count)

    def sync_votes(self, count: int) -> None:
        """The first `count` records of the vote log are safe now."""
        self.votes_synced = max(self.votes_synced, count)

    def prune_votes(self, below_height: int) -> None:
        """Begin a new segment; the block log, then the segment are synced before the old one goes."""
        self.blocks_synced = len(self.blocks)
        self.votes = retained_records(self.votes, below_height)
        self.votes_synced = len(self.votes)

    def cut_power(self, rng: Random) -> None:
        """Lose what was not synced, apart from a beginning of random length in each log."""
        self.blocks = self.blocks[: rng.randint(self.blocks_synced, len(self.blocks))]
        self.votes = self.votes[: rng.randint(self.votes_synced, len(self.votes))]
        self.blocks_synced = len(self.blocks)
        self.votes_synced = len(self.votes)
