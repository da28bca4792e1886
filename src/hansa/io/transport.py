"""Links to all other validators over TLS 1.3: accepting, dialling, sending by lane, backpressure.

The validator with the higher index dials the one with the lower, one connection per lane. One that starts knocks at
those above it, so that they dial now instead of waiting out their delay. A peer counts as up while all four lanes are
open. Everything runs on one event loop; no method blocks.

A validator with two nodes may act from another address than the others know. So its active node also dials those above
it, whenever they do not come; and its standby reads from it over one link of the sync lane, which bears their common
index at both ends and counts as no peer.
"""

import asyncio
import contextlib
import logging
import random
import socket
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec

from hansa.errors import HansaError
from hansa.io.clock import Clock
from hansa.io.link import (
    TLS_SHUTDOWN_S,
    TLS_TIMEOUT_S,
    Address,
    Dialled,
    Door,
    DoorFacts,
    Link,
    open_listener,
    resolve_hosts,
)
from hansa.io.tls import TlsContexts
from hansa.network import budgets
from hansa.network.errors import InvalidFrame, LaneOverflow, RefusedPeer
from hansa.network.frames import Frame, FrameKind, encode_frame
from hansa.network.lanes import LANE_POLICIES, Lane, LaneQueue
from hansa.network.session import Purpose

log = logging.getLogger("hansa.network")

TICK_S = 1.0
HANDSHAKES_PER_SECOND = 32.0
LINKS_OF_A_PEER_MAX = 3 * len(Lane)  # one a lane, the one that takes its place, and knocks
FLUSH_BYTES = 256 * 1024
COMING_S = 0.5  # so long a paired node waits for those above it to dial, before it dials them


class TransportFacts(msgspec.Struct, frozen=True):
    """What a transport knows before it starts."""

    own: int
    genesis_hash: bytes
    listen: Address
    peers: dict[int, Address]  # all other nodes by index, at the start; none for a standby
    is_paired: bool = False  # this validator has two nodes
    follows: Address | None = None  # this is its standby: the active node is there; nobody else is dialled or heard


class TransportEvents(msgspec.Struct, frozen=True):
    """Whom the transport tells what happens; each is called on the event loop and must return soon."""

    on_message: Callable[[int, Lane, bytes], None]  # peer, lane, payload of a MESSAGE frame
    on_bundle: Callable[[int, bytes], None]  # peer, payload of a BUNDLE frame
    on_peer_up: Callable[[int], None]
    on_peer_down: Callable[[int], None]


class _Outlet:
    """One (peer, lane): the open link, if any, and what waits for it."""

    __slots__ = ("link", "paused", "queue")

    def __init__(self, lane: Lane) -> None:
        self.link: Link | None = None
        self.queue = LaneQueue(LANE_POLICIES[lane])
        self.paused: set[str] = set()  # who does not want more for now


