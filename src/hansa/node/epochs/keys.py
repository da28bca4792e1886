"""Which of a node's consensus keys signs in which epoch."""

from hansa.alliance.layout import NodeFolder
from hansa.consensus.errors import RefusedVote
from hansa.consensus.values import Vote, VoteType
from hansa.crypto.suite import KeyPair, sign
from hansa.io.key_file import read_consensus_key
from hansa.types.epoch import EpochFacts


class NodeKeys:
    """The consensus keys of one node.

    Parameters
    ----------
    folder: where they lie; None for a node in memory, whose only key is `first`.
    index: of the node. first: the key that the node was born with.
    """

    def __init__(self, folder: NodeFolder | None, index: int, first: KeyPair) -> None:
        self._folder = folder
        self._index = index
        self._pairs = {first.public: first}
        self._by_epoch: dict[int, KeyPair] = {}
        self.first = first
        self._read()

    def publics(self) -> tuple[bytes, ...]:
        """All keys that lie here, 33 bytes each."""
        return tuple(self._pairs)

    def begin(self, facts: EpochFacts) -> None:
        """Take the key that an epoch names; that of the one before is kept, which may still have votes to sign.

        Raises
        ------
        UnusableKeyFile: a key file is malformed, or others may read it.
        """
        self._by_epoch = {number: pair for number, pair in self._by_epoch.items() if number == facts.number - 1}
        if self._index >= len(facts.nodes):
            return
        wanted = facts.nodes[self._index].public_key
        if wanted not in self._pairs:
            self._read()
        if wanted in self._pairs:
            self._by_epoch[facts.number] = self._pairs[wanted]

    def sign_vote(self, vote: Vote, digest: bytes) -> bytes:
        """Sign a vote's digest by the key of its epoch.

        A REJOIN is for this node's own log alone and is signed as its birth record is: who lost its ledger with its
        votes need not be known to the epoch in which it begins again.

        Raises
        ------
        RefusedVote: the key that the epoch names does not lie here.
        """
        pair = self.first if vote.type is VoteType.REJOIN else self._by_epoch.get(vote.epoch)
        if pair is None:
            raise RefusedVote(
                f"the key of this node in epoch {vote.epoch} is not here", "hansa key rotate makes it here"
            )
        return sign(pair.secret, digest)

    def _read(self) -> None:
        if self._folder is not None:
            for path in sorted(self._folder.root.glob("consensus-*.key")):
                pair = read_consensus_key(path)
                self._pairs[pair.public] = pair
