"""Failures of the simulator's command."""

from hansa.errors import InvalidInput


class InvalidScript(InvalidInput):
    """Bytes that are no fault script."""

    code = "SIM-1"
