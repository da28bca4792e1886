"""Five ways to break PBFT-C, each one rule turned into its opposite. A checker must object to every one of them."""

from collections.abc import Iterable

from hansa.consensus.pbft import Rules
from hansa.consensus.pbft.state import Base, PbftState
from hansa.consensus.signer import Signer
from hansa.consensus.values import SignedVote, Vote
from hansa.sim.build import Build


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


MUTANTS = (
    Build("no vote log", make_signer=make_lax_signer, keeps_votes=False, asks_peers=False),
    Build("COMMIT after VIEW-CHANGE", CommitAfterViewChange, make_lax_signer),
    Build("lowest instead of highest QC", LowestQc, make_lax_signer),
    Build("two bases in one view", TwoBases, make_lax_signer),
    Build("SEAL before commit", SealBeforeCommit, make_lax_signer),
)
