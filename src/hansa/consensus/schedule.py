"""Which leaders failed in an epoch, so that the next one passes over them (rules 1.9).

The sealed blocks of an epoch name the views they were proposed in. A view below that of the epoch's last block of which
no block is sealed is a gap: its leader failed. Who left at least SKIP_GAPS gaps since it last had a block sealed is
passed over in the whole next epoch, those with most gaps first, as long as a quorum may still lead. As nobody who is
passed over has views of its own, everybody leads again an epoch later.

A few gaps say nothing: planned hand-overs on the way out of somebody's quarantine leave some too.
"""

from collections.abc import Sequence

from hansa.consensus.validators import ValidatorSet

SKIP_GAPS = 3


def choose_skipped(validators: ValidatorSet, views: Sequence[int], following: ValidatorSet) -> tuple[int, ...]:
    """Return whom the schedule of the next epoch passes over, ascending.

    Parameters
    ----------
    validators: of the epoch that ends. views: of its sealed blocks, by height; ascending, repeated.
    following: the next epoch's set, its own skip list apart.
    """
    gaps = dict.fromkeys(validators.leaders, 0)
    expected = 0
    for view in views:
        if view >= expected:
            for place, leader in enumerate(validators.leaders):
                gaps[leader] += _count_views(expected, view, place, len(validators.leaders))
            gaps[validators.leader(view)] = 0
            expected = view + 1
    skipped: list[int] = []
    left = following.total
    for leader in sorted(gaps, key=lambda leader: (-gaps[leader], leader)):
        weight = following.weights[leader] if leader < following.size else 0
        if gaps[leader] >= SKIP_GAPS and weight and left - weight >= following.quorum:
            skipped.append(leader)
            left -= weight
    return tuple(sorted(skipped))


def _count_views(first: int, beyond: int, place: int, period: int) -> int:
    """Return how many views from `first` to below `beyond` fall on one place of the schedule."""
    return max(0, (beyond - place + period - 1) // period - (first - place + period - 1) // period)
