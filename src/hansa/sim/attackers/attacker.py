"""What a validator that breaks the protocol may do. An attacker sits on an honest replica and bends what it does."""

from collections.abc import Iterable
from random import Random
from typing import Protocol

import msgspec

from hansa.consensus.messages import Message, PrePrepare, Votes
from hansa.consensus.values import QuorumCertificate, SignedVote, Vote, VoteType
from hansa.types.order import OrderBlock

TURN_US = 50_000  # how often an attacker may act by itself


class Puppet(Protocol):
    """The validator that an attacker bends: a simulated one (`sim/faults.py`), or a process (`chaos/traitors`)."""

    index: int
    size: int  # validators at first
    stories: dict[bytes, OrderBlock]  # own order hash -> the block told in its place; kept over restarts if it can be

    @property
    def peers(self) -> list[int]:
        """All other nodes."""

    @property
    def epoch(self) -> int:
        """The epoch that the replica is in."""

    def root_qc(self) -> QuorumCertificate:
        """The QC that everybody may name: that of the block which the epoch grows from."""

    def order_hash(self, block: OrderBlock) -> bytes:
        """The hash of a block."""

    def sign(self, vote: Vote) -> SignedVote:
        """Sign anything in the own name."""

    def forge(self, signer: int, vote: Vote) -> SignedVote:
        """Claim that another signed a vote."""

    def tell(self, peer: int, message: Message) -> None:
        """Send something of the own."""

    def invent(self) -> bytes:
        """Make a transaction that nobody else has; its hash."""

    def note_provoked(self, peer: int) -> None:
        """A peer was sent two messages that contradict each other."""


class Attacker:
    """Does nothing wrong yet. Each kind overrides what it needs."""

    def __init__(self, puppet: Puppet, rng: Random) -> None:
        self.puppet = puppet
        self.rng = rng

    def on_send(self, peer: int, message: Message) -> Iterable[Message]:
        """Return what goes to a peer instead of a message of the replica's."""
        return (message,)

    def on_receive(self, sender: int, message: Message) -> None:
        """A message arrived, before the replica hears it."""

    def delay_us(self, message: Message) -> int:
        """Return how much later than the replica wants a message goes out."""
        return 0

    def choose(self, refs: bytes) -> bytes:
        """Return the transactions of a proposal, given what an honest pool would choose."""
        return refs

    def on_turn(self) -> None:
        """Called every TURN_US while the attack goes on and the node is up."""


class Rewriting(Attacker):
    """Keeps, for a part of the peers, a second story in which each own block is replaced by another one."""

    def rewrite_block(self, block: OrderBlock) -> OrderBlock:
        """Return the block that takes an own proposal's place; the parent is already that of the second story."""
        return block

    def is_deceived(self, peer: int) -> bool:
        """Whether a peer is told the second story."""
        return True

    def on_send(self, peer: int, message: Message) -> Iterable[Message]:
        """Replace own proposals and the own votes for them."""
        if isinstance(message, PrePrepare) and message.block.proposer == self.puppet.index:
            other = self._retell(message)
            return (other if self.is_deceived(peer) else message,)
        if isinstance(message, Votes) and self.is_deceived(peer):
            return (Votes(tuple(self._revote(signed) for signed in message.votes)),)
        return (message,)

    def _retell(self, message: PrePrepare) -> PrePrepare:
        block = message.block
        order_hash, stories = self.puppet.order_hash, self.puppet.stories
        known = stories.get(order_hash(block))
        if known is None:
            parent = stories.get(block.parent_hash)
            parent_hash = block.parent_hash if parent is None else order_hash(parent)
            known = self.rewrite_block(msgspec.structs.replace(block, parent_hash=parent_hash))
            stories[order_hash(block)] = known
        vote = Vote(VoteType.PROPOSE, known.epoch, known.view, known.height, order_hash(known))
        return PrePrepare(known, message.refs, self.puppet.sign(vote), message.proof)

    def _revote(self, signed: SignedVote) -> SignedVote:
        story = self.puppet.stories.get(signed.vote.hash)
        if story is None or signed.signer != self.puppet.index or signed.vote.type is VoteType.SEAL:
            return signed
        return self.puppet.sign(msgspec.structs.replace(signed.vote, hash=self.puppet.order_hash(story)))
