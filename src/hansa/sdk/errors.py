"""What can go wrong between a client and a node.

HansaError
├── Unavailable  ← NodeUnreachable, NotConfirmed
├── Corrupt      ← InvalidAnswer
├── InvalidInput ← InvalidCall
└── RpcFailed    the node answered with an error
    ├── RpcInvalid  RpcRefused  RpcNotFound  RpcBusy
    └── Reverted     the contract said no
"""

from typing import Any, ClassVar

from hansa.errors import Corrupt, HansaError, InvalidInput, Unavailable


class NodeUnreachable(Unavailable):
    """No node answers at the address."""

    code = "SDK-1"


class NotConfirmed(Unavailable):
    """The transaction was sent and accepted, but is not final yet; `data["hash"]` finds it later."""

    code = "SDK-2"
    exit_code = 8


class InvalidAnswer(Corrupt):
    """What answers is no JSON-RPC server, or it answers out of turn."""

    code = "SDK-3"
    exit_code = 1


class InvalidCall(InvalidInput):
    """A signature, an argument, an address or a hash that cannot be encoded."""

    code = "SDK-4"


class RpcFailed(HansaError):
    """The node answered with an error; `code` in JSON is the node's own where it gave one."""

    code = "SDK-5"
    usual_hint: ClassVar[str] = "the node's own log may say more: hansa logs"

    def __init__(self, cause: str, hint: str = "", **data: Any) -> None:
        self.remote_code: str | None = data.pop("code", None)
        super().__init__(cause, hint or self.usual_hint, **data)

    def as_json(self) -> dict[str, Any]:
        """The common error object with the node's own stable code."""
        return super().as_json() | ({"code": self.remote_code} if self.remote_code else {})


class RpcInvalid(RpcFailed):
    """The node finds the request malformed."""

    code = "SDK-6"
    exit_code = 2
    usual_hint = "check the words of the command; is this node of another release?"


class RpcRefused(RpcFailed):
    """The node refuses the transaction or the request."""

    code = "SDK-7"
    exit_code = 4
    usual_hint = "mend what the node names, then send again; nothing was changed"


class RpcNotFound(RpcFailed):
    """The node does not have what was asked for."""

    code = "SDK-8"
    exit_code = 5
    usual_hint = "is it another alliance's, or older than what this node keeps?"


class RpcBusy(RpcFailed):
    """The node cannot answer now, or not that much at once."""

    code = "SDK-9"
    exit_code = 3
    usual_hint = "try again in a moment, or ask for less at once"


class Reverted(RpcFailed):
    """The contract refused; the cause is its own word where it gave one."""

    code = "SDK-10"
    exit_code = 7
    usual_hint = "the contract refuses this; nothing was changed"


# JSON-RPC 2.0 section 5.1 and EIP-1474; 3 is what every Ethereum node answers for a revert.
BY_RPC_CODE: dict[int, type[RpcFailed]] = {
    3: Reverted,
    -32700: RpcInvalid,
    -32600: RpcInvalid,
    -32601: RpcInvalid,
    -32602: RpcInvalid,
    -32000: RpcRefused,
    -32003: RpcRefused,
    -32001: RpcNotFound,
    -32002: RpcBusy,
    -32005: RpcBusy,
}
