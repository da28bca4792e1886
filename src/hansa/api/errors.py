"""What the API refuses, with the numbers that JSON-RPC clients see.

HansaError
├── InvalidParams      a parameter is missing or malformed (−32602)
├── MethodNotFound     no such method here (−32601)
├── FilterNotFound     expired, uninstalled or never made (−32000)
├── LimitExceeded      more than one client may have (−32005)
├── Busy               too much work waits (−32005)
├── NotActive          this node is a standby and takes no transactions (−32002)
├── SendTimeout        sent, not final in time (4, EIP-7966)
├── NonceGap           sent, waits for an earlier nonce (6, EIP-7966)
├── CoreRefusal        the native core's own error, passed on as it is
├── RequestRefused     Host, Origin or token (HTTP 401 or 403)
├── UnsafeListen       an address off loopback without a token or client certificates
└── PortTaken          the address cannot be bound
"""

from typing import Any

import msgspec

from hansa.errors import Conflict, HansaError, InvalidInput, NotFound, Refused, Unavailable


class InvalidParams(InvalidInput):
    """A parameter is missing or malformed."""

    code = "RPC-4"
    rpc_code = -32602


class MethodNotFound(NotFound):
    """No such method here."""

    code = "RPC-3"
    rpc_code = -32601


class LimitExceeded(Unavailable):
    """More than one client may have."""

    code = "RPC-5"
    rpc_code = -32005


class FilterNotFound(NotFound):
    """The filter expired, was uninstalled, or was never made here."""

    code = "RPC-10"
    rpc_code = -32000


class Busy(Unavailable):
    """Too much work waits already."""

    code = "RPC-11"
    rpc_code = -32005


class NotActive(Unavailable):
    """This node is its validator's standby: it answers reads, and takes no transactions."""

    code = "RPC-15"


class SendTimeout(Unavailable):
    """The transaction is in the pool and not final yet; `data` of the JSON-RPC error is its hash."""

    code = "RPC-12"
    exit_code = 8
    rpc_code = 4

    def __init__(self, transaction: str, waited_ms: int) -> None:
        cause = f"The transaction was added to the mempool but wasn't processed in {waited_ms}ms."
        super().__init__(cause, "ask eth_getTransactionReceipt for it")
        self.transaction = transaction


class NonceGap(Unavailable):
    """The transaction waits for an earlier nonce; `data` of the JSON-RPC error is the nonce expected."""

    code = "RPC-13"
    rpc_code = 6

    def __init__(self, expected: str) -> None:
        super().__init__("The transaction waits in the pool for an earlier nonce.", f"send nonce {expected} first")
        self.expected = expected


class CoreRefusal(HansaError):
    """The native core's own JSON-RPC error object, passed on as it is."""

    code = "RPC-14"

    def __init__(self, raw: bytes) -> None:
        super().__init__(raw.decode())
        self.raw = raw


class RequestRefused(Refused):
    """This client, by where its request comes from or what it shows."""

    code = "API-1"

    def __init__(self, cause: str, hint: str, status: int = 403) -> None:
        super().__init__(cause, hint)
        self.status = status


class UnsafeListen(Refused):
    """Listening off loopback needs a token or client certificates."""

    code = "API-2"


class PortTaken(Conflict):
    """The address cannot be bound."""

    code = "API-3"


def rpc_error(error: HansaError) -> Any:
    """Build the JSON-RPC error object of an expected failure."""
    if isinstance(error, CoreRefusal):
        return msgspec.Raw(error.raw)
    data: Any = error.as_json()
    if isinstance(error, SendTimeout):
        data = error.transaction
    elif isinstance(error, NonceGap):
        data = error.expected
    else:
        data.pop("cause", None)
    return {"code": error.rpc_code, "message": error.cause, "data": data}
