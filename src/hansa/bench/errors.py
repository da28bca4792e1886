"""Why a measurement cannot be made, or does not count.

InvalidPlan      options that contradict one another
NodeFailed       a node that was started for the measurement does not serve
Unreachable      nobody answers at a port
VoidRun          the run was made but proves nothing: too much lost, or somebody else used the machine
Disagreement     two nodes hold different blocks, or something final is gone
"""

from hansa.errors import Corrupt, HansaError, InvalidInput, Unavailable


class InvalidPlan(InvalidInput):
    """Options that contradict one another."""

    code = "BENCH-1"


class NodeFailed(HansaError):
    """A node that was started for the measurement does not serve."""

    code = "BENCH-2"


class Unreachable(Unavailable):
    """Nobody answers at a port, or not with JSON-RPC over HTTP."""

    code = "BENCH-3"


class VoidRun(HansaError):
    """The run was made but proves nothing."""

    code = "BENCH-4"


class Disagreement(Corrupt):
    """Two nodes hold different blocks, or something final is gone."""

    code = "BENCH-5"
