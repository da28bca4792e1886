"""Ways to break PBFT-C, each one rule turned into its opposite. A play or a checker must object to each of them."""

from collections.abc import Iterable

import msgspec

from hansa.consensus.config import EngineConfig
from hansa.consensus.pbft import Rules
from hansa.consensus.pbft.state import Base, Entry, PbftState
from hansa.consensus.signer import Signer
from hansa.consensus.validators import ValidatorSet
from hansa.consensus.values import QuorumCertificate, SignedVote, Vote, genesis_qc
from hansa.sim.build import Build
from hansa.types.order import OrderBlock

FOREVER_MS = 2**62


class Mutant(msgspec.Struct, frozen=True):
    """One broken part, the rule that it breaks, and rows of the fault matrix that provoke it beside the swarm."""

    build: Build
    rule: str
    rows: tuple[str, ...] = ()


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
        """What is committed, else what leads to the highest QC."""
        known = super().block_to_execute(state, height)
        if known is not None:
            return known
        order_hash = state.high_qc.hash
        while (entry := state.entries.get(order_hash)) is not None and entry.block.height > height:
            order_hash = entry.block.parent_hash
        return order_hash if entry is not None and entry.block.height == height else None


class AnyChild(Rules):
    """A block's height, base and times need not fit its parent's."""

    def is_child(self, block: OrderBlock, parent: OrderBlock) -> bool:
        return True


class AnyParent(Rules):
    """Any known block may be extended."""

    def other_base(self, parent: Base) -> Base | None:
        return parent


class VoteWithoutBody(Rules):
    """PREPARE for blocks whose payload nobody may have."""

    def is_votable(self, entry: Entry) -> bool:
        return True


class FollowAnyone(Rules):
    """One node's claim is enough to go to its view."""

    def may_join(self, validators: ValidatorSet, mask: int) -> bool:
        return True


class NameGenesis(Rules):
    """VIEW-CHANGEs are not bound by what was prepared before: they name the genesis."""

    def qc_to_name(self, state: PbftState) -> QuorumCertificate:
        """That of the epoch's root."""
        config = state.config
        return genesis_qc(config.genesis_order_hash, config.epoch, config.root_height)


class AnyEpoch(Rules):
    """Votes of other epochs count like those of this one."""

    def is_own_epoch(self, epoch: int, config: EngineConfig) -> bool:
        return True


class AnyTime(Rules):
    """Blocks of the future are voted for."""

    def latest_time_ms(self, parent_time_ms: int, wall_ms: int) -> int:
        return FOREVER_MS


class RejoinAtOnce(Rules):
    """A quarantine ends as soon as others answered."""

    def may_rejoin(self, block_view: int, qc_view: int, wanted: int) -> bool:
        return True


class OneLess(ValidatorSet):
    """A quorum lacks one vote."""

    def is_quorum(self, mask: int) -> bool:
        return self.weight_of(mask) >= self.quorum - 1


class ExecuteClosing(Rules):
    """What stands above an epoch's end is executed like everything else."""

    def may_execute(self, state: PbftState, height: int, executed_height: int) -> bool:
        return True


class TrustAfterChange(Rules):
    """A new epoch is begun without doubts: no question, and no quarantine that goes on."""

    def doubts_itself_anew(self) -> bool:
        return False


class LaxSigner(Signer):
    """Signs whatever it is given, so that a broken machine is not saved by the signer's marks."""

    def _check(self, vote: Vote, mark: Vote | None) -> None:
        return


def make_lax_signer(index: int) -> Signer:
    """The signer of mutants."""
    return LaxSigner(index, lambda vote: b"signature of %d" % index)


def make_weak_validators(size: int) -> ValidatorSet:
    """A set of equal weights whose quorums lack one vote."""
    return OneLess([1] * size)


def _rules(name: str, rules: type[Rules], rule: str, *rows: str) -> Mutant:
    return Mutant(Build(name, rules, make_lax_signer), rule, rows)


def _part(build: Build, rule: str, *rows: str) -> Mutant:
    return Mutant(build, rule, rows)


MUTANTS = (
    _part(
        Build("no vote log", make_signer=make_lax_signer, keeps_votes=False, asks_peers=False),
        "W2: a restart resumes at its votes",
        "crash loop of all",
        "twins under crashes",
    ),
    _part(
        Build("vote before durable", make_signer=make_lax_signer, waits_for_sync=False, asks_peers=False),
        "W1: a vote is durable before it is sent",
        "power cuts within a sync",
        "equivocating under crashes",
    ),
    _part(
        Build("no question after a restart", asks_peers=False),
        "rules 1.13: peers know later votes than an old log",
        "old images everywhere",
        "old disk image",
    ),
    _part(
        Build("no check of signatures", verifies_signatures=False),
        "security 5.3: every validator verifies every signature",
        "forged signatures",
    ),
    _part(
        Build("quorum off by one", make_signer=make_lax_signer, make_validators=make_weak_validators),
        "rules 1.7: q = n - t",
        "cuts into two parts",
        "equivocating",
    ),
    _rules("COMMIT after VIEW-CHANGE", CommitAfterViewChange, "S3", "twins under crashes"),
    _rules("lowest instead of highest QC", LowestQc, "S4: the new view extends the highest QC"),
    _rules("VIEW-CHANGE without lock", NameGenesis, "S4: a VIEW-CHANGE names the highest QC"),
    _rules("two bases in one view", TwoBases, "S2", "twins"),
    _rules("SEAL before commit", SealBeforeCommit, "rules 1.1"),
    _rules("any parent", AnyParent, "rules 1.3: base, own line, or certified parent", "equivocating", "twins"),
    _rules("no link to the parent", AnyChild, "heights, bases, times fit the parent's", "invalid block"),
    _rules("PREPARE without body", VoteWithoutBody, "rules 1.2", "payload withheld"),
    _rules("blocks of the future", AnyTime, "rules 1.12", "invalid block"),
    _rules("other epochs count", AnyEpoch, "votes of other epochs count for nothing", "foreign epoch"),
    _rules("closing blocks executed", ExecuteClosing, "rules 1.11", "change as the leader crashes"),
    _part(
        Build("next set a block early", blocks_early=1),
        "2.1.8: q of the old set seal the epoch's last block",
        "change under loss",
    ),
    _rules(
        "no doubt after a change",
        TrustAfterChange,
        "rules 1.13: doubts outlive an epoch",
        "old image over a change",
    ),
    _rules("one node's claim is followed", FollowAnyone, "2.1.5: t + 1 must ask for a view", "huge view"),
    _rules("quarantine ends at once", RejoinAtOnce, "rules 1.13", "vote log lost", "old disk image"),
)
