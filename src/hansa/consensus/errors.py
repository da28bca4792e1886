"""Why consensus refuses or stops. Each class is one cause with a stable code.

InvalidMessage     a peer's bytes are against the rules
RefusedVote        the signer's marks forbid a vote
LostVoteLog        no birth record or no log: this node must not vote before the chain has moved on
ForeignVoteLog     the log belongs to another chain or node
CorruptVoteLog     records that were synced do not hold any more
InvalidEvidence    a file that should prove a lie, and does not
"""

from hansa.errors import Corrupt, InvalidInput, Refused


class InvalidMessage(InvalidInput):
    """A peer message that cannot be decoded or breaks a bound."""

    code = "CONSENSUS-1"


class RefusedVote(Refused):
    """A vote that the signer's marks forbid; signing it could contradict an earlier one."""

    code = "CONSENSUS-2"


class LostVoteLog(Corrupt):
    """The vote log or its birth record is missing."""

    code = "VOTES-1"


class ForeignVoteLog(Corrupt):
    """The vote log was born for another chain or another node."""

    code = "VOTES-2"


class CorruptVoteLog(Corrupt):
    """A synced record of the vote log does not hold; a torn last write is not this."""

    code = "VOTES-3"


class InvalidEvidence(InvalidInput):
    """A file that should prove a validator's lie, and does not."""

    code = "CONSENSUS-3"
