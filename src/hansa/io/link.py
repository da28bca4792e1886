"""One TLS connection: hands bytes to its session, does what the session says, tells its owner the rest.

And the door through which connections come in: it bounds how many are under way before anybody said who he is.
"""

import asyncio
import errno
import logging
import socket
import ssl
from collections.abc import Callable, Collection
from typing import Protocol, cast

import msgspec

from hansa.errors import HansaError
from hansa.io.clock import Clock
from hansa.io.errors import AddressInUse
from hansa.io.tls import ALPN_PROTOCOL, Roster
from hansa.network.budgets import Crowd, HandshakeLimit
from hansa.network.errors import RefusedPeer
from hansa.network.frames import Frame
from hansa.network.lanes import Lane
from hansa.network.session import (
    Close,
    Deliver,
    Effect,
    Input,
    Lost,
    Measured,
    Opened,
    Purpose,
    Received,
    Session,
    SessionFacts,
    Started,
    Ticked,
    Write,
)

log = logging.getLogger("hansa.network")

TLS_TIMEOUT_S = 5.0
TLS_SHUTDOWN_S = 0.5
NO_DESCRIPTORS_S = 1.0  # so long nobody is accepted where the process has no descriptor left
WRITE_BUFFER_HIGH = 1024 * 1024
WRITE_BUFFER_LOW = 256 * 1024
ACCEPT_BACKLOG = 128


class Address(msgspec.Struct, frozen=True):
    """A TCP address."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Dialled(msgspec.Struct, frozen=True):
    """Whom, for which lane and what for we dialled."""

    peer: int
    lane: Lane
    purpose: Purpose = Purpose.LINK


class LinkOwner(Protocol):
    """What a link tells the transport that owns it."""

    own: int
    genesis_hash: bytes
    roster: Roster

    @property
    def is_paired(self) -> bool:
        """Whether this validator has two nodes, so that its own certificate may come from the other one."""

    def now_us(self) -> int:
        """Microseconds of a monotonic clock."""

    def wall_ms(self) -> int:
        """Unix time in milliseconds."""

    def on_link_made(self, link: "Link") -> None:
        """TLS is up; `on_link_closed` will follow one day."""

    def admit(self, link: "Link") -> None:
        """`link.peer` is known; raises RefusedPeer where it may have no further link."""

    def on_link_open(self, link: "Link") -> None:
        """The hello is done; `link.peer`, `link.lane` and what the peer said are set."""

    def on_link_frame(self, link: "Link", frame: Frame) -> None:
        """One frame came."""

    def on_link_rtt(self, link: "Link", rtt_us: int, offset_ms: int | None) -> None:
        """A round trip was measured, and how far the peer's wall clock is ahead."""

    def on_link_writable(self, link: "Link") -> None:
        """The socket takes more bytes again."""

    def on_link_closed(self, link: "Link") -> None:
        """The link is gone; `link.error` says why, None if the connection just ended."""


class Link(asyncio.Protocol):
    """One connection of one (peer, lane), from the finished TLS handshake to its end."""

    def __init__(self, owner: LinkOwner, dialled: Dialled | None) -> None:
        self.peer = -1
        self.lane: Lane | None = None
        self.purpose = Purpose.LINK if dialled is None else dialled.purpose
        self.protocol_max = 1  # highest protocol of the chain that the peer can run
        self.version = 1  # of frames and messages, spoken here
        self.error: HansaError | None = None
        self.is_open = False
        self.is_settled = False  # was open once
        self.can_write = True
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.is_dialled = dialled is not None
        self.host = ""  # of the other end
        self._owner = owner
        self._dialled = dialled
        self._session: Session | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """TLS is up: find out who this is and start the session."""
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(WRITE_BUFFER_HIGH, WRITE_BUFFER_LOW)
        self.host = plain_host(transport.get_extra_info("peername") or ("", 0))
        self._owner.on_link_made(self)
        try:
            self.peer = self._identify()
            self._owner.admit(self)
        except RefusedPeer as error:
            self.abort(error)
            return
        lane = None if self._dialled is None else self._dialled.lane
        self._session = Session(SessionFacts(self._owner.genesis_hash, self._owner.own, self.peer, lane, self.purpose))
        self._step(Started(self._owner.now_us()))

    def _identify(self) -> int:
        assert self._transport is not None
        tls: ssl.SSLObject = self._transport.get_extra_info("ssl_object")
        certificate = tls.getpeercert(binary_form=True)
        if certificate is None:
            raise RefusedPeer("the peer showed no certificate")
        if tls.selected_alpn_protocol() != ALPN_PROTOCOL:
            raise RefusedPeer(f"the peer speaks {tls.selected_alpn_protocol()!r}, not {ALPN_PROTOCOL}")
        peer = self._owner.roster.identify(certificate)
        if self._dialled is not None and peer != self._dialled.peer:
            raise RefusedPeer(f"validator {peer} answered at the address of {self._dialled.peer}", "check node.toml")
        if peer == self._owner.own and not self._owner.is_paired:
            raise RefusedPeer("the peer shows this node's own certificate", "no two nodes may share a certificate")
        return peer

    def data_received(self, data: bytes) -> None:
        """Bytes came."""
        self._step(Received(data, self._owner.now_us(), self._owner.wall_ms()))

    def tick(self) -> None:
        """About once a second."""
        self._step(Ticked(self._owner.now_us()))

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection ended."""
        if self._session is not None:
            self._session.step(Lost())
        self.is_open = False
        if not self.closed.done():
            self.closed.set_result(None)
            self._owner.on_link_closed(self)

    def pause_writing(self) -> None:
        """The socket's buffer is full."""
        self.can_write = False

    def resume_writing(self) -> None:
        """The socket's buffer has room again."""
        self.can_write = True
        self._owner.on_link_writable(self)

    def write(self, data: bytes) -> None:
        """Send bytes of whole frames."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def pause_reading(self) -> None:
        """Let the peer wait: TCP pushes back."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Take bytes again."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def close(self) -> None:
        """End the connection after what was written has left."""
        if self._transport is not None:
            self._transport.close()

    def abort(self, error: HansaError | None = None) -> None:
        """End the connection now."""
        self.error = self.error or error
        if self._session is not None:
            self._session.step(Lost())
        if self._transport is not None:
            self._transport.abort()

    def _step(self, event: Input) -> None:
        if self._session is None:
            return
        for effect in self._session.step(event):
            self._apply(effect)

    def _apply(self, effect: Effect) -> None:
        match effect:
            case Deliver(frame):
                self._owner.on_link_frame(self, frame)
            case Write(data):
                if self.can_write:  # whoever takes nothing is sent no pings and no pongs either: they would pile up
                    self.write(data)
            case Opened(_, lane, purpose, protocol_max, version):
                self.lane, self.purpose, self.protocol_max, self.version = lane, purpose, protocol_max, version
                self.is_open = self.is_settled = True
                self._owner.on_link_open(self)
            case Measured(rtt_us, offset_ms):
                self._owner.on_link_rtt(self, rtt_us, offset_ms)
            case Close(error):
                self.abort(error)


