"""What can go wrong at the command line itself.

HansaError
├── InvalidInput ← Usage
├── Refused      ← NeedsAnswer, RestoreRefused
├── NotFound     ← NoSuchKey, NothingRunning
├── Unavailable  ← NodeDied, NodeSick, NotReady, StoreFailed, SystemRefuses
├── Conflict     ← PortInUse, StillRunning
└── Corrupt      ← BackupBroken, LedgerBroken, LedgerUnreadable
"""

from hansa.errors import Conflict, Corrupt, InvalidInput, NotFound, Refused, Unavailable


class Usage(InvalidInput):
    """The command was not understood."""

    code = "CLI-1"


class NeedsAnswer(Refused):
    """A question would have to be asked, and there is nobody to answer (no terminal, or --no-input)."""

    code = "CLI-2"


class NoSuchKey(NotFound):
    """No account of that name; the hint lists those that there are."""

    code = "CLI-3"


class PortInUse(Conflict):
    """Another process listens where a node should."""

    code = "CLI-4"


class NodeDied(Unavailable):
    """A node ended while it was being started; its last words are in `data`."""

    code = "CLI-5"
    exit_code = 1


class NotReady(Unavailable):
    """A node runs, but did not serve in time."""

    code = "CLI-6"


class SystemRefuses(Unavailable):
    """The operating system refuses: no space, no permission, no such folder."""

    code = "CLI-13"
    exit_code = 1


class StillRunning(Conflict):
    """The node must be stopped for this."""

    code = "CLI-7"


class NothingRunning(NotFound):
    """No node of this folder runs."""

    code = "CLI-8"


class LedgerBroken(Corrupt):
    """`verify` found something that does not hold; every finding is in `data`."""

    code = "CLI-9"


class LedgerUnreadable(Corrupt):
    """The ledger is missing, locked, or so damaged that it cannot even be examined."""

    code = "CLI-12"


class ReceiptFailed(Refused):
    """The transaction is final, and the contract refused in it."""

    code = "CLI-10"
    exit_code = 7


class BackupBroken(Corrupt):
    """A backup does not hold; every finding is in `data`."""

    code = "CLI-14"


class RestoreRefused(Refused):
    """A restored validator has no votes, and the others are too few to take it back."""

    code = "CLI-15"


class StoreFailed(Unavailable):
    """An object store refuses, or does not answer."""

    code = "CLI-17"


class NodeSick(Unavailable):
    """`doctor` found something that keeps a node from doing its part; every finding is in `data`."""

    code = "CLI-16"
    exit_code = 1
