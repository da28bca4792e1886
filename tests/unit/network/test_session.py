"""The session machine: both ends of a link without a socket."""

import msgspec
import pytest

from hansa.errors import HansaError
from hansa.network.errors import HandshakeTimeout, InvalidFrame, InvalidHello, PeerSilent, RefusedPeer
from hansa.network.frames import HELLO_BYTES_MAX, PAYLOAD_BYTES_MAX, Frame, FrameKind, encode_frame
from hansa.network.lanes import Lane
from hansa.network.session import (
    HANDLERS,
    HANDSHAKE_TIMEOUT_US,
    PING_INTERVAL_US,
    RTT_INTERVAL_US,
    Close,
    Deliver,
    Effect,
    Hello,
    Lost,
    Measured,
    Opened,
    Phase,
    Received,
    Session,
    SessionFacts,
    Started,
    Ticked,
    Write,
)
from hansa.types import versions

GENESIS = b"\x07" * 32


def dialling(lane: Lane = Lane.VOTES) -> Session:
    return Session(SessionFacts(GENESIS, own=1, peer=0, lane=lane))


def accepting() -> Session:
    session = Session(SessionFacts(GENESIS, own=0, peer=1, lane=None))
    assert session.step(Started(0)) == []
    return session


def written(effects: list[Effect]) -> bytes:
    return b"".join(effect.data for effect in effects if isinstance(effect, Write))


def open_pair(lane: Lane = Lane.VOTES) -> tuple[Session, Session]:
    dialler, acceptor = dialling(lane), accepting()
    answer = acceptor.step(Received(written(dialler.step(Started(0))), 0))
    assert dialler.step(Received(written(answer), 0)) == [Opened(0, lane)]
    assert (dialler.phase, acceptor.phase) == (Phase.OPEN, Phase.OPEN)
    return dialler, acceptor


def closing_error(effects: list[Effect]) -> HansaError:
    assert isinstance(effects[-1], Close)
    return effects[-1].error


def hello(**changes: object) -> bytes:
    fields: dict[str, object] = {
        "link_min": 1, "link_max": 1, "genesis_hash": GENESIS, "sender": 1, "receiver": 0, "lane": 0, "purpose": 0,
        "protocol_max": 1, "software": "",
    }  # fmt: skip
    return encode_frame(Frame(FrameKind.HELLO, msgspec.msgpack.encode(Hello(**(fields | changes)))))  # type: ignore[arg-type]


@pytest.mark.parametrize("lane", list(Lane))
def test_both_ends_open_the_lane_that_was_dialled(lane: Lane) -> None:
    _, acceptor = open_pair(lane)
    assert acceptor.lane is lane


@pytest.mark.parametrize(
    ("own", "peer", "spoken"), [((1, 1), (1, 2), 1), ((1, 2), (1, 1), 1), ((1, 2), (2, 3), 2), ((2, 3), (1, 1), None)]
)
def test_a_link_uses_the_highest_version_that_both_ends_speak(
    own: tuple[int, int], peer: tuple[int, int], spoken: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(versions, "LINK_MIN", own[0])
    monkeypatch.setattr(versions, "LINK_MAX", own[1])
    effects = accepting().step(Received(hello(link_min=peer[0], link_max=peer[1], protocol_max=7), 0))
    opened = [effect for effect in effects if isinstance(effect, Opened)]
    assert [(one.version, one.protocol_max) for one in opened] == ([] if spoken is None else [(spoken, 7)])


def test_fields_of_a_later_hello_are_skipped() -> None:
    fields = [1, 4, GENESIS, 1, 0, 0, 0, 1, "later", "something new"]
    effects = accepting().step(Received(encode_frame(Frame(FrameKind.HELLO, msgspec.msgpack.encode(fields))), 0))
    assert any(isinstance(effect, Opened) for effect in effects)


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"link_min": 2, "link_max": 3}, "speaks link versions 2 to 3"),
        ({"purpose": 9}, "purpose 9"),
        ({"genesis_hash": b"\x08" * 32}, "another alliance"),
        ({"sender": 2}, "hello from 2"),
        ({"receiver": 3}, "to 3"),
        ({"lane": 4}, "lane 4"),
    ],
)
def test_a_hello_that_does_not_fit_is_refused(changes: dict[str, object], cause: str) -> None:
    error = closing_error(accepting().step(Received(hello(**changes), 0)))
    assert isinstance(error, RefusedPeer)
    assert cause in error.cause


