"""Messages of the next epoch that come while this node still waits for the last block of its own.

Who leaves an epoch first begins the next one at once. What it says then is kept for those that follow a moment later;
what does not fit is repeated by its sender once it stalls.
"""

from hansa.consensus.messages import BlockResponse, Message, PrePrepare, epoch_of

EARLY_MESSAGES_MAX = 32  # of one peer; the latest are kept
EARLY_PROPOSALS_MAX = 8  # of all peers; the first are kept
EARLY_PROPOSALS_OF_PEER_MAX = 2


class EarlyMessages:
    """A bounded store of messages of one epoch."""

    def __init__(self) -> None:
        self._messages: dict[int, list[Message]] = {}
        self._proposals: list[tuple[int, Message]] = []

    def keep(self, epoch: int, peer: int, message: Message) -> bool:
        """Keep a message if it speaks of `epoch`, which is to come; returns whether it does."""
        if epoch_of(message) != epoch:
            return False
        if isinstance(message, BlockResponse):
            return True  # unsigned, and nobody asked for it yet
        if isinstance(message, PrePrepare):
            if not message.vote.signer == message.block.proposer == peer:
                return True
            of_peer = sum(sender == peer for sender, _ in self._proposals)
            if len(self._proposals) < EARLY_PROPOSALS_MAX and of_peer < EARLY_PROPOSALS_OF_PEER_MAX:
                self._proposals.append((peer, message))
        else:
            kept = self._messages.setdefault(peer, [])
            kept.append(message)
            del kept[:-EARLY_MESSAGES_MAX]
        return True

    def take(self) -> list[tuple[int, Message]]:
        """Return (peer, message), proposals first, and forget them."""
        found = self._proposals + [(peer, message) for peer, kept in self._messages.items() for message in kept]
        self._proposals, self._messages = [], {}
        return found
