"""One link's life, as a machine: hello, open, closed.

    HELLO --right hello--> OPEN --silence, bad frame, loss--> CLOSED
      \\-----wrong hello, timeout, bad frame------------------/

TLS comes before: when a session starts, the shell already knows from the certificate *which* validator is at the other
end (or has closed the link). The hello binds the alliance (genesis hash), the protocol version, both node indexes and
the lane, and says what the link is for. The dialling side speaks first, the accepting side answers; nothing else may
come before a hello. Each end says which versions it speaks; the link uses the highest that both do.

Inputs and effects are frozen values; time is microseconds of a monotonic clock.
"""

from collections.abc import Callable
from enum import Enum, IntEnum
from typing import Any

import msgspec

from hansa.errors import HansaError
from hansa.network.errors import HandshakeTimeout, InvalidFrame, InvalidHello, PeerSilent, RefusedPeer
from hansa.network.frames import HELLO_BYTES_MAX, PAYLOAD_BYTES_MAX, Frame, FrameDecoder, FrameKind, encode_frame
from hansa.network.lanes import Lane
from hansa.types import versions

HANDSHAKE_TIMEOUT_US = 5_000_000
PING_INTERVAL_US = 1_000_000  # a silent link is asked this often
PINGS_UNANSWERED_MAX = 3
RTT_INTERVAL_US = 5_000_000  # the vote lane is measured this often, even when busy


class Purpose(IntEnum):
    """What a connection is for."""

    LINK = 0  # to carry the frames of its lane
    KNOCK = 1  # to say that the dialling node has come; the other one dials
    FOLLOW = 2  # a standby reads from the active node of its own validator


class Hello(msgspec.Struct, frozen=True, array_like=True):
    """The first frame in each direction. Later versions may append fields, which this one skips."""

    link_min: int  # versions of frames and messages that the sender speaks
    link_max: int
    genesis_hash: bytes  # 32 bytes
    sender: int  # index in the validator list
    receiver: int
    lane: int
    purpose: int
    protocol_max: int  # highest protocol of the chain that the sender can run
    software: str  # for people, at most 64 characters


def encode_hello(genesis_hash: bytes, sender: int, receiver: int, lane: Lane, purpose: int, software: str) -> bytes:
    """The frame that says hello in the versions of this release."""
    hello = Hello(
        link_min=versions.LINK_MIN,
        link_max=versions.LINK_MAX,
        genesis_hash=genesis_hash,
        sender=sender,
        receiver=receiver,
        lane=lane,
        purpose=purpose,
        protocol_max=versions.PROTOCOL_MAX,
        software=software,
    )
    return encode_frame(Frame(FrameKind.HELLO, msgspec.msgpack.encode(hello)))


class Phase(Enum):
    """Where a session stands."""

    HELLO = "hello"
    OPEN = "open"
    CLOSED = "closed"


class Started(msgspec.Struct, frozen=True):
    """Input: TLS is up."""

    now_us: int


class Received(msgspec.Struct, frozen=True):
    """Input: bytes came."""

    data: bytes
    now_us: int
    wall_ms: int = 0  # Unix time, told to peers that ping


class Ticked(msgspec.Struct, frozen=True):
    """Input: about once a second."""

    now_us: int


class Lost(msgspec.Struct, frozen=True):
    """Input: the connection is gone."""


class Write(msgspec.Struct, frozen=True):
    """Effect: send these bytes."""

    data: bytes


class Opened(msgspec.Struct, frozen=True):
    """Effect: the link may carry frames of this lane from now on."""

    peer: int
    lane: Lane
    purpose: Purpose = Purpose.LINK
    protocol_max: int = 1  # highest protocol of the chain that the peer can run
    version: int = 1  # of frames and messages, spoken on this link


class Deliver(msgspec.Struct, frozen=True):
    """Effect: a frame for the layers above."""

    frame: Frame


class Measured(msgspec.Struct, frozen=True):
    """Effect: one round trip was measured."""

    rtt_us: int
    offset_ms: int | None = None  # how far the peer's wall clock is ahead of ours


class Close(msgspec.Struct, frozen=True):
    """Effect: end the connection; `error` says why."""

    error: HansaError


Input = Started | Received | Ticked | Lost
Effect = Write | Opened | Deliver | Measured | Close

_hello_decoder = msgspec.msgpack.Decoder(Hello)


class SessionFacts(msgspec.Struct, frozen=True):
    """What a session knows before it starts."""

    genesis_hash: bytes
    own: int  # index of this node
    peer: int  # index of the validator whose certificate the other end showed
    lane: Lane | None  # the lane we dial; None on the accepting side, which learns it from the hello
    purpose: Purpose = Purpose.LINK  # on the dialling side
    software: str = "hansa"


