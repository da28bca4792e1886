"""What the validators of a run are built with: the real things, unless a test broke one on purpose."""

from collections.abc import Callable

import msgspec

from hansa.consensus.pbft import Rules
from hansa.consensus.signer import Signer
from hansa.consensus.validators import ValidatorSet


def make_plain_signer(index: int) -> Signer:
    """Return a signer with the real marks; its signatures say whose they are."""
    return Signer(index, lambda vote: b"signature of %d" % index)


def make_plain_validators(size: int) -> ValidatorSet:
    """Return a set of equal weights."""
    return ValidatorSet([1] * size)


class Build(msgspec.Struct, frozen=True):
    """Parts of a validator. No configuration of the product reaches this."""

    name: str = "sound"
    rules: Callable[[], Rules] = Rules
    make_signer: Callable[[int], Signer] = make_plain_signer
    make_validators: Callable[[int], ValidatorSet] = make_plain_validators
    keeps_votes: bool = True  # a restarted node finds its vote log
    waits_for_sync: bool = True  # a vote leaves when it is durable, not before
    asks_peers: bool = True  # a restarted node asks what others saw of its votes
    verifies_signatures: bool = True
    blocks_early: int = 0  # so many blocks before an epoch's end the next set takes over


SOUND = Build()
