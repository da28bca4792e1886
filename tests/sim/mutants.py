"""Five ways to break PBFT-C, each one rule turned into its opposite. A checker must object to every one of them."""

from collections.abc import Callable, Iterable

import msgspec

from hansa.consensus.pbft import Rules
from hansa.consensus.pbft.state import Base, PbftState
from hansa.consensus.signer import Signer
from hansa.consensus.values import SignedVote, Vote
from hansa.sim.world import make_plain_signer


class CommitAfterViewChange(Rules):
    """COMMIT in a view that was given up."""

    def may_commit(self, qc_view: int, view_asked: int) -> bool:
        return True


class LowestQc(Rules):
    """A new view extends the lowest QC of its TC."""

    def high_vote(self, votes: Iterable[SignedVote]) -> SignedVote:
        return min(votes, key=lambda signed: (signed.vote.qc_view, signed.vote.height))


class TwoBases(Rules):
    """Any genuine base may be voted for, whatever was voted for before in the same view."""

    def may_begin_on(self, fixed: Base | None, base: Base) -> bool:
        return True


class SealBeforeCommit(Rules):
    """Prepared blocks are executed and SEALed."""

    def block_to_execute(self, state: PbftState, height: int) -> bytes | None:
        known = super().block_to_execute(state, height)
        if known is not None:
            return known
        order_hash = state.high_qc.hash
        while (entry := state.entries.get(order_hash)) is not None and entry.block.height > height:
            order_hash = entry.block.parent_hash
        return order_hash if entry is not None and entry.block.height == height else None


class LaxSigner(Signer):
    """Signs whatever it is given, so that a broken machine is not saved by the signer's marks."""

    def _check(self, vote: Vote, mark: Vote | None) -> None:
        return


def make_lax_signer(index: int) -> Signer:
    """The signer of mutants."""
    return LaxSigner(index, lambda vote: b"", lambda digest: b"signature of %d" % index)


class Mutant(msgspec.Struct, frozen=True):
    """What a world is built with instead of the real thing."""

    name: str
    rules: Callable[[], Rules]
    keeps_votes: bool = True
    make_signer: Callable[[int], Signer] = make_lax_signer


MUTANTS = (
    Mutant("no vote log", Rules, keeps_votes=False),
    Mutant("COMMIT after VIEW-CHANGE", CommitAfterViewChange),
    Mutant("lowest instead of highest QC", LowestQc),
    Mutant("two bases in one view", TwoBases),
    Mutant("SEAL before commit", SealBeforeCommit),
)
SOUND = Mutant("none", Rules, make_signer=make_plain_signer)
