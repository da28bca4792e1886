"""The safety rules, each one a predicate (docs/rules.md 1).

They stand in a class so that tests can prove their worth: a test replaces one rule by its opposite and a checker must
object. The product builds `Rules` itself and no configuration reaches this.
"""

from collections.abc import Iterable

from hansa.consensus.config import TIME_AHEAD_MAX_MS, EngineConfig
from hansa.consensus.pbft.state import Base, Body, Candidate, Entry, PbftState
from hansa.consensus.validators import ValidatorSet
from hansa.consensus.values import QuorumCertificate, SignedVote, TimeoutCertificate, VoteType
from hansa.types.order import OrderBlock, PayloadKind


class Rules:
    """What an honest validator may do."""

    def may_commit(self, qc_view: int, view_asked: int) -> bool:
        """S3: no COMMIT in a view after a VIEW-CHANGE above it."""
        return view_asked <= qc_view

    def may_begin_on(self, fixed: Base | None, base: Base) -> bool:
        """S2: one base per view, fixed by the first PREPARE in it."""
        return fixed is None or fixed == base

    def high_vote(self, votes: Iterable[SignedVote]) -> SignedVote:
        """S4: a new view extends the highest QC, by (view, height), that its TC names."""
        return max(votes, key=lambda signed: (signed.vote.qc_view, signed.vote.height))

    def may_rejoin(self, block_view: int, qc_view: int, wanted: int) -> bool:
        """Rules 1.13: a quarantine ends on a sealed block, and a QC, of a view in which nothing was signed."""
        return min(block_view, qc_view) >= wanted

    def block_to_execute(self, state: PbftState, height: int) -> bytes | None:
        """Rules 1.1: what is executed, and then SEALed, is committed."""
        return state.committed_chain.get(height)

    def may_execute(self, state: PbftState, height: int, executed_height: int) -> bool:
        """Rules 1.11: blocks above the epoch's end are never executed.

        The block that schedules the end lies a window below it, so whoever has executed up to a window below a height
        knows whether the epoch reaches so far.
        """
        is_known = height <= executed_height + state.config.window
        return is_known and (state.epoch_end is None or height <= state.epoch_end)

    def is_within_epoch(self, block: OrderBlock, state: PbftState) -> bool:
        """2.1.6: above the epoch's end stands only what a view begins with: it commits what the view inherited."""
        end = state.closing_end
        return end is None or block.height <= end or block.height == block.base_height + 1

    def latest_time_ms(self, parent_time_ms: int, wall_ms: int) -> int:
        """Rules 1.12: the highest time that a block may claim: a second ahead of us, or its parent's time again.

        A quorum judged the parent. If its clocks were ahead then, the chain stays in that moment until ours reach it.
        """
        return max(wall_ms + TIME_AHEAD_MAX_MS, parent_time_ms)

    def is_child(self, block: OrderBlock, parent: OrderBlock) -> bool:
        """Whether a block may follow its parent, time and sealed hash apart."""
        is_one_epoch = parent.epoch == block.epoch and parent.height > 0
        is_one_view = is_one_epoch and parent.view == block.view
        return (
            block.height == parent.height + 1
            and (block.view >= parent.view or not is_one_epoch)
            and block.base_height == (parent.base_height if is_one_view else parent.height)
            and block.sealed_height >= parent.sealed_height
            and block.time_ms >= parent.time_ms
        )

    def other_base(self, parent: Base) -> Base | None:
        """Rules 1.3: what is neither base, nor PREPAREd at h - 1 in the view, nor certified there, is not extended."""
        return None

    def is_votable(self, entry: Entry) -> bool:
        """Rules 1.2: PREPARE needs the body, and those of all ancestors."""
        return entry.body is Body.HELD and entry.linked

    def may_join(self, validators: ValidatorSet, mask: int) -> bool:
        """2.1.5: so many must ask for a view that somebody honest does; one node's claim is none."""
        return validators.has_honest(mask)

    def qc_to_name(self, state: PbftState) -> QuorumCertificate:
        """S4: a VIEW-CHANGE names the highest QC that its voter knows."""
        return state.high_qc

    def is_own_epoch(self, epoch: int, config: EngineConfig) -> bool:
        """Votes of other epochs count for nothing."""
        return epoch == config.epoch

    def doubts_itself_anew(self) -> bool:
        """Rules 1.13: in a new epoch too a validator asks what others saw of its votes; a quarantine goes on."""
        return True


