"""A leader that passes over the transactions of some senders."""

from hansa.sim.attackers.attacker import Attacker
from hansa.sim.ledger import split_hashes

CENSORED_BELOW = 64  # of 256: what the first byte of a censored transaction's hash is below


def is_censored(transaction: bytes) -> bool:
    """Whether a transaction is one of those that censors pass over."""
    return transaction[0] < CENSORED_BELOW


class Censoring(Attacker):
    """Leaves them out of its own blocks; votes for those of others like everybody."""

    def choose(self, refs: bytes) -> bytes:
        """Only what is not censored."""
        return b"".join(tx for tx in split_hashes(refs) if not is_censored(tx))
