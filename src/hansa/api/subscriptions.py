"""eth_subscribe: what was sealed, pooled or synced since, pushed to WebSocket clients.

A client that does not take its messages is dropped, never waited for.
"""

import asyncio
import logging
import secrets
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from hansa.api.errors import InvalidParams, LimitExceeded
from hansa.api.filters import encode_criteria
from hansa.api.options import SUBSCRIPTIONS_MAX, SUBSCRIPTIONS_TOTAL_MAX
from hansa.types.ports import NodeView

_LOG = logging.getLogger("hansa.api")

_PENDING_POLL_SECONDS = 0.05
_SYNCING_POLL_SECONDS = 1.0
_CATCH_UP_BLOCKS_MAX = 1_024
_LOGS_PER_TURN = 512  # pushed in one turn of the event loop


class Sink(Protocol):
    """Where a subscription's messages go."""

    def push(self, message: bytes) -> None:
        """Queue a message; never blocks. A full queue ends the client."""


class Subscription:
    """One subscription of one client."""

    __slots__ = ("criteria", "full", "kind", "name", "sink")

    def __init__(self, name: str, kind: str, sink: Sink, criteria: bytes, full: bool) -> None:
        self.name = name
        self.kind = kind  # newHeads, logs, newPendingTransactions, syncing
        self.sink = sink
        self.criteria = criteria  # the JSON filter of logs
        self.full = full  # newPendingTransactions: whole transactions instead of hashes

    def send(self, result: bytes) -> None:
        """Push one event."""
        self.sink.push(
            b'{"jsonrpc":"2.0","method":"eth_subscription","params":{"subscription":"'
            + self.name.encode()
            + b'","result":'
            + result
            + b"}}"
        )


