"""From a request body to its answer: the native core first, Python for what it cannot answer alone."""

import asyncio
import logging
import re
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from hansa._native import NativeError
from hansa.api.calls import Call, decode_call, encode_json, error_text, order_params, result_text
from hansa.api.context import Context, DevControl
from hansa.api.errors import Busy, InvalidParams, MethodNotFound, NotActive
from hansa.api.filters import FilterStore
from hansa.api.methods import DEV_NAMESPACES, NATIVE, PYTHON, Method, namespace_of, nearest_name
from hansa.api.options import READS_WAITING_MAX, WORKERS, ApiOptions
from hansa.api.sending import ReceiptHold, SendGate
from hansa.api.subscriptions import Hub, Sink
from hansa.errors import HansaError
from hansa.types.ports import NodeView

_LOG = logging.getLogger("hansa.api")

# Only hints where to run a body; what it means is decided by the parser. Large bodies are counted through, which
# takes 2 ms for the largest, and never searched for many words. A name may be written with escapes, in which no
# word is found: a body with one goes to a worker.
_SEND = b"eth_sendRawTransaction"
_METHOD = b'"method"'
_ESCAPE = b"\\"
_HEAVY = re.compile("|".join(name for name, heavy in NATIVE.items() if heavy).encode())
_INLINE_BYTES_MAX = 8 * 1024

T = TypeVar("T")


class Dispatcher:
    """Answers bodies for one node."""

    def __init__(self, node: NodeView, options: ApiOptions, dev: DevControl | None = None) -> None:
        self._node = node
        self._dev = dev
        self._namespaces = frozenset((*options.namespaces, *(DEV_NAMESPACES if dev is not None else ())))
        self._filters = FilterStore(time.monotonic)
        self._gate = SendGate(node)
        self._receipts = ReceiptHold(node)
        self._workers = ThreadPoolExecutor(WORKERS, thread_name_prefix="rpc-read")
        self._reads_waiting = 0
        self.hub = Hub(node)

    def start(self) -> None:
        """Begin to publish events."""
        self.hub.start()

    async def stop(self) -> None:
        """Stop publishing and working."""
        await self.hub.stop()
        self._gate.close()
        self._workers.shutdown(wait=False, cancel_futures=True)

    async def answer(self, body: bytes, sink: Sink | None = None) -> bytes:
        """The answer to one body; empty when nothing is to be said."""
        if self._node.is_standby and _SEND in body:
            return _refuse_sends(body)
        return await _edge(self._answer(body, sink), None)

    async def _answer(self, body: bytes, sink: Sink | None) -> bytes:
        whole = await self._answer_natively(body)
        return whole if whole is not None else await self._answer_in_parts(body, sink)

    async def _answer_natively(self, body: bytes) -> bytes | None:
        sends = body.count(_SEND)
        may_send = sends or _ESCAPE in body
        if sends and sends == body.count(_METHOD):  # anything else must not hold up the sends of others
            return await self._gate.answer(body)
        if may_send or self._dev is not None:  # a development node seals before the send call returns
            whole = await self._handle(body)
        else:
            whole = await self._receipts.answer(body, self._handle)
        if may_send and whole is not None:
            self._node.kick()
        return whole

    async def _handle(self, body: bytes) -> bytes | None:
        return await self._run_native(self._node.rpc.handle, body)

    async def _answer_in_parts(self, body: bytes, sink: Sink | None) -> bytes:
        parts = await self._run_native(self._node.rpc.parts, body)
        if isinstance(parts, bytes):
            return parts
        if _SEND in body or _ESCAPE in body:
            self._node.kick()
        texts = [answer if answer is not None else await self._answer_call(request, sink) for request, answer in parts]
        if body.lstrip()[:1] != b"[":
            return texts[0]
        told = [text for text in texts if text]
        return b"[" + b",".join(told) + b"]" if told else b""

    async def _answer_call(self, text: bytes, sink: Sink | None) -> bytes:
        try:
            call = decode_call(text)
        except InvalidParams as error:
            return error_text(error)
        return await _edge(self._run(call, sink), call)

    async def _run(self, call: Call, sink: Sink | None) -> bytes:
        method = self._method(call.method)
        context = Context(self._node, self._dev, self._filters, self.hub, self._gate, self._beside, sink)
        result = await method.answer(context, order_params(call, method.params))
        return result_text(call, encode_json(result))

    def _method(self, name: str) -> Method:
        method = PYTHON.get(name)
        if method is None or namespace_of(name) not in self._namespaces or (method.dev and self._dev is None):
            near = nearest_name(name)
            hint = "rpc.discover lists every method"
            if method is not None and method.dev:
                hint = "it exists on `hansa dev` only"
            elif near is not None and near != name:
                hint = f"did you mean {near}? {hint}"
            raise MethodNotFound(f"the method {name[:64]} does not exist/is not available", hint)
        return method

    async def _run_native(self, work: Callable[[bytes], T], body: bytes) -> T:
        """Cheap work here and now, which keeps a connection's requests in order; the rest in a worker thread."""
        is_plain = _SEND not in body and _ESCAPE not in body
        if len(body) <= _INLINE_BYTES_MAX and is_plain and not _HEAVY.search(body):
            return work(body)
        return await self._beside(partial(work, body))

    async def _beside(self, work: Callable[[], T]) -> T:
        """Work in a worker thread.

        Raises
        ------
        Busy: too many heavy requests wait.
        """
        if self._reads_waiting >= READS_WAITING_MAX:
            raise Busy("too many heavy requests wait", "send it again in a moment")
        self._reads_waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(
                self._workers, self._node.stages.measure, "read for clients", work
            )
        finally:
            self._reads_waiting -= 1


def _refuse_sends(body: bytes) -> bytes:
    """A standby is linked with no member: what it took would wait until it takes over."""
    error = NotActive("this node is a standby and takes no transactions", "send to the active node of this validator")
    try:
        return error_text(error, decode_call(body))
    except InvalidParams:  # a batch, of which nothing is done
        return error_text(error)


async def _edge(work: Awaitable[bytes], call: Call | None) -> bytes:
    """Turn every failure into an answer: a bug of ours must not cost the client its connection."""
    try:
        return await work
    except HansaError as error:
        return error_text(error, call)
    except NativeError as error:
        return error_text(InvalidParams(error.args[1], error.args[2], nativeCode=error.args[0]), call)
    except Exception:  # noqa: BLE001
        _LOG.exception("request failed: %s", "?" if call is None else call.method)
        return error_text(HansaError("internal error", "please report this with the node's log"), call)
