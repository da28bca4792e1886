"""Transactions between members: own ones leave in bundles, others' bundles enter the pool.

A bundle leaves at once when the last one left BUNDLE_INTERVAL ago, else when that time is over, so that a single
transaction is not held up and many share a frame. What a slow node cannot take yet pushes back through TCP.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from hansa._native import NativeError
from hansa.io.clock import Clock
from hansa.io.transport import Transport
from hansa.io.worker import Worker
from hansa.network.errors import InvalidFrame
from hansa.network.frames import FrameKind
from hansa.network.lanes import Lane
from hansa.node.errors import native_code
from hansa.types.order import HASH_BYTES

if TYPE_CHECKING:
    from hansa._native import Chain

log = logging.getLogger("hansa.gossip")

BUNDLE_BYTES = 256 * 1024
BUNDLE_INTERVAL_S = 0.030
REMIND_INTERVAL_S = 1.0  # expiry, and what the pool wants to send again
OFFER_COUNT = 1_024  # pending transactions in one bundle for a peer that came
OFFER_BYTES_MAX = 16 * 1024 * 1024  # offered at once; half of what the lane holds
ADMISSION_BYTES_MAX = 8 * 1024 * 1024  # bundles of one peer that wait for admission


class Gossip:
    """Carries transactions in bundles. Lives on the event loop."""

    def __init__(self, chain: "Chain", admission: Worker, on_pool_changed: Callable[[], None]) -> None:
        self._chain = chain
        self._admission = admission
        self._on_pool_changed = on_pool_changed
        self._transport: Transport | None = None
        self._loop = asyncio.get_running_loop()
        self._scheduled: asyncio.TimerHandle | None = None
        self._reminder: asyncio.TimerHandle | None = None
        self._taking = False
        self._again = False
        self._left_at = 0.0
        self._waiting_bytes: dict[int, int] = {}
        self.admitted = 0
        self.refused = 0

    def start(self, transport: Transport | None) -> None:
        """Begin; without a transport (a single node) nothing leaves."""
        self._transport = transport
        self._remind()

    def _remind(self) -> None:
        self._admission.submit("expire", lambda: self._chain.expire(Clock.unix_ms()), self._on_expired)
        self.kick()
        self._reminder = self._loop.call_later(REMIND_INTERVAL_S, self._remind)

    def _on_expired(self, count: int) -> None:
        if count:
            self._on_pool_changed()

    def close(self) -> None:
        """Set no further timers."""
        for timer in (self._reminder, self._scheduled):
            if timer is not None:
                timer.cancel()

    def kick(self) -> None:
        """Own transactions may wait to leave."""
        if self._transport is None or self._scheduled is not None or not self._transport.has_peers:
            return
        if self._taking:
            self._again = True
            return
        delay = self._left_at + BUNDLE_INTERVAL_S - self._loop.time()
        if delay <= 0:
            self._take()
        else:
            self._scheduled = self._loop.call_later(delay, self._take)

    def _take(self) -> None:
        self._scheduled = None
        self._taking = True
        self._left_at = self._loop.time()
        self._admission.submit("bundle own transactions", lambda: self._chain.take_outgoing(BUNDLE_BYTES), self._send)

    def _send(self, bundle: bytes | None) -> None:
        self._taking = False
        if bundle is not None and self._transport is not None:
            self._transport.broadcast(Lane.TRANSACTIONS, FrameKind.BUNDLE, bundle)
            if len(bundle) > BUNDLE_BYTES // 2:
                self._take()  # more may wait
                return
        if self._again:
            self._again = False
            self.kick()

    def on_peer_up(self, peer: int) -> None:
        """A peer came: it may have an empty pool, so it gets what waits in ours, in several bundles."""
        self._admission.submit("offer the pool", self._pending_now, lambda bundles: self._offer(peer, bundles))
        self.kick()

    def _pending_now(self) -> list[bytes]:
        bundles: list[bytes] = []
        cursor = size = 0
        while size < OFFER_BYTES_MAX:
            cursor, hashes = self._chain.pending_hashes_since(cursor)
            if not hashes:
                break
            waiting = [h for h in split_hashes(hashes) if self._chain.status_of(h)[0] == "pending"]
            for start in range(0, len(waiting), OFFER_COUNT):
                if size >= OFFER_BYTES_MAX:
                    break
                bundle = self._chain.payload(b"".join(waiting[start : start + OFFER_COUNT]))
                bundles.append(bundle)
                size += len(bundle)
        return bundles

    def _offer(self, peer: int, bundles: list[bytes]) -> None:
        for bundle in bundles:
            if self._transport is not None and self._transport.is_up(peer):
                self._transport.send(peer, Lane.TRANSACTIONS, FrameKind.BUNDLE, bundle)

    def on_bundle(self, peer: int, bundle: bytes) -> None:
        """A bundle came from a peer."""
        waiting = self._waiting_bytes.get(peer, 0) + len(bundle)
        self._waiting_bytes[peer] = waiting
        if waiting > ADMISSION_BYTES_MAX and self._transport is not None:
            self._transport.set_paused(peer, Lane.TRANSACTIONS, True, "bundles")
        self._admission.submit(
            "admit bundles",
            lambda: self._admit(peer, bundle),
            lambda result: self._on_admitted(peer, len(bundle), result),
        )

    def _admit(self, peer: int, bundle: bytes) -> tuple[int, int] | InvalidFrame:
        try:
            return self._chain.add_bundle(peer, bundle)
        except NativeError as error:
            return InvalidFrame(f"a malformed bundle ({native_code(error)})")

    def _on_admitted(self, peer: int, size: int, result: tuple[int, int] | InvalidFrame) -> None:
        waiting = self._waiting_bytes[peer] = self._waiting_bytes[peer] - size
        transport = self._transport
        if transport is not None and waiting < ADMISSION_BYTES_MAX // 2:
            transport.set_paused(peer, Lane.TRANSACTIONS, False, "bundles")
        if isinstance(result, InvalidFrame):
            if transport is not None:
                transport.refuse_peer(peer, result)
            return
        admitted, refused = result
        self.admitted += admitted
        self.refused += refused
        if admitted:
            self._on_pool_changed()


def split_hashes(joined: bytes) -> list[bytes]:
    """The 32-byte hashes in a concatenation."""
    return [joined[at : at + HASH_BYTES] for at in range(0, len(joined), HASH_BYTES)]