class Transport:
    """All links of one node."""

    def __init__(self, facts: TransportFacts, tls: TlsContexts, events: TransportEvents) -> None:
        self.own = facts.own
        self.genesis_hash = facts.genesis_hash
        self.roster = tls.roster
        self.refused = 0  # connections and peers turned away since the start
        self._facts = facts
        self._tls = tls
        self._events = events
        self._peers: dict[int, Address] = {}
        self._outlets: dict[tuple[int, Lane], _Outlet] = {}  # those of peers that left stay, closed
        if facts.is_paired:
            self._outlets |= {(facts.own, lane): _Outlet(lane) for lane in Lane}
        self._up: set[int] = set()
        self._wake: dict[int, asyncio.Event] = {}  # dial now
        self._protocols: dict[int, int] = {}
        self._rtt_us: dict[int, int] = {}
        self._offset_ms: dict[int, int] = {}
        self._links: set[Link] = set()
        self._known = budgets.KnownHosts()
        self._door = Door(self._make_door())
        self._tasks: list[asyncio.Task[None]] = []
        self._dialling: dict[int, list[asyncio.Task[None]]] = {}  # by peer
        self._bans = budgets.Bans()
        self._listener: socket.socket | None = None
        self._random = random.SystemRandom()
        self._stopping = False
        self.change_peers(tls, facts.peers)

    def now_us(self) -> int:
        """Microseconds of the monotonic clock."""
        return Clock.now_us()

    def wall_ms(self) -> int:
        """Unix time in milliseconds."""
        return Clock.unix_ms()

    # --- life

    async def start(self) -> None:
        """Listen and dial.

        Raises
        ------
        AddressInUse: the listening address cannot be bound.
        """
        self._tasks = [asyncio.create_task(self._tick())]
        if self._facts.follows is not None:
            follow = Dialled(self.own, Lane.SYNC, Purpose.FOLLOW)
            self._tasks.append(asyncio.create_task(self._keep_dialled(follow)))
        else:
            self._listener = open_listener(self._facts.listen)
            self._tasks.append(asyncio.create_task(self._door.keep_open(self._listener)))
        for task in self._tasks:
            task.add_done_callback(_raise_failure)
        for peer in self._peers:
            self._reach(peer)

    def change_peers(self, tls: TlsContexts, peers: dict[int, Address]) -> None:
        """Hold links to these nodes from now on, and know them by this roster; links that stay are not touched."""
        gone = [peer for peer in self._peers if peer not in peers]
        new = [peer for peer in peers if peer not in self._peers]
        self.roster, self._tls, self._peers = tls.roster, tls, dict(peers)
        self._known.change_peers({peer: address.host for peer, address in peers.items()})
        for peer in gone:
            for task in self._dialling.pop(peer, []):
                task.cancel()
            for lane in Lane:
                outlet = self._outlets[peer, lane]
                outlet.queue.clear()
                if outlet.link is not None:
                    outlet.link.close()
        for link in list(self._links):
            if link.peer in gone and not link.is_open:
                link.abort(RefusedPeer(f"validator {link.peer} left before it had said hello"))
        for peer in new:
            self._wake[peer] = asyncio.Event()
            self._outlets |= {(peer, lane): _Outlet(lane) for lane in Lane}
            if self._listener is not None:
                self._reach(peer)

    def _reach(self, peer: int) -> None:
        """Keep dialling a peer, or tell it to dial us."""
        work: list[Coroutine[Any, Any, None]] = []
        if peer < self.own:
            work += [self._keep_dialled(Dialled(peer, lane)) for lane in Lane]
        else:
            work.append(self._knock(peer))
            if self.is_paired:
                work += [self._dial_absent(Dialled(peer, lane)) for lane in Lane]
        self._dialling[peer] = [asyncio.create_task(one) for one in work]
        for task in self._dialling[peer]:
            task.add_done_callback(_raise_failure)

    @property
    def is_paired(self) -> bool:
        """Whether this validator has two nodes."""
        return self._facts.is_paired

    @property
    def bound(self) -> Address:
        """The address that is bound (the one of the configuration unless its port was 0, or nothing is)."""
        if self._listener is None:
            return self._facts.listen
        return Address(self._facts.listen.host, int(self._listener.getsockname()[1]))

    async def stop(self) -> None:
        """Stop dialling and accepting, let written frames leave, close every link."""
        self._stopping = True
        running = [*self._tasks, *self._door.under_way, *(task for tasks in self._dialling.values() for task in tasks)]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        if self._listener is not None:
            self._listener.close()
        links = list(self._links)
        for link in links:
            link.close()
        if links:
            await asyncio.wait([link.closed for link in links], timeout=TLS_SHUTDOWN_S)
        for link in list(self._links):
            link.abort()

    # --- sending

    def send(self, peer: int, lane: Lane, kind: FrameKind, payload: bytes) -> None:
        """Queue one frame for a peer; what is meant for a node that left is dropped.

        Raises
        ------
        InvalidFrame: the payload exceeds the frame limit.
        """
        self._push(peer, lane, encode_frame(Frame(kind, payload)))

    def broadcast(self, lane: Lane, kind: FrameKind, payload: bytes) -> None:
        """Queue one frame for every other validator; it is encoded once.

        Raises
        ------
        InvalidFrame: the payload exceeds the frame limit.
        """
        frame = encode_frame(Frame(kind, payload))
        for peer in self._peers:
            self._push(peer, lane, frame)

    def _push(self, peer: int, lane: Lane, frame: bytes) -> None:
        if peer not in self._peers and peer != self.own:
            return
        outlet = self._outlets[peer, lane]
        if outlet.link is None and not outlet.queue.policy.keep_while_down and not self._is_coming(peer):
            outlet.queue.dropped += 1
            return
        if not outlet.queue.push(frame):
            outlet.queue.clear()
            if outlet.link is not None:
                outlet.link.abort(LaneOverflow(f"the {lane.name.lower()} lane to validator {peer} is full"))
            return
        self._flush(outlet)

    def _is_coming(self, peer: int) -> bool:
        """Whether some lanes are open already: what is meant for the others waits for them."""
        return any(self._outlets[peer, lane].link is not None for lane in Lane)

    @staticmethod
    def _flush(outlet: _Outlet) -> None:
        link = outlet.link
        while link is not None and link.can_write and outlet.queue.bytes_waiting:
            link.write(b"".join(outlet.queue.take(FLUSH_BYTES)))

    # --- who is there

    def is_up(self, peer: int) -> bool:
        """Whether all lanes to a peer are open."""
        return peer in self._up

    @property
    def has_peers(self) -> bool:
        """Whether any peer is up."""
        return bool(self._up)

    def peers_up(self) -> list[int]:
        """The peers that are up, ascending."""
        return sorted(self._up)

    def rtt_us(self, peer: int) -> int | None:
        """The last round trip measured on the vote lane."""
        return self._rtt_us.get(peer)

    def protocol_max(self, peer: int) -> int | None:
        """The highest protocol of the chain that the peer said it can run, when it last came."""
        return self._protocols.get(peer)

    def clock_offset_ms(self, peer: int) -> int | None:
        """How far the peer's wall clock was ahead of ours at the last round trip."""
        return self._offset_ms.get(peer)

    def dropped(self) -> int:
        """Frames given up by full queues and lanes that were down, since the start."""
        return sum(outlet.queue.dropped for outlet in self._outlets.values())

    def refuse_peer(self, peer: int, error: HansaError) -> None:
        """Close every link of a peer that broke the rules; it may dial again."""
        self.refused += 1
        for lane in Lane:
            link = self._outlets[peer, lane].link
            if link is not None:
                link.abort(error)

    def ban_peer(self, peer: int, error: HansaError) -> None:
        """Close every link of a peer that lied, and let none of them open again for a while."""
        length_us = self._bans.add(peer, self.now_us())
        what = f"no links with validator {peer} for {length_us // 1_000_000} s: {error.cause}"
        log.error(what, extra={"code": error.code, "peer": peer} | error.data)
        self.refuse_peer(peer, error)

    def set_paused(self, peer: int, lane: Lane, paused: bool, by: str) -> None:
        """Stop or resume reading one lane of a peer, so that TCP pushes back while the queue of `by` is full; it
        is read again once nobody's is."""
        outlet = self._outlets[peer, lane]
        was_paused = bool(outlet.paused)
        (outlet.paused.add if paused else outlet.paused.discard)(by)
        if outlet.link is not None and bool(outlet.paused) != was_paused:
            (outlet.link.pause_reading if paused else outlet.link.resume_reading)()

    # --- LinkOwner

    def on_link_made(self, link: Link) -> None:
        """Note a link so that it is ticked and closed."""
        self._links.add(link)

    def admit(self, link: Link) -> None:
        """Refuse who is banned, and who has more links than any honest member needs.

        Raises
        ------
        RefusedPeer: either of them.
        """
        self._bans.check(link.peer, self.now_us())
        if sum(other.peer == link.peer for other in self._links) > LINKS_OF_A_PEER_MAX:
            raise RefusedPeer(f"validator {link.peer} has {LINKS_OF_A_PEER_MAX} links already")
        if not link.is_dialled:
            self._known.on_came(link.peer, link.host)

    def on_link_open(self, link: Link) -> None:
        """Put a link into its place; an older one of the same place is stale."""
        assert link.lane is not None
        if link.purpose is Purpose.KNOCK:
            if not link.is_dialled and link.peer in self._wake:
                self._wake[link.peer].set()
            link.close()
            return
        is_follower = link.purpose is Purpose.FOLLOW and link.lane is Lane.SYNC
        is_expected = self.is_paired if link.peer == self.own else link.peer in self._peers  # who left may come late
        if not is_expected or is_follower != (link.peer == self.own):
            link.abort(
                RefusedPeer(f"a link to {link.peer} on the {link.lane.name.lower()} lane, which is none of ours")
            )
            return
        if not is_follower:
            self._protocols[link.peer] = link.protocol_max
        outlet = self._outlets[link.peer, link.lane]
        older, outlet.link = outlet.link, link
        if older is not None:
            older.abort()
        if outlet.paused:
            link.pause_reading()
        self._flush(outlet)
        if (
            link.peer != self.own
            and link.peer not in self._up
            and all(self._outlets[link.peer, lane].link is not None for lane in Lane)
        ):
            self._up.add(link.peer)
            log.info("peer up", extra={"peer": link.peer})
            self._events.on_peer_up(link.peer)

    def on_link_frame(self, link: Link, frame: Frame) -> None:
        """Pass a frame on."""
        assert link.lane is not None
        if frame.kind == FrameKind.BUNDLE:
            if link.lane is not Lane.TRANSACTIONS:  # only that one is not read while bundles wait
                link.abort(InvalidFrame(f"a bundle on the {link.lane.name.lower()} lane"))
                return
            self._events.on_bundle(link.peer, frame.payload)
        else:
            self._events.on_message(link.peer, link.lane, frame.payload)

    def on_link_rtt(self, link: Link, rtt_us: int, offset_ms: int | None) -> None:
        """Note a round trip of the vote lane, and the peer's clock."""
        if link.lane is Lane.VOTES:
            self._rtt_us[link.peer] = rtt_us
            if offset_ms is not None:
                self._offset_ms[link.peer] = offset_ms

    def on_link_writable(self, link: Link) -> None:
        """Send on what waited."""
        if link.lane is not None:
            outlet = self._outlets.get((link.peer, link.lane))
            if outlet is not None and outlet.link is link:
                self._flush(outlet)

    def on_link_closed(self, link: Link) -> None:
        """Take a link out of its place."""
        self._links.discard(link)
        if link.error is not None:
            self.refused += 1
            log.warning(str(link.error), extra={"code": link.error.code, "peer": link.peer})
        outlet = None if link.lane is None else self._outlets.get((link.peer, link.lane))
        if outlet is None or outlet.link is not link:
            return
        outlet.link = None
        if not self._is_coming(link.peer):
            self._forget_queues(link.peer)
        if link.peer in self._up:
            self._up.discard(link.peer)
            if not self._stopping:
                log.info("peer down", extra={"peer": link.peer})
                self._events.on_peer_down(link.peer)

    def _forget_queues(self, peer: int) -> None:
        for lane in Lane:
            queue = self._outlets[peer, lane].queue
            if not queue.policy.keep_while_down:
                queue.clear()

    # --- tasks

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            for link in list(self._links):
                link.tick()

    def _make_door(self) -> DoorFacts:
        burst = max(budgets.HANDSHAKES_AT_ONCE_MAX, 8.0 * len(self._facts.peers))
        return DoorFacts(
            crowd=budgets.Crowd(),
            rate=budgets.HandshakeLimit(HANDSHAKES_PER_SECOND, burst),
            known=lambda: self._known.hosts,
            tls=lambda: self._tls.server,
            protocol=lambda: Link(self, None),
            on_refused=self._on_refused,
        )

    def _on_refused(self, host: str, error: OSError | None) -> None:
        self.refused += 1
        if error is not None:
            log.warning("refused a connection from %s: %s", host, error, extra={"code": "NET-3", "peer": host})

    async def _keep_dialled(self, dialled: Dialled) -> None:
        """Keep one connection open for ever; between failures wait longer and longer, or until the peer knocks."""
        attempt = 0
        wake = self._wake.get(dialled.peer) or asyncio.Event()
        while True:
            attempt = 0 if await self._dial(dialled) else attempt + 1
            wake.clear()
            delay_us = budgets.compute_reconnect_delay_us(attempt, self._random.random())
            delay_us = max(delay_us, self._bans.left_us(dialled.peer, self.now_us()))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(wake.wait(), delay_us / 1_000_000)

    async def _dial_absent(self, dialled: Dialled) -> None:
        """Dial a peer whose part it is to dial, while it does not: it may know another address of this validator."""
        outlet = self._outlets[dialled.peer, dialled.lane]
        attempt = 0
        while True:
            delay_us = budgets.compute_reconnect_delay_us(attempt, self._random.random())
            await asyncio.sleep(max(COMING_S, delay_us / 1_000_000))
            if outlet.link is None:
                attempt = 0 if await self._dial(dialled) else attempt + 1

    async def _knock(self, peer: int) -> None:
        """Tell a peer that this node has come; whether it hears does not matter, since it dials anyway."""
        await self._dial(Dialled(peer, Lane.VOTES, Purpose.KNOCK))

    async def _dial(self, dialled: Dialled) -> bool:
        """Open one connection and wait for its end; returns whether it ever was a link."""
        is_follower = dialled.purpose is Purpose.FOLLOW
        address = self._facts.follows if is_follower else self._peers[dialled.peer]
        assert address is not None, "only a standby follows"
        link = Link(self, dialled)
        try:
            if not is_follower:
                self._known.on_resolved(dialled.peer, await resolve_hosts(address))
            await asyncio.get_running_loop().create_connection(
                lambda: link,
                address.host,
                address.port,
                ssl=self._tls.client,
                server_hostname="",
                ssl_handshake_timeout=TLS_TIMEOUT_S,
                ssl_shutdown_timeout=TLS_SHUTDOWN_S,
            )
        except OSError as error:
            log.debug("cannot reach %s at %s: %s", dialled.peer, address, error, extra={"peer": dialled.peer})
            return False
        await asyncio.shield(link.closed)  # dialling may be cancelled; the link tells of its end all the same
        return link.is_settled


def _raise_failure(task: "asyncio.Task[None]") -> None:
    """A task that keeps links alive has no one who awaits it: what ends it must reach the event loop's handler."""
    error = None if task.cancelled() else task.exception()
    if error is not None:
        raise error
