"""Every expected failure of Hansa, as one tree.

HansaError
├── InvalidInput    the sender's fault: malformed or against the rules; never retried
├── Refused         policy or permission says no
├── Unavailable     not now: retry later, the hint says when or how
├── NotFound        the named thing does not exist here
├── Conflict        the state of things contradicts the request (port in use, folder exists)
└── Corrupt         stored data does not hold; the node stops rather than lie

Rooms subclass these with a fixed `code` per cause. Bugs stay ordinary Python errors.
"""

from typing import Any, ClassVar


class HansaError(Exception):
    """An expected failure with a stable code, its cause and the next step.

    Parameters
    ----------
    cause: what went wrong, in one sentence without a final period.
    hint: the next step for the person who reads it; may be empty.
    data: further machine-readable facts, JSON-serialisable.
    """

    code: ClassVar[str] = "HANSA-0"
    exit_code: ClassVar[int] = 1
    rpc_code: ClassVar[int] = -32603

    def __init__(self, cause: str, hint: str = "", **data: Any) -> None:
        super().__init__(cause)
        self.cause = cause
        self.hint = hint
        self.data = data

    def __str__(self) -> str:
        return f"{self.code}: {self.cause}" + (f" ({self.hint})" if self.hint else "")

    def as_json(self) -> dict[str, Any]:
        """The same object that the CLI's --json, JSON-RPC's error.data and the SDK show."""
        body: dict[str, Any] = {"code": self.code, "cause": self.cause}
        if self.hint:
            body["hint"] = self.hint
        return body | self.data


class InvalidInput(HansaError):
    """Malformed or against the rules; sending it again cannot help."""

    code = "INPUT-1"
    exit_code = 2
    rpc_code = -32602


class Refused(HansaError):
    """Policy or permission says no."""

    code = "REFUSED-1"
    exit_code = 4
    rpc_code = -32003


class Unavailable(HansaError):
    """Not possible now; the hint says when or how to retry."""

    code = "UNAVAILABLE-1"
    exit_code = 3
    rpc_code = -32002


class NotFound(HansaError):
    """The named thing does not exist here."""

    code = "NOTFOUND-1"
    exit_code = 5
    rpc_code = -32001


class Conflict(HansaError):
    """The state of things contradicts the request."""

    code = "CONFLICT-1"
    exit_code = 6
    rpc_code = -32000


class Corrupt(HansaError):
    """Stored data does not hold; stop rather than lie."""

    code = "CORRUPT-1"
    exit_code = 9
    rpc_code = -32000