class DoorFacts(msgspec.Struct, frozen=True):
    """What a door knows: bounds, what stands behind it, and who is told of those that did not come in."""

    crowd: Crowd
    rate: HandshakeLimit
    known: Callable[[], Collection[str]]  # hosts for which room is left
    tls: Callable[[], ssl.SSLContext]
    protocol: Callable[[], asyncio.Protocol]  # of a connection whose handshake is done
    on_refused: Callable[[str, OSError | None], None]  # host, and what went wrong; None = turned away unheard


class Door:
    """Accepts connections and sees them through TLS, no more at once and no faster than its bounds allow."""

    def __init__(self, facts: DoorFacts) -> None:
        self.under_way: dict[asyncio.Task[None], str] = {}  # handshakes, and the host that asked
        self._facts = facts

    async def keep_open(self, listener: socket.socket) -> None:
        """Accept for ever."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, address = await loop.sock_accept(listener)
            except OSError as error:  # out of descriptors: the pause lets some close
                log.error("cannot accept connections: %s", error.strerror, extra={"code": "NET-8"})
                await asyncio.sleep(NO_DESCRIPTORS_S)
                continue
            host = plain_host(address)
            is_full = self._facts.crowd.is_full(self.under_way.values(), host, self._facts.known())
            if is_full or not self._facts.rate.is_allowed(host, Clock.now_us()):
                connection.close()
                self._facts.on_refused(host, None)
                continue
            task = asyncio.create_task(self._greet(connection, host))
            self.under_way[task] = host
            task.add_done_callback(self.under_way.pop)

    async def _greet(self, connection: socket.socket, host: str) -> None:
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                self._facts.protocol,
                connection,
                ssl=self._facts.tls(),
                ssl_handshake_timeout=TLS_TIMEOUT_S,
                ssl_shutdown_timeout=TLS_SHUTDOWN_S,
            )
        except OSError as error:
            connection.close()
            self._facts.on_refused(host, error)


def plain_host(address: tuple[str, int]) -> str:
    """The host of a socket's address; one of IPv4 reads the same on a listener of IPv6."""
    return str(address[0]).removeprefix("::ffff:")


async def resolve_hosts(address: Address) -> set[str]:
    """The addresses that a configured one stands for.

    Raises
    ------
    OSError: its name is not known.
    """
    found = await asyncio.get_running_loop().getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    return {str(place[0]) for *_, place in found}


def open_listener(address: Address) -> socket.socket:
    """Bind and listen.

    Raises
    ------
    AddressInUse: another process has the address, or it is none of this machine.
    """
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setblocking(False)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((address.host, address.port))
        listener.listen(ACCEPT_BACKLOG)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            hint = "stop the process that has it (`ss -ltnp` shows it), or choose another port in node.toml"
            raise AddressInUse(f"{address} is already in use", hint) from error
        raise AddressInUse(f"cannot listen on {address}: {error.strerror}", "check `listen` in node.toml") from error
    return listener