class Hub:
    """All subscriptions of one node's API."""

    def __init__(self, node: NodeView) -> None:
        self._node = node
        self._by_kind: dict[str, dict[str, Subscription]] = {
            kind: {} for kind in ("newHeads", "logs", "newPendingTransactions", "syncing")
        }
        self._tasks: list[asyncio.Task[None]] = []
        self._pool_cursor = 0

    def start(self) -> None:
        """Begin to watch the node. Call on the event loop."""
        jobs: tuple[Callable[[], Any], ...] = (self._watch_blocks, self._watch_pool, self._watch_syncing)
        self._tasks = [asyncio.create_task(job()) for job in jobs]
        for task in self._tasks:
            task.add_done_callback(_report_end)

    async def stop(self) -> None:
        """Stop watching."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def count(self) -> int:
        """How many subscriptions exist."""
        return sum(len(kind) for kind in self._by_kind.values())

    def add(self, sink: Sink, kind: Any, extra: Any) -> str:
        """Subscribe `sink`; returns the subscription's id.

        Raises
        ------
        InvalidParams: an unknown kind or a malformed filter.
        LimitExceeded: too many subscriptions, or too large a filter.
        """
        group = self._by_kind.get(kind) if isinstance(kind, str) else None
        if group is None:
            raise InvalidParams(f"no subscription {str(kind)[:64]!r}; there are {', '.join(self._by_kind)}")
        mine = sum(1 for one in self._all() if one.sink is sink)
        if mine >= SUBSCRIPTIONS_MAX or self.count() >= SUBSCRIPTIONS_TOTAL_MAX:
            raise LimitExceeded("too many subscriptions", f"at most {SUBSCRIPTIONS_MAX} on one connection")
        criteria = b""
        if kind == "logs":
            criteria = self._check_criteria(extra)
        if kind == "newPendingTransactions" and not group:
            self._pool_cursor = self._node.chain.pending_hashes_since(-1)[0]
        name = hex(secrets.randbits(126) | 1 << 126)
        group[name] = Subscription(name, kind, sink, criteria, full=extra is True)
        return name

    def remove(self, sink: Sink, name: Any) -> bool:
        """Unsubscribe; False when `sink` has no such subscription."""
        for group in self._by_kind.values():
            found = group.get(name) if isinstance(name, str) else None
            if found is not None and found.sink is sink:
                del group[found.name]
                return True
        return False

    def remove_all(self, sink: Sink) -> None:
        """Forget a client."""
        for group in self._by_kind.values():
            for name in [name for name, one in group.items() if one.sink is sink]:
                del group[name]

    def _all(self) -> Iterable[Subscription]:
        for group in self._by_kind.values():
            yield from group.values()

    def _check_criteria(self, extra: Any) -> bytes:
        if extra is not None and not isinstance(extra, dict):
            raise InvalidParams("invalid argument 1 (Filter): not an object")
        # Subscriptions follow the head; a range has no meaning for them.
        criteria = encode_criteria({key: value for key, value in (extra or {}).items() if key in ("address", "topics")})
        self._node.rpc.log_events(0, criteria)  # raises for a malformed one
        return criteria

    async def _watch_blocks(self) -> None:
        last = self._node.chain.head()[0]
        async for height in self._node.sealed_heights():
            near = last < height <= last + _CATCH_UP_BLOCKS_MAX
            for number in range(last + 1 if near else height, height + 1):
                await self._publish_block(number)
            last = height

    async def _publish_block(self, number: int) -> None:
        heads = list(self._by_kind["newHeads"].values())
        logs = list(self._by_kind["logs"].values())
        if heads:
            event = self._node.rpc.head_event(number)
            for one in heads if event is not None else ():
                one.send(event or b"null")
        if logs:
            criteria = list(dict.fromkeys(one.criteria for one in logs))
            found = await asyncio.to_thread(self._find_logs, number, criteria)
            await self._publish_logs(logs, found)

    async def _publish_logs(self, subscriptions: list[Subscription], found: dict[bytes, list[bytes]]) -> None:
        """Push logs in portions, so that many of them for many subscribers hold up nobody else."""
        group = self._by_kind["logs"]
        pushed = 0
        for one in subscriptions:
            for log in found[one.criteria]:
                if one.name not in group:  # unsubscribed, or dropped for not reading
                    break
                one.send(log)
                pushed += 1
                if pushed % _LOGS_PER_TURN == 0:
                    await asyncio.sleep(0)

    def _find_logs(self, number: int, criteria: list[bytes]) -> dict[bytes, list[bytes]]:
        return {one: self._node.rpc.log_events(number, one) for one in criteria}

    async def _watch_pool(self) -> None:
        group = self._by_kind["newPendingTransactions"]
        while True:
            await asyncio.sleep(_PENDING_POLL_SECONDS)
            if not group:
                continue
            self._pool_cursor, hashes = self._node.chain.pending_hashes_since(self._pool_cursor)
            for start in range(0, len(hashes), 32):
                text = b'"0x' + hashes[start : start + 32].hex().encode() + b'"'
                self._publish_pending(list(group.values()), text)

    def _publish_pending(self, subscriptions: list[Subscription], quoted: bytes) -> None:
        whole: bytes | None = None
        for one in subscriptions:
            if one.full and whole is None:
                whole = self._node.rpc.result("eth_getTransactionByHash", b"[" + quoted + b"]")[1]
            one.send(whole or b"null" if one.full else quoted)

    async def _watch_syncing(self) -> None:
        syncing = False
        while True:
            await asyncio.sleep(_SYNCING_POLL_SECONDS)
            now = self._node.status().syncing
            if now != syncing:
                syncing = now
                for one in list(self._by_kind["syncing"].values()):
                    one.send(b"true" if now else b"false")


def _report_end(task: asyncio.Task[None]) -> None:
    """A watcher ends with the API only; anything else is a bug that subscribers would feel as silence."""
    if not task.cancelled() and task.exception() is not None:
        _LOG.critical("subscriptions have stopped", exc_info=task.exception())
