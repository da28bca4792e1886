"""Across epochs: one set of validators for each height, and it is the right one; who has no vote does not vote."""

from typing import TYPE_CHECKING

from hansa.consensus.messages import Message, PrePrepare, ViewChange, Votes, signed_votes
from hansa.consensus.validators import ValidatorSet
from hansa.consensus.values import SealedHead
from hansa.sim.checkers.violation import Violation
from hansa.sim.ledger import SimEpoch, advance, split_hashes

if TYPE_CHECKING:
    from hansa.sim.host import Host
    from hansa.sim.world import World

OWN = (PrePrepare, ViewChange, Votes)  # where a node's own votes leave it


class OneSetPerHeight:
    """Follows the schedule of epochs by itself, from the blocks that the longest ledgers show."""

    def __init__(self) -> None:
        self._epochs: dict[int, int] = {}  # sealed height -> epoch of its certificate

    def on_sent(self, host: "Host", message: Message) -> None:
        """Look at the sender's own votes.

        Raises
        ------
        Violation: it has no vote in that epoch.
        """
        if not isinstance(message, OWN) or host.replica is None:
            return
        config = host.replica.engine_config
        if config.validators.has_vote(host.index):
            return
        for signed in signed_votes(message):
            if signed.signer == host.index and signed.vote.epoch == config.epoch:
                raise Violation("epochs", f"{host.name} has no vote in epoch {config.epoch} and votes")

    def on_executed(self, world: "World", host: "Host", order_hash: bytes) -> None:
        """A block is executed: it belongs to the epoch that its ancestors schedule.

        Raises
        ------
        Violation: it is a closing block, or one of another epoch.
        """
        body = host.ledger.bodies.get(order_hash)
        if not world.asked or body is None or body.block.height <= host.ledger.head.height:
            return
        parent = host.ledger.executed.get(body.block.parent_hash, host.ledger.epoch)
        if body.block.epoch != parent.facts.number:
            what = f"{host.name} executes block {body.block.height} of epoch {body.block.epoch}"
            raise Violation("epochs", f"{what} in epoch {parent.facts.number}")

    def on_sealed(self, host: "Host", head: SealedHead) -> None:
        """A block is final: by the word of one set only.

        Raises
        ------
        Violation: two sets sealed that height.
        """
        epoch = host.ledger.sealed[-1].certificate.epoch
        if self._epochs.setdefault(head.height, epoch) != epoch:
            raise Violation(
                "epochs", f"two sets sealed height {head.height}: of epochs {self._epochs[head.height]}, {epoch}"
            )

    def on_end(self, world: "World") -> None:
        """The run is over: every block of the longest chain was sealed by the set that its ancestors chose.

        Raises
        ------
        Violation: it does not hold.
        """
        longest = world.longest
        if longest is None or not world.asked:
            return
        known: SimEpoch = world.epoch
        for block in longest.ledger.sealed:
            facts, certificate = known.facts, block.certificate
            mask = sum(1 << signer for signer, _ in certificate.signatures)
            is_right = block.head.block.epoch == certificate.epoch == facts.number
            if not is_right or not ValidatorSet.of_epoch(facts).is_quorum(mask):
                raise Violation("epochs", f"block {block.head.height} is not sealed by the set of epoch {facts.number}")
            known = advance(known, block.head.block, split_hashes(block.refs), world.scenario.window)
