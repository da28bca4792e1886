"""Why a node that shares its signer may not sign.

SignerUnreachable     the signer process does not answer
RightLost             another node of this validator signs now, or is to
NoStandbyWaits        a take-over was asked for, and nobody is there to take over
TakeoverPending       a take-over was asked for, and did not happen yet
AlreadyPaired         the validator has a standby already
NotPaired             the validator has none
CannotPair            its key changed since genesis, or came later; or its votes are not where they should be
"""

from hansa.errors import Conflict, NotFound, Refused, Unavailable


class SignerUnreachable(Unavailable):
    """The signer process cannot be reached, or is not this validator's."""

    code = "SIGNER-1"


class RightLost(Unavailable):
    """This node may not sign any more: it goes on as the standby."""

    code = "SIGNER-2"


class NoStandbyWaits(Refused):
    """No other node of this validator waits for the right to sign."""

    code = "SIGNER-3"


class TakeoverPending(Unavailable):
    """The active node was asked to pass the right to sign on, and did not do so in time."""

    code = "SIGNER-4"


class AlreadyPaired(Conflict):
    """The validator has a standby already."""

    code = "SIGNER-5"


class NotPaired(NotFound):
    """The validator has one node only."""

    code = "SIGNER-6"


class CannotPair(Refused):
    """A signer holds one key for all epochs, the one that genesis names, and all votes that it signed."""

    code = "SIGNER-7"
