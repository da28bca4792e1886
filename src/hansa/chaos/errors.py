"""Why torment cannot be inflicted, or what it showed.

Unplayable       a script asks for a fault that this machine or a real process cannot suffer
SandboxFailed    the system refused a namespace, an address or a mount
"""

from hansa.errors import HansaError, InvalidInput


class Unplayable(InvalidInput):
    """A script asks for a fault that this machine, or a real process, cannot suffer."""

    code = "CHAOS-1"


class SandboxFailed(HansaError):
    """The system refused a namespace, an address or a mount."""

    code = "CHAOS-2"
