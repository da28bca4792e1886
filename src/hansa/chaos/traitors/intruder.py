"""A validator's key and certificate in bad hands: a peer that passes every check of TLS and then misbehaves.

It takes the place of its validator: it dials everybody, and whoever dials that validator reaches it. What it says on
the four lanes depends on the attack; the simulator's attackers (`sim/attackers`) bear the same names.
"""

import asyncio
import contextlib
import ssl
from collections.abc import Callable, Coroutine
from random import Random
from typing import Any

import msgspec

from hansa import _native
from hansa.chaos.alliance import ChaosAlliance
from hansa.chaos.streets import P2P_PORT
from hansa.consensus.messages import (
    BlockRequest,
    EvidenceReport,
    Message,
    PayloadRequest,
    RangeRequest,
    Rejoin,
    Status,
    ViewChange,
    VoteQuery,
    Votes,
    encode_message,
)
from hansa.consensus.signer import VoteDomain
from hansa.consensus.values import SignedVote, Vote, VoteType, genesis_qc
from hansa.crypto.suite import Suite, keccak256, sign
from hansa.io.key_file import load_consensus_key
from hansa.io.tls import Roster, open_tls
from hansa.network.frames import HEADER, Frame, FrameKind, encode_frame
from hansa.network.lanes import Lane
from hansa.network.session import Hello, Purpose, encode_hello
from hansa.node.assemble import GROUP
from hansa.node.epochs.facts import members_of
from hansa.node.genesis import decode_genesis
from hansa.sim.script import AttackKind

INTRUSIONS = frozenset(
    {AttackKind.GARBAGE, AttackKind.FLOOD, AttackKind.HUGE_VIEW, AttackKind.FORGING, AttackKind.FOREIGN_EPOCH}
)
PAUSE_S = 0.05  # between two attempts to connect
BURST = 10  # messages to each peer in a turn, as in the simulator
TURN_S = 0.05
STORM = 8  # half-open connections to each peer at once
STORM_S = 0.5  # how long each is held
FAR = (1, 5, 1_000_000, 2**62)
GIANT_BYTES = 2**32 - 1


