"""Faulty links: a seeded proxy between every two nodes, through which all their bytes pass.

A node reaches its peers over TCP and TLS, so a link can do to it what a network can do to TCP, and nothing else:

- *cut*: nothing passes, in one direction or both; connections stay open and new ones hang, as when packets are dropped;
- *delay*: drawn for each piece of up to 16 KiB; order within a connection stays, connections (one per lane) overtake
  one another;
- *loss*: the stall of a retransmission, doubling while the repeated packet is lost as well;
- *duplicates*: none, since TCP removes them before anybody sees them;
- *bit flips*: TLS notices, and ends the connection.

A cut one way lets the other direction pass, which a real TCP connection would not survive for long: that is the harder
test, and the one that the simulator plays.
"""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random

from hansa.chaos.streets import P2P_PORT, Streets
from hansa.sim.script import Links

PIECE_BYTES = 16 * 1024
PIECES_MAX = 64  # under way on one connection in one direction; beyond it TCP pushes back
CONNECTIONS_MAX = 4_096
RETRANSMIT_S = 0.2  # Linux waits so long at least before it sends a packet again
RETRANSMIT_S_MAX = 1.6


@dataclass(slots=True)
class Direction:
    """What goes from one node to another suffers this."""

    cuts: int = 0  # that hold it now
    troubles: list[Links] = field(default_factory=list)
    opened: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.opened.set()

    def cut(self, delta: int) -> None:
        """Add (1) or take away (-1) a cut."""
        self.cuts += delta
        (self.opened.clear if self.cuts > 0 else self.opened.set)()

    def draw_delay_s(self, draw: Random) -> float:
        """How much later than at once the next piece arrives."""
        delay_s = 0.0
        for trouble in self.troubles:
            delay_s += draw.uniform(0.0, trouble.delay_ms / 1_000)
            pause_s = RETRANSMIT_S
            while pause_s <= RETRANSMIT_S_MAX and draw.randrange(100) < trouble.loss_percent:
                delay_s += pause_s
                pause_s *= 2
        return delay_s

    def flip(self, piece: bytes, draw: Random) -> bytes:
        """The piece as it arrives."""
        if not any(draw.randrange(100) < trouble.flip_percent for trouble in self.troubles):
            return piece
        at = draw.randrange(len(piece))
        return piece[:at] + bytes((piece[at] ^ (1 << draw.randrange(8)),)) + piece[at + 1 :]


class LinkProxy:
    """All links among the places of one run. Lives on the event loop.

    A place is an address with a node process; `identity` says as which validator it speaks. Two places with one
    identity are twins: whoever dials that validator reaches one of them, drawn anew each time. Guests are nodes that
    join later: all others dial them at one address.
    """

    def __init__(self, streets: Streets, identity: Sequence[int], seed: int, guests: Sequence[int] = ()) -> None:
        self._streets = streets
        self._guests = tuple(guests)
        self.identity = list(identity)
        self._draw = Random(f"links/{seed}")
        size = max(identity) + 1
        self.directions = {(a, b): Direction() for a in range(size) for b in range(size) if a != b}
        self.redirected: dict[int, tuple[str, int]] = {}  # validator -> who answers in its place
        self._servers: list[asyncio.Server] = []
        self._running: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen for every place's peers."""
        for place, own in enumerate(self.identity):
            for other in range(max(self.identity) + 1):
                if other != own:
                    await self._listen(self._streets.seen(place, other), place, other)
        for guest in self._guests:
            await self._listen(self._streets.guest(guest), None, guest)

    async def _listen(self, address: str, place: int | None, other: int) -> None:
        handler = self._make_handler(place, other)
        self._servers.append(await asyncio.start_server(handler, address, P2P_PORT, limit=PIECE_BYTES * 4))

    async def stop(self) -> None:
        """Close everything."""
        for server in self._servers:
            server.close()
        for task in list(self._running):
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    def cut(self, nodes: Sequence[int], peers: Sequence[int], delta: int) -> None:
        """Add (1) or take away (-1) a cut of every direction from nodes to peers."""
        for direction in self._between(nodes, peers):
            direction.cut(delta)

    def trouble(self, fault: Links, begins: bool) -> None:
        """Let a fault of links begin or end."""
        for direction in self._between(fault.nodes, fault.peers):
            (direction.troubles.append if begins else direction.troubles.remove)(fault)

    def _between(self, nodes: Sequence[int], peers: Sequence[int]) -> list[Direction]:
        return [self.directions[a, b] for a in nodes for b in peers if a != b]

    def _make_handler(
        self, place: int | None, other: int
    ) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], None]:
        """Carry what comes to `other` from a place; None: from wherever it comes."""

        def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            if len(self._running) >= CONNECTIONS_MAX:
                writer.transport.abort()
                return
            host = str(writer.get_extra_info("peername", ("", 0))[0])
            here = self._streets.place_of(host) if place is None else place
            task = asyncio.create_task(self._carry(here, other, reader, writer))
            self._running.add(task)
            task.add_done_callback(self._running.discard)

        return handle

    async def _carry(self, place: int, other: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one connection from `place` to validator `other` and back, until either end closes it."""
        own = self.identity[place]
        there, back = self.directions[own, other], self.directions[other, own]
        far_writer: asyncio.StreamWriter | None = None
        try:
            await there.opened.wait()
            target = self._draw.choice([p for p, identity in enumerate(self.identity) if identity == other])
            address = self.redirected.get(other, (self._streets.home(target), P2P_PORT))
            local = None if other in self.redirected else (self._streets.seen(target, own), 0)
            far_reader, far_writer = await asyncio.open_connection(*address, local_addr=local, limit=PIECE_BYTES * 4)
            pumps = (
                asyncio.create_task(self._pump(reader, far_writer, there)),
                asyncio.create_task(self._pump(far_reader, writer, back)),
            )
            try:
                await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for pump in pumps:
                    pump.cancel()
                await asyncio.gather(*pumps, return_exceptions=True)
        except OSError:
            pass  # nobody listens there
        finally:
            for end in (writer, far_writer):
                if end is not None:
                    end.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: Direction) -> None:
        """Carry the bytes of one direction until they end, each piece when it is due."""
        loop = asyncio.get_running_loop()
        pieces: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(PIECES_MAX)
        taking = asyncio.create_task(self._take(reader, pieces, way))
        try:
            while True:
                due_s, piece = await pieces.get()
                if due_s > loop.time():
                    await asyncio.sleep(due_s - loop.time())
                await way.opened.wait()
                if not piece:
                    return
                writer.write(piece)
                with contextlib.suppress(ConnectionError):
                    await writer.drain()
                if writer.is_closing():
                    return
        finally:
            taking.cancel()

    async def _take(
        self, reader: asyncio.StreamReader, pieces: "asyncio.Queue[tuple[float, bytes]]", way: Direction
    ) -> None:
        """Read pieces and say when each is due; an empty one is the end."""
        loop = asyncio.get_running_loop()
        due_s = 0.0
        piece = b"begin"
        while piece:
            try:
                piece = await reader.read(PIECE_BYTES)
            except OSError:
                piece = b""
            due_s = max(due_s, loop.time() + way.draw_delay_s(self._draw))
            await pieces.put((due_s, way.flip(piece, self._draw) if piece else b""))