class Session:
    """The machine of one link. `step` returns effects in the order in which they must happen."""

    def __init__(self, facts: SessionFacts) -> None:
        self.facts = facts
        self.phase = Phase.HELLO
        self.lane = facts.lane
        self._decoder = FrameDecoder(HELLO_BYTES_MAX)
        self._started_us = 0
        self._heard_us = 0
        self._measured_us = 0
        self._pings_unanswered = 0

    def step(self, event: Input) -> list[Effect]:
        """Handle one input; a closed session answers nothing."""
        if self.phase is Phase.CLOSED:
            return []
        return HANDLERS[type(event)](self, event)

    def _on_started(self, event: Started) -> list[Effect]:
        self._started_us = self._heard_us = event.now_us
        return [] if self.lane is None else [self._own_hello(self.lane, self.facts.purpose)]

    def _on_received(self, event: Received) -> list[Effect]:
        self._heard_us = event.now_us
        self._pings_unanswered = 0
        effects: list[Effect] = []
        self._decoder.feed(event.data)
        try:
            while (frame := self._decoder.next_frame()) is not None:
                if self.phase is Phase.HELLO:
                    effects += self._on_hello(frame)
                else:
                    self._on_frame(frame, event, effects)
        except (InvalidFrame, InvalidHello, RefusedPeer) as error:
            effects += self._close(error)
        return effects

    def _on_ticked(self, event: Ticked) -> list[Effect]:
        if self.phase is Phase.HELLO:
            if event.now_us - self._started_us > HANDSHAKE_TIMEOUT_US:
                return self._close(HandshakeTimeout("no hello within 5 seconds"))
            return []
        silent = event.now_us - self._heard_us >= PING_INTERVAL_US
        if silent and self._pings_unanswered >= PINGS_UNANSWERED_MAX:
            return self._close(PeerSilent(f"{PINGS_UNANSWERED_MAX} pings went unanswered"))
        due = self.lane is Lane.VOTES and event.now_us - self._measured_us >= RTT_INTERVAL_US
        if not silent and not due:
            return []
        self._pings_unanswered += silent
        self._measured_us = event.now_us
        return [Write(encode_frame(Frame(FrameKind.PING, event.now_us.to_bytes(8, "big"))))]

    def _on_lost(self, event: Lost) -> list[Effect]:
        self.phase = Phase.CLOSED
        return []

    def _own_hello(self, lane: Lane, purpose: Purpose) -> Write:
        facts = self.facts
        return Write(encode_hello(facts.genesis_hash, facts.own, facts.peer, lane, purpose, facts.software))

    def _on_hello(self, frame: Frame) -> list[Effect]:
        if frame.kind != FrameKind.HELLO:
            raise InvalidHello("the first frame is not a hello")
        try:
            hello = _hello_decoder.decode(frame.payload)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise InvalidHello("a malformed hello") from error
        lane, purpose, version = check_hello(hello, self.facts)
        self.phase = Phase.OPEN
        self._decoder.payload_bytes_max = PAYLOAD_BYTES_MAX
        answer: list[Effect] = [self._own_hello(lane, purpose)] if self.lane is None else []
        self.lane = lane
        return [*answer, Opened(self.facts.peer, lane, purpose, hello.protocol_max, version)]

    def _on_frame(self, frame: Frame, event: Received, effects: list[Effect]) -> None:
        if frame.kind == FrameKind.PING:
            pong = frame.payload[:8] + event.wall_ms.to_bytes(8, "big")
            effects.append(Write(encode_frame(Frame(FrameKind.PONG, pong))))
        elif frame.kind == FrameKind.PONG:
            rtt_us = event.now_us - int.from_bytes(frame.payload[:8], "big")
            if rtt_us >= 0:
                effects.append(Measured(rtt_us, _clock_offset(frame.payload[8:16], rtt_us, event.wall_ms)))
        elif frame.kind in (FrameKind.MESSAGE, FrameKind.BUNDLE):
            effects.append(Deliver(frame))
        elif frame.kind == FrameKind.HELLO:
            raise InvalidHello("a second hello")

    def _close(self, error: HansaError) -> list[Effect]:
        self.phase = Phase.CLOSED
        return [Close(error)]


def _clock_offset(told: bytes, rtt_us: int, wall_ms: int) -> int | None:
    """How far the peer's wall clock is ahead: it answered half a round trip ago."""
    if len(told) < 8:
        return None
    return int.from_bytes(told, "big") + rtt_us // 2_000 - wall_ms


def check_hello(hello: Hello, facts: SessionFacts) -> tuple[Lane, Purpose, int]:
    """Return lane, purpose and version of a hello that fits this link.

    Raises
    ------
    RefusedPeer: no version in common, another alliance, sender or receiver, an unknown or different lane or purpose.
    """
    version = versions.choose_link(hello.link_min, hello.link_max)
    if version is None:
        raise RefusedPeer(
            f"the peer speaks link versions {hello.link_min} to {hello.link_max}, "
            f"this node {versions.LINK_MIN} to {versions.LINK_MAX}",
            "renew the older one, by way of the releases between",
        )
    if hello.genesis_hash != facts.genesis_hash:
        raise RefusedPeer("the peer belongs to another alliance (its genesis hash differs)", "compare genesis.json")
    if hello.sender != facts.peer or hello.receiver != facts.own:
        raise RefusedPeer(f"a hello from {hello.sender} to {hello.receiver} on the link {facts.peer} to {facts.own}")
    if hello.lane not in Lane.__members__.values() or facts.lane not in (None, hello.lane):
        raise RefusedPeer(f"a hello for lane {hello.lane}, which this link is not")
    if hello.purpose not in Purpose.__members__.values() or (facts.lane is not None and hello.purpose != facts.purpose):
        raise RefusedPeer(f"a hello for purpose {hello.purpose}, which this link is not")
    return Lane(hello.lane), Purpose(hello.purpose), version


HANDLERS: dict[type[Any], Callable[[Session, Any], list[Effect]]] = {
    Started: Session._on_started,
    Received: Session._on_received,
    Ticked: Session._on_ticked,
    Lost: Session._on_lost,
}
