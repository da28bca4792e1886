"""A link towards a peer that takes nothing."""

from typing import Any, cast

import msgspec

from hansa.io.link import Dialled, Link
from hansa.network.frames import Frame, FrameKind, encode_frame
from hansa.network.lanes import Lane
from hansa.network.session import Hello, Session, SessionFacts


class Owner:
    """Hears nothing of interest."""

    def wall_ms(self) -> int:
        return 0

    def now_us(self) -> int:
        return 0

    def on_link_open(self, link: Link) -> None:
        pass


class Socket:
    """Notes what is written."""

    def __init__(self) -> None:
        self.written: list[bytes] = []

    def is_closing(self) -> bool:
        return False

    def write(self, data: bytes) -> None:
        self.written.append(data)


async def test_pings_of_a_peer_that_does_not_read_pile_up_nowhere() -> None:
    link, socket = Link(cast(Any, Owner()), Dialled(1, Lane.VOTES)), Socket()
    link._transport = cast(Any, socket)
    link._session = Session(SessionFacts(bytes(32), 0, 1, Lane.VOTES))
    hello = msgspec.msgpack.encode(Hello(1, 1, bytes(32), 1, 0, Lane.VOTES, 0, 1, "peer"))
    ping = encode_frame(Frame(FrameKind.PING, bytes(8)))
    link.data_received(encode_frame(Frame(FrameKind.HELLO, hello)) + ping)
    assert len(socket.written) == 1
    link.pause_writing()
    link.data_received(ping * 1_000)
    assert len(socket.written) == 1
