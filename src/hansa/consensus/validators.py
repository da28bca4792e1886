"""The validator set of one epoch: weights, quorums, and who leads a view.

A set of validators is a bit mask (bit i = the node of stable index i), so that counting a vote is one `|`.
"""

from collections.abc import Iterable
from typing import Self

from hansa.types.epoch import EpochFacts


class ValidatorSet:
    """The nodes of one epoch by stable index.

    Parameters
    ----------
    weights: one integer for each node, in index order; 0 = known, without a vote.
    quorum: weight of a quorum; None = total - t. It may be configured upward, never downward.
    """

    __slots__ = ("_members", "_uniform", "quorum", "size", "tolerated", "total", "voters", "weights")

    def __init__(self, weights: Iterable[int], quorum: int | None = None) -> None:
        self.weights = tuple(weights)
        self.size = len(self.weights)
        self.total = sum(self.weights)
        # t counts what may be faulty whatever q is (rules 1.7): joining and catch-up thresholds stay at t + 1.
        self.tolerated = (self.total - 1) // 3
        least = self.total - self.tolerated
        self.quorum = least if quorum is None else quorum
        assert self.total > 0 and min(self.weights) >= 0, "a validator set needs a member of positive weight"
        assert least <= self.quorum <= self.total, "a quorum may only be configured upward"
        self.voters = tuple(i for i, weight in enumerate(self.weights) if weight)
        self._members = sum(1 << i for i in self.voters)
        self._uniform = max(self.weights) == 1

    @classmethod
    def of_epoch(cls, facts: EpochFacts) -> Self:
        """Return the set that votes in an epoch."""
        return cls(facts.weights)

    def weight_of(self, mask: int) -> int:
        """Return the weight of the validators in `mask`."""
        if self._uniform:
            return (mask & self._members).bit_count()
        return sum(weight for i, weight in enumerate(self.weights) if mask >> i & 1)

    def is_quorum(self, mask: int) -> bool:
        """Whether the validators in `mask` form a quorum."""
        return self.weight_of(mask) >= self.quorum

    def has_honest(self, mask: int) -> bool:
        """Whether at least one validator in `mask` is honest, if no more than t of the weight is faulty."""
        return self.weight_of(mask) > self.tolerated

    def has_vote(self, index: int) -> bool:
        """Whether that node votes in this epoch."""
        return self._members >> index & 1 == 1

    def all_vote(self, mask: int) -> bool:
        """Whether nobody in `mask` is without a vote."""
        return mask & ~self._members == 0

    def leader(self, view: int) -> int:
        """Return the index of the leader of `view`: a function of the view and the epoch's set (rules 1.9)."""
        return self.voters[view % len(self.voters)]

    def others(self, me: int) -> list[int]:
        """Return every validator but `me`, beginning with the next one: the order in which peers are asked."""
        after = [i for i in self.voters if i > me]
        return after + [i for i in self.voters if i < me]


def can_rejoin(validators: ValidatorSet, me: int) -> bool:
    """Whether the others are a quorum without this validator, so that they can lead it out of a quarantine."""
    return validators.is_quorum((1 << validators.size) - 1 & ~(1 << me))
