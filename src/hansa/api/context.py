"""What a method answered in Python may use: the node, the API's own state, and on `hansa dev` what it can be told."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol

from hansa.api.calls import Params, encode_json
from hansa.api.errors import CoreRefusal
from hansa.api.filters import FilterStore
from hansa.api.sending import SendGate
from hansa.api.subscriptions import Hub, Sink
from hansa.types.ports import NodeView


class DevControl(Protocol):
    """A single development node that can be told what time it is and who owns what.

    Every method is called on the event loop.
    """

    def accounts(self) -> list[bytes]:
        """Addresses whose keys the node holds or that are impersonated, in order."""

    def secret(self, account: bytes) -> bytes | None:
        """The secret key of an unlocked account, None when the node has none."""

    def impersonate(self, account: bytes) -> None:
        """Accept eth_sendTransaction from an account without its key."""

    def stop_impersonating(self, account: bytes) -> None:
        """Undo `impersonate`."""

    def set_auto_impersonate(self, enabled: bool) -> None:
        """Accept eth_sendTransaction from every account."""

    def is_impersonated(self, account: bytes) -> bool:
        """Whether `impersonate` holds for the account."""

    def submit_as(self, sender: bytes, raw: bytes) -> bytes:
        """Admit a transaction as sent by `sender`, whatever its signature; its hash."""

    def mine(self, count: int = 1, interval_s: int | None = None, timestamp: int | None = None) -> None:
        """Seal blocks now, empty ones too; `timestamp` is the first one's time in seconds."""

    def set_automine(self, enabled: bool) -> None:
        """Seal after every send, or only when told."""

    def is_automine(self) -> bool:
        """Whether every send seals."""

    def set_interval(self, milliseconds: int) -> None:
        """Seal a block every so often; 0 = never."""

    def increase_time(self, seconds: int) -> int:
        """Move the clock forward; returns the total offset in seconds."""

    def set_time(self, timestamp: int) -> int:
        """Set the clock, in seconds since 1970; returns the offset to real time."""

    def set_next_timestamp(self, timestamp: int) -> None:
        """Fix the next block's time, in seconds.

        Raises
        ------
        InvalidInput: not after the latest block.
        """

    def set_next_base_fee(self, wei: int) -> None:
        """Fix the next block's base fee."""

    def set_balance(self, account: bytes, wei: int) -> None:
        """Change an account in the latest state."""

    def set_nonce(self, account: bytes, nonce: int) -> None:
        """Change an account in the latest state."""

    def set_code(self, account: bytes, code: bytes) -> None:
        """Change an account in the latest state."""

    def set_storage(self, account: bytes, slot: int, value: int) -> None:
        """Change one slot in the latest state."""

    def snapshot(self) -> int:
        """Remember everything; returns an id from 1 up."""

    def revert(self, snapshot: int) -> bool:
        """Go back to a snapshot, which is used up with all later ones; False when there is none."""

    def reset(self) -> None:
        """Go back to genesis."""

    def drop_transaction(self, transaction: bytes) -> bool:
        """Take a transaction out of the pool; False when it is not there."""

    def facts(self) -> dict[str, Any]:
        """Name, version and settings, for hardhat_metadata and anvil_nodeInfo."""


@dataclass(slots=True, frozen=True)
class Context:
    """The node and the API's own state, for one request."""

    node: NodeView
    dev: DevControl | None  # set on `hansa dev` only
    filters: FilterStore
    hub: Hub
    gate: SendGate
    beside: Callable[[Callable[[], bytes]], Awaitable[bytes]]  # work that may take long, in a thread; bounded
    sink: Sink | None  # the WebSocket client that asks, None over HTTP

    def core(self, method: str, *params: Any) -> bytes:
        """The JSON text of a native method's result.

        Raises
        ------
        CoreRefusal: the method answered with an error.
        """
        ok: bool
        text: bytes
        ok, text = self.node.rpc.result(method, encode_json(params))
        if not ok:
            raise CoreRefusal(text)
        return text


Handler = Callable[[Context, Params], Awaitable[Any]]
