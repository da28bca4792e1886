"""What a method answered in Python may use."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from hansa.api.calls import Params, encode_json
from hansa.api.errors import CoreRefusal
from hansa.api.filters import FilterStore
from hansa.api.ports import DevControl
from hansa.api.sending import SendGate
from hansa.api.subscriptions import Hub, Sink
from hansa.types.ports import NodeView


@dataclass(slots=True, frozen=True)
class Context:
    """The node and the API's own state, for one request."""

    node: NodeView
    dev: DevControl | None  # set on `hansa dev` only
    filters: FilterStore
    hub: Hub
    gate: SendGate
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