class Intruder:
    """One validator in bad hands. Lives on the event loop."""

    def __init__(self, alliance: ChaosAlliance, validator: int, kind: AttackKind, seed: int) -> None:
        folder = alliance.nodes[validator].folder
        genesis_bytes = folder.genesis.read_bytes()
        genesis = decode_genesis(genesis_bytes)
        self._alliance = alliance
        self._own = validator
        self._draw = Random(f"intruder/{seed}")
        self._say: Callable[[], bytes] = {
            AttackKind.GARBAGE: self._garbage,
            AttackKind.FLOOD: self._flood,
            AttackKind.HUGE_VIEW: self._huge_view,
            AttackKind.FORGING: self._forgery,
            AttackKind.FOREIGN_EPOCH: self._foreign,
        }[kind]
        self._storms = kind is AttackKind.FLOOD
        self._genesis_hash = _native.genesis_hash(genesis_bytes)
        self._order_hash = _native.genesis_order_hash(self._genesis_hash)
        self._digest = VoteDomain(self._genesis_hash, keccak256(GROUP), Suite.STANDARD, keccak256).digest
        self._secret = load_consensus_key(folder.consensus_key, genesis.public_keys()[validator]).secret
        self._tls = open_tls(folder.tls_certificate, folder.tls_key, Roster(members_of(genesis.epoch())), validator)
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Take the validator's place."""
        asyncio.get_running_loop().set_exception_handler(_hush)
        self._server = await asyncio.start_server(self._greet, "127.0.0.1", 0, ssl=self._tls.server)
        host, port = self._server.sockets[0].getsockname()[:2]
        self._alliance.proxy.redirected[self._own] = (host, port)
        for peer in range(self._alliance.size):
            if peer != self._own:
                for lane in Lane:
                    self._begin(self._dial(peer, lane))
                if self._storms:
                    for _ in range(STORM):
                        self._begin(self._storm(peer))

    async def stop(self) -> None:
        """Give the place back."""
        self._alliance.proxy.redirected.pop(self._own, None)
        if self._server is not None:
            self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _begin(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # --- links

    async def _dial(self, peer: int, lane: Lane) -> None:
        """Keep one lane to a peer and talk on it."""
        while True:
            with contextlib.suppress(OSError):
                reader, writer = await self._connect(peer, self._tls.client)
                writer.write(self._hello(peer, lane, Purpose.LINK if peer < self._own else Purpose.KNOCK))
                await self._talk(reader, writer)
            await asyncio.sleep(PAUSE_S)

    async def _storm(self, peer: int) -> None:
        """Begin handshakes and never finish them."""
        while True:
            with contextlib.suppress(OSError):
                _, writer = await self._connect(peer, None)
                writer.write(self._draw.randbytes(5))
                await asyncio.sleep(STORM_S)
                writer.transport.abort()
            await asyncio.sleep(PAUSE_S)

    async def _connect(
        self, peer: int, context: ssl.SSLContext | None
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        streets = self._alliance.streets
        name = None if context is None else ""
        local = (streets.seen(peer, self._own), 0)
        return await asyncio.open_connection(
            streets.home(peer), P2P_PORT, ssl=context, server_hostname=name, local_addr=local
        )

    async def _greet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """A peer dials: answer its hello on its lane."""
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, msgspec.DecodeError):
            head = await reader.readexactly(HEADER.size)
            body = await reader.readexactly(HEADER.unpack(head)[5] + 4)
            hello = msgspec.msgpack.decode(body[:-4], type=Hello)
            writer.write(self._hello(hello.sender, Lane(hello.lane), hello.purpose))
            await self._talk(reader, writer)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Speak until the peer hangs up; what it says is not heard."""
        listening = asyncio.create_task(_drain(reader))
        try:
            while not listening.done():
                for _ in range(BURST):
                    writer.write(self._say())
                await writer.drain()
                await asyncio.sleep(TURN_S)
        finally:
            listening.cancel()
            writer.transport.abort()

    def _hello(self, peer: int, lane: Lane, purpose: int) -> bytes:
        return encode_hello(self._genesis_hash, self._own, peer, lane, purpose, "hansa")

    # --- words

    def _garbage(self) -> bytes:
        """Frames that hold nothing, do not hold, never end, or are none."""
        draw = self._draw
        noise = draw.randbytes(draw.randrange(1, 2_000))
        match draw.randrange(6):
            case 0:
                return noise
            case 1:
                return HEADER.pack(b"Hn", 1, FrameKind.MESSAGE, 0, 0, GIANT_BYTES, 0) + noise
            case 2:
                return encode_frame(Frame(draw.choice((FrameKind.MESSAGE, FrameKind.BUNDLE)), noise))
            case 3:
                frame = bytearray(self._flood())
                frame[draw.randrange(len(frame))] ^= 1 << draw.randrange(8)
                return bytes(frame)
            case 4:
                return encode_frame(Frame(draw.randrange(5, 256), noise))
            case _:
                return _frame(VoteQuery())[: draw.randrange(1, 20)]

    def _flood(self) -> bytes:
        """Votes far away, calls for help, requests for what nobody has."""
        draw = self._draw
        makers: tuple[Callable[[], Message], ...] = (
            lambda: Votes(tuple(self._signed(self._vote()) for _ in range(20))),
            lambda: Status(0, draw.randrange(9), 0, 0, draw.randrange(9), 0, 0, True),
            VoteQuery,
            lambda: Rejoin(0, draw.randrange(5), draw.randrange(9)),
            lambda: BlockRequest(draw.randbytes(32)),
            lambda: PayloadRequest(draw.randbytes(32), draw.randbytes(64)),
            lambda: RangeRequest(draw.randrange(1_000), draw.randrange(100), 64),
            lambda: self._ask_view(draw.randrange(1, 40)),
            self._contradiction,
        )
        return _frame(draw.choice(makers)())

    def _huge_view(self) -> bytes:
        """Claims to be in views without number."""
        view = self._draw.choice(FAR)
        status = Status(0, view, view, 0, 0, 0, 0, True)
        return _frame(self._draw.choice((status, self._ask_view(view))))

    def _forgery(self) -> bytes:
        """Votes in everybody's name."""
        vote = self._vote()
        everybody = range(self._alliance.size)
        return _frame(Votes(tuple(SignedVote(vote, one, self._draw.randbytes(64)) for one in everybody)))

    def _foreign(self) -> bytes:
        """Votes of another epoch, well signed."""
        return _frame(Votes((self._signed(msgspec.structs.replace(self._vote(), epoch=1)),)))

    def _vote(self) -> Vote:
        draw = self._draw
        kind = draw.choice((VoteType.PREPARE, VoteType.COMMIT, VoteType.SEAL))
        view = 0 if kind is VoteType.SEAL else draw.randrange(50)
        return Vote(kind, 0, view, draw.randrange(1, 3_000), draw.randbytes(32))

    def _ask_view(self, view: int) -> Message:
        qc = genesis_qc(self._order_hash)
        return ViewChange(self._signed(Vote(VoteType.VIEW_CHANGE, 0, view, qc.height, qc.hash, qc.view)), qc)

    def _contradiction(self) -> Message:
        vote = Vote(VoteType.PREPARE, 0, self._draw.randrange(50), self._draw.randrange(1, 3_000), b"\x01" * 32)
        return EvidenceReport(self._signed(vote), self._signed(msgspec.structs.replace(vote, hash=b"\x02" * 32)))

    def _signed(self, vote: Vote) -> SignedVote:
        return SignedVote(vote, self._own, sign(self._secret, self._digest(vote)))


def _frame(message: Message) -> bytes:
    return encode_frame(Frame(FrameKind.MESSAGE, encode_message(message)))


def _hush(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Say nothing of connections that end while something is still to be written: intruders' always do."""
    if not isinstance(context.get("exception"), OSError | RuntimeError) or "task" in context:
        loop.default_exception_handler(context)


async def _drain(reader: asyncio.StreamReader) -> None:
    with contextlib.suppress(OSError):
        while await reader.read(65_536):
            pass