def test_an_answer_for_another_lane_is_refused() -> None:
    dialler = dialling(Lane.SYNC)
    dialler.step(Started(0))
    answer = Hello(1, 1, GENESIS, 0, 1, Lane.VOTES, 0, 1, "")
    effects = dialler.step(Received(encode_frame(Frame(FrameKind.HELLO, msgspec.msgpack.encode(answer))), 0))
    assert isinstance(closing_error(effects), RefusedPeer)


@pytest.mark.parametrize(
    "sent",
    [
        encode_frame(Frame(FrameKind.MESSAGE, b"x")),
        encode_frame(Frame(FrameKind.HELLO, b"")),
        encode_frame(Frame(FrameKind.HELLO, msgspec.msgpack.encode([1, 2]))),
        encode_frame(Frame(FrameKind.HELLO, msgspec.msgpack.encode([1, 1, GENESIS, 1, 0, 0, 0, 1, b"\xff\xfe"]))),
    ],
)
def test_anything_but_a_wellformed_hello_first_is_refused(sent: bytes) -> None:
    assert isinstance(closing_error(accepting().step(Received(sent, 0))), InvalidHello)


def test_before_the_hello_only_small_frames_are_read() -> None:
    sent = encode_frame(Frame(FrameKind.HELLO, bytes(HELLO_BYTES_MAX + 1)))
    assert isinstance(closing_error(accepting().step(Received(sent[:14], 0))), InvalidFrame)


def test_frames_that_follow_the_hello_in_one_chunk_are_delivered() -> None:
    message = Frame(FrameKind.MESSAGE, b"vote")
    effects = accepting().step(Received(hello() + encode_frame(message), 0))
    assert effects[1:] == [Opened(1, Lane.VOTES), Deliver(message)]


def test_large_messages_and_bundles_are_delivered_and_unknown_kinds_skipped() -> None:
    dialler, acceptor = open_pair()
    frames = [
        Frame(FrameKind.MESSAGE, bytes(PAYLOAD_BYTES_MAX)),
        Frame(200, b"of a later version"),
        Frame(FrameKind.BUNDLE, b"b"),
    ]
    effects = acceptor.step(Received(b"".join(map(encode_frame, frames)), 1))
    assert effects == [Deliver(frames[0]), Deliver(frames[2])]
    assert dialler.phase is Phase.OPEN


def test_a_second_hello_is_refused() -> None:
    _, acceptor = open_pair()
    assert isinstance(closing_error(acceptor.step(Received(hello(), 1))), InvalidHello)


def test_no_hello_in_time_closes() -> None:
    acceptor = accepting()
    assert acceptor.step(Ticked(HANDSHAKE_TIMEOUT_US)) == []
    assert isinstance(closing_error(acceptor.step(Ticked(HANDSHAKE_TIMEOUT_US + 1))), HandshakeTimeout)


def test_silence_is_asked_three_times_and_then_ends_the_link() -> None:
    dialler, _ = open_pair(Lane.SYNC)
    for number in range(1, 4):
        assert written(dialler.step(Ticked(number * PING_INTERVAL_US))) != b""
    assert isinstance(closing_error(dialler.step(Ticked(4 * PING_INTERVAL_US))), PeerSilent)


def test_pongs_keep_a_link_alive_and_measure_it() -> None:
    dialler, acceptor = open_pair(Lane.SYNC)
    for number in range(1, 20):
        now = number * PING_INTERVAL_US
        pong = written(acceptor.step(Received(written(dialler.step(Ticked(now))), now, 9_000)))
        assert dialler.step(Received(pong, now + 2_000, 5_000)) == [Measured(2_000, 4_001)] or pong == b""
    assert dialler.phase is Phase.OPEN


def test_a_busy_vote_lane_is_measured_now_and_then_and_other_lanes_are_not() -> None:
    for lane, asked in ((Lane.VOTES, True), (Lane.TRANSACTIONS, False)):
        dialler, _ = open_pair(lane)
        dialler.step(Received(encode_frame(Frame(FrameKind.MESSAGE, b"")), RTT_INTERVAL_US - 1))
        assert bool(written(dialler.step(Ticked(RTT_INTERVAL_US)))) is asked


def test_every_input_is_handled_in_every_phase() -> None:
    inputs = [Started(0), Received(b"junk!junk!junk!junk!", 0), Ticked(0), Lost()]
    assert {type(event) for event in inputs} == set(HANDLERS)
    for event in inputs:
        for session in (dialling(), accepting(), open_pair()[0]):
            session.step(event)
        closed = dialling()
        closed.step(Lost())
        assert closed.step(event) == []