def signers_mask(signers: Iterable[int]) -> int:
    """Return the validators as a bit mask."""
    mask = 0
    for signer in signers:
        mask |= 1 << signer
    return mask


def is_valid_qc(qc: QuorumCertificate, config: EngineConfig) -> bool:
    """Whether a QC proves its vote, its signatures having been verified. That of the epoch's root needs none."""
    if qc.type is not VoteType.PREPARE or qc.epoch != config.epoch:
        return False
    if qc.height <= config.root_height:
        return (qc.view, qc.height, qc.hash) == (0, config.root_height, config.genesis_order_hash)
    mask = signers_mask(signer for signer, _ in qc.signatures)
    is_distinct = mask.bit_count() == len(qc.signatures) and config.validators.all_vote(mask)
    return is_distinct and config.validators.is_quorum(mask)


def is_valid_tc(tc: TimeoutCertificate, config: EngineConfig, rules: Rules) -> bool:
    """Whether a TC proves its view and its base, its signatures having been verified.

    A VIEW-CHANGE for a higher view counts too: who gave up view w gave up everything below it.
    """
    if tc.epoch != config.epoch or tc.view < 1 or not tc.votes:
        return False
    for signed in tc.votes:
        vote = signed.vote
        if vote.type is not VoteType.VIEW_CHANGE or vote.epoch != tc.epoch:
            return False
        if vote.view < tc.view or vote.qc_view >= tc.view:
            return False
    mask = signers_mask(signed.signer for signed in tc.votes)
    if mask.bit_count() != len(tc.votes) or not config.validators.all_vote(mask):
        return False
    high = rules.high_vote(tc.votes).vote
    names_high = (high.qc_view, high.height, high.hash) == (tc.high_qc.view, tc.high_qc.height, tc.high_qc.hash)
    return names_high and config.validators.is_quorum(mask) and is_valid_qc(tc.high_qc, config)


def is_end_of_term(block: OrderBlock, config: EngineConfig) -> bool:
    """S5: whether a block takes the last height of its leader's term."""
    return block.height >= config.first_height and block.height == block.base_height + config.term


def window_end(sealed_height: int, base_height: int, config: EngineConfig) -> int:
    """2.1.6: the highest height that may be proposed. Counted from the sealed height alone it would deadlock."""
    return max(sealed_height + config.window, base_height + 1)


def is_well_formed(block: OrderBlock, refs: bytes, config: EngineConfig) -> bool:
    """Whether a block can be judged at all, whatever its parent is."""
    return (
        block.epoch == config.epoch
        and block.payload_kind == PayloadKind.TRANSACTION_HASHES
        and block.height > block.base_height >= config.root_height
        and block.height > block.sealed_height >= config.root_height
        and block.height <= block.base_height + config.term
        and block.height <= window_end(block.sealed_height, block.base_height, config)
        and block.proposer == config.validators.leader(block.view)
        and len(refs) == 32 * block.tx_count
        and config.payload_hash(refs) == block.payload_hash
    )


def may_be_empty(block: OrderBlock, state: PbftState) -> bool:
    """Rules 1.10: the first block of a later view may be empty, and each on the way to a known end of the epoch."""
    is_first = block.view > 0 and block.height == block.base_height + 1
    is_closing = state.closing_end is not None and block.height <= state.closing_end
    return block.tx_count > 0 or is_first or is_closing


def get_genuine_base(candidate: Candidate, block: OrderBlock, parent: OrderBlock, state: PbftState) -> Base | None:
    """Return the base that a first block of a view begins on, if its proof makes it genuine.

    TC(v): the QC that the TC makes highest. End-of-term QC of v-1: the last block of that term. View 0: the epoch's
    root.
    """
    base = Base(parent.height, block.parent_hash)
    proof = candidate.proof
    if block.view == 0:
        return base if parent.height == state.config.root_height else None
    if isinstance(proof, TimeoutCertificate):
        is_genuine = proof.view == block.view and is_valid_tc(proof, state.config, state.rules)
        return base if is_genuine and (proof.high_qc.height, proof.high_qc.hash) == (base.height, base.hash) else None
    if isinstance(proof, QuorumCertificate):
        is_handover = proof.view == block.view - 1 and is_end_of_term(parent, state.config)
        is_genuine = is_handover and parent.view == proof.view and is_valid_qc(proof, state.config)
        return base if is_genuine and (proof.height, proof.hash) == (base.height, base.hash) else None
    return None
