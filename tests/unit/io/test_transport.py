"""Two and four transports of one process on loopback: identity, lanes, refusals."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pytest

from hansa.io.errors import AddressInUse
from hansa.io.link import Address, Link, open_listener
from hansa.io.tls import Member, Roster, TlsContexts, open_tls
from hansa.io.transport import (
    Transport,
    TransportEvents,
    TransportFacts,
)
from hansa.network.budgets import STRANGER_AT_ONCE_MAX, STRANGERS_AT_ONCE_MAX
from hansa.network.frames import HEADER, MAGIC, PAYLOAD_BYTES_MAX, Frame, FrameKind, encode_frame
from hansa.network.lanes import Lane
from hansa.network.session import Hello, Purpose
from tests.unit.io.pki import Authority, issue, make_authority
from tests.waiting import eventually

GENESIS = b"\x11" * 32
DEADLINE_S = 20.0


@dataclass
class Heard:
    """What one transport reported."""

    messages: list[tuple[int, Lane, bytes]] = field(default_factory=list)
    bundles: list[tuple[int, bytes]] = field(default_factory=list)
    up: list[int] = field(default_factory=list)
    down: list[int] = field(default_factory=list)

    def events(self) -> TransportEvents:
        return TransportEvents(
            on_message=lambda peer, lane, payload: self.messages.append((peer, lane, payload)),
            on_bundle=lambda peer, payload: self.bundles.append((peer, payload)),
            on_peer_up=self.up.append,
            on_peer_down=self.down.append,
        )


class Alliance:
    """n organisations with one node each, and free ports for them."""

    def __init__(self, folder: Path, count: int) -> None:
        self.folder = folder
        self.authorities: list[Authority] = [make_authority(f"org{i}") for i in range(count)]
        members = [Member(i, f"node{i}", f"org{i}", a.pem) for i, a in enumerate(self.authorities)]
        self.roster = Roster(members)
        for index, authority in enumerate(self.authorities):
            issue(authority, f"node{index}", folder / str(index))
        self.addresses = [Address("127.0.0.1", port) for port in free_ports(count)]

    def tls(self, index: int) -> TlsContexts:
        return open_tls(self.folder / str(index) / "tls.crt", self.folder / str(index) / "tls.key", self.roster, index)

    def transport(self, index: int, heard: Heard, genesis: bytes = GENESIS) -> Transport:
        peers = {i: address for i, address in enumerate(self.addresses) if i != index}
        facts = TransportFacts(index, genesis, self.addresses[index], peers)
        return Transport(facts, self.tls(index), heard.events())


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


@contextlib.asynccontextmanager
async def running(*transports: Transport) -> AsyncIterator[None]:
    try:
        for transport in transports:
            await transport.start()
        yield
    finally:
        for transport in transports:
            await transport.stop()


async def test_four_members_connect_and_exchange_frames_on_every_lane(tmp_path: Path) -> None:
    alliance = Alliance(tmp_path, 4)
    heard = [Heard() for _ in range(4)]
    transports = [alliance.transport(i, heard[i]) for i in range(4)]
    async with running(*transports):
        await eventually(lambda: all(len(t.peers_up()) == 3 for t in transports), DEADLINE_S, "all up")
        for lane in Lane:
            transports[1].broadcast(lane, FrameKind.MESSAGE, f"to all on {lane.name}".encode())
        transports[3].send(0, Lane.TRANSACTIONS, FrameKind.BUNDLE, b"x" * 300_000)
        await eventually(lambda: all(len(heard[i].messages) == 4 for i in (0, 2, 3)), DEADLINE_S, "broadcasts")
        await eventually(lambda: heard[0].bundles, DEADLINE_S, "bundle")
    assert {(peer, lane) for peer, lane, _ in heard[2].messages} == {(1, lane) for lane in Lane}
    assert heard[0].bundles == [(3, b"x" * 300_000)]
    assert heard[1].messages == []


async def test_a_member_comes_and_goes_while_the_links_of_the_others_stay(tmp_path: Path) -> None:
    alliance = Alliance(tmp_path, 3)
    few = Roster(alliance.roster.members[:2])
    heard = [Heard() for _ in range(3)]
    transports = []
    for index in range(2):
        tls = TlsContexts(alliance.tls(index).server, alliance.tls(index).client, few)
        facts = TransportFacts(index, GENESIS, alliance.addresses[index], {1 - index: alliance.addresses[1 - index]})
        transports.append(Transport(facts, tls, heard[index].events()))
    transports.append(alliance.transport(2, heard[2]))
    async with running(*transports):
        await eventually(lambda: transports[0].is_up(1) and transports[1].is_up(0), DEADLINE_S, "two up")
        await eventually(lambda: transports[0].refused and transports[1].refused, DEADLINE_S, "the stranger is refused")
        for index in range(2):
            peers = {i: address for i, address in enumerate(alliance.addresses) if i != index}
            transports[index].change_peers(alliance.tls(index), peers)
        await eventually(lambda: all(len(t.peers_up()) == 2 for t in transports), DEADLINE_S, "three up")
        transports[2].broadcast(Lane.VOTES, FrameKind.MESSAGE, b"vote")
        await eventually(lambda: heard[0].messages and heard[1].messages, DEADLINE_S, "its vote")
        for index in range(2):
            tls = TlsContexts(alliance.tls(index).server, alliance.tls(index).client, few)
            transports[index].change_peers(tls, {1 - index: alliance.addresses[1 - index]})
        await eventually(lambda: heard[0].down == [2] and heard[1].down == [2], DEADLINE_S, "it is gone")
        before = transports[0].refused
        await eventually(lambda: transports[0].refused > before, DEADLINE_S, "it is refused again")
        transports[0].send(2, Lane.VOTES, FrameKind.MESSAGE, b"nobody hears this")
        transports[0].send(1, Lane.VOTES, FrameKind.MESSAGE, b"still")
        await eventually(lambda: (0, Lane.VOTES, b"still") in heard[1].messages, DEADLINE_S, "the others")
        assert (transports[0].peers_up(), heard[0].up, heard[1].up) == ([1], [1, 2], [0, 2])


async def test_who_says_hello_only_after_it_was_removed_gets_no_link(tmp_path: Path) -> None:
    alliance = Alliance(tmp_path, 2)
    first = alliance.transport(0, heard := Heard())
    async with running(first):
        streams = [await connect(alliance, tmp_path / "1", first.bound.port) for _ in Lane]
        await eventually(lambda: len(first._links) == len(streams), DEADLINE_S, "their handshakes")
        first.change_peers(TlsContexts(first._tls.server, first._tls.client, Roster(alliance.roster.members[:1])), {})
        for lane, (_, writer) in zip(Lane, streams, strict=True):
            writer.write(hello_of(1, 0, lane))
        for reader, writer in streams:
            with contextlib.suppress(ConnectionResetError):
                assert await reader.read() == b""
            writer.close()
        await eventually(lambda: not first._links, DEADLINE_S, "their end")
    assert heard.up == [] and first.peers_up() == []


async def test_a_hello_that_comes_with_the_removal_gets_no_link(tmp_path: Path) -> None:
    """As above, where the bytes are read in the very turn in which the epoch begins."""
    alliance = Alliance(tmp_path, 2)
    first = alliance.transport(0, Heard())
    async with running(first):
        _, writer = await connect(alliance, tmp_path / "1", first.bound.port)
        await eventually(lambda: first._links, DEADLINE_S, "the handshake")
        (link,) = first._links
        first._peers = {}  # removed, and nothing was closed yet
        link.data_received(hello_of(1, 0, Lane.VOTES))
        assert first._outlets[1, Lane.VOTES].link is None
        await eventually(lambda: not first._links, DEADLINE_S, "its end")
        writer.close()


async def test_a_removed_member_that_was_dialled_is_down(tmp_path: Path) -> None:
    alliance = Alliance(tmp_path, 2)
    heard = [Heard(), Heard()]
    transports = [alliance.transport(i, heard[i]) for i in range(2)]
    async with running(*transports):
        await eventually(lambda: transports[1].is_up(0), DEADLINE_S, "up")
        tls = transports[1]._tls
        transports[1].change_peers(TlsContexts(tls.server, tls.client, Roster(alliance.roster.members[1:])), {})
        await eventually(lambda: heard[1].down == [0] and not transports[1]._links, DEADLINE_S, "down")
    assert transports[1].peers_up() == []


async def test_a_large_frame_does_not_hold_up_votes_and_arrives_whole(tmp_path: Path) -> None:
    alliance = Alliance(tmp_path, 2)
    heard = [Heard(), Heard()]
    transports = [alliance.transport(i, heard[i]) for i in range(2)]
    async with running(*transports):
        await eventually(lambda: transports[0].is_up(1) and transports[1].is_up(0), DEADLINE_S, "up")
        bulk = bytes(PAYLOAD_BYTES_MAX)
        for _ in range(4):
            transports[0].send(1, Lane.SYNC, FrameKind.MESSAGE, bulk)
        transports[0].send(1, Lane.VOTES, FrameKind.MESSAGE, b"vote")
        await eventually(lambda: len(heard[1].messages) == 5, DEADLINE_S, "all five")
    assert [lane for _, lane, _ in heard[1].messages].index(Lane.VOTES) < 4
    assert all(payload == bulk for _, lane, payload in heard[1].messages if lane is Lane.SYNC)


async def test_a_paused_lane_delivers_after_it_is_resumed(tmp_path: Path) -> None:
    alliance = Alliance(tmp_path, 2)
    heard = [Heard(), Heard()]
    transports = [alliance.transport(i, heard[i]) for i in range(2)]
    async with running(*transports):
        await eventually(lambda: transports[0].is_up(1) and transports[1].is_up(0), DEADLINE_S, "up")
        for who in ("bundles", "messages"):
            transports[1].set_paused(0, Lane.TRANSACTIONS, True, who)
        transports[0].send(1, Lane.TRANSACTIONS, FrameKind.BUNDLE, b"later")
        transports[0].send(1, Lane.VOTES, FrameKind.MESSAGE, b"now")
        await eventually(lambda: heard[1].messages, DEADLINE_S, "the vote")
        assert heard[1].bundles == []
        transports[1].set_paused(0, Lane.TRANSACTIONS, False, "messages")
        transports[0].send(1, Lane.VOTES, FrameKind.MESSAGE, b"still")
        await eventually(lambda: len(heard[1].messages) == 2, DEADLINE_S, "another vote")
        assert heard[1].bundles == []
        transports[1].set_paused(0, Lane.TRANSACTIONS, False, "bundles")
        await eventually(lambda: heard[1].bundles, DEADLINE_S, "the bundle")


async def test_a_peer_that_goes_and_returns_is_reported_and_dialled_again(tmp_path: Path) -> None:
    alliance = Alliance(tmp_path, 2)
    heard = [Heard(), Heard()]
    first, second = (alliance.transport(i, heard[i]) for i in range(2))
    async with running(second):
        await first.start()
        await eventually(lambda: second.is_up(0), DEADLINE_S, "up")
        await first.stop()
        await eventually(lambda: heard[1].down == [0], DEADLINE_S, "down")
        again = alliance.transport(0, heard[0])
        async with running(again):
            await eventually(lambda: heard[1].up == [0, 0], DEADLINE_S, "up again")


async def test_a_peer_that_comes_late_is_dialled_at_once_because_it_knocks(tmp_path: Path) -> None:
    alliance = Alliance(tmp_path, 2)
    heard = [Heard(), Heard()]
    second = alliance.transport(1, heard[1])
    second._random = NeverAgain()  # type: ignore[assignment]
    async with running(second):
        await eventually(lambda: second._random.drawn >= 4, DEADLINE_S, "four vain dials")  # type: ignore[attr-defined]
        async with running(alliance.transport(0, heard[0])):
            await eventually(lambda: heard[1].up == [0], DEADLINE_S, "up")


class NeverAgain:
    """Draws numbers so large that no second dial comes within a test's deadline."""

    def __init__(self) -> None:
        self.drawn = 0

    def random(self) -> float:
        self.drawn += 1
        return 10_000.0


async def test_what_is_meant_for_a_lane_that_opens_later_waits_for_it(tmp_path: Path) -> None:
    alliance = Alliance(tmp_path, 2)
    heard = [Heard(), Heard()]
    first, second = (alliance.transport(i, heard[i]) for i in range(2))
    async with running(first):
        first.send(1, Lane.SYNC, FrameKind.MESSAGE, b"to nobody")
        assert first.dropped() == 1
        opened = first.on_link_open

        def answer_at_once(link: Link) -> None:
            opened(link)
            if not first.is_up(1):
                first.send(1, Lane.SYNC, FrameKind.MESSAGE, b"early")

        first.on_link_open = answer_at_once  # type: ignore[method-assign]
        async with running(second):
            await eventually(lambda: len(heard[1].messages) >= 3, DEADLINE_S, "three early messages")
    assert first.dropped() == 1


async def test_another_alliance_is_refused(tmp_path: Path) -> None:
    alliance = Alliance(tmp_path, 2)
    heard = [Heard(), Heard()]
    first = alliance.transport(0, heard[0])
    foreign = alliance.transport(1, heard[1], genesis=b"\x22" * 32)
    async with running(first, foreign):
        await eventually(lambda: first.refused > 0, DEADLINE_S, "refusal")
    assert heard[0].up == heard[1].up == []


async def test_a_strangers_certificate_is_refused_by_tls(tmp_path: Path) -> None:
    alliance = Alliance(tmp_path, 2)
    stranger = make_authority("org1")  # the right names, but a CA of its own
    issue(stranger, "node1", tmp_path / "stranger")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["hansa/1"])
    context.load_cert_chain(tmp_path / "stranger" / "tls.crt", tmp_path / "stranger" / "tls.key")
    heard = Heard()
    first = alliance.transport(0, heard)
    async with running(first):
        with pytest.raises((ssl.SSLError, ConnectionError)):
            reader, _ = await asyncio.open_connection("127.0.0.1", first.bound.port, ssl=context, server_hostname="")
            assert await reader.read(1) == b""
            raise ConnectionResetError
        await eventually(lambda: first.refused == 1, DEADLINE_S, "refusal")
    assert heard.up == []


async def test_a_member_cannot_issue_a_certificate_in_another_members_name(tmp_path: Path) -> None:
    alliance = Alliance(tmp_path, 3)
    issue(alliance.authorities[2], "node1", tmp_path / "forged")  # org2's CA names org1's node
    heard = Heard()
    first = alliance.transport(0, heard)
    async with running(first):
        reader, writer = await connect(alliance, tmp_path / "forged", first.bound.port)
        assert await reader.read() == b""
        writer.close()
    assert first.refused == 1
    assert heard.up == []


async def test_strangers_that_say_nothing_leave_room_for_members(tmp_path: Path) -> None:
    alliance = Alliance(tmp_path, 2)
    first, second = alliance.transport(0, Heard()), alliance.transport(1, heard := Heard())
    async with running(first):
        hosts = range(2, 2 + STRANGERS_AT_ONCE_MAX // STRANGER_AT_ONCE_MAX)
        silent = [
            await knock_from(f"127.0.0.{h}", first.bound.port) for h in hosts for _ in range(STRANGER_AT_ONCE_MAX)
        ]
        await eventually(lambda: len(first._door.under_way) == STRANGERS_AT_ONCE_MAX, DEADLINE_S, "handshakes")
        reader, writer = await knock_from("127.0.0.2", first.bound.port)
        assert await reader.read() == b""
        async with running(second):
            await eventually(lambda: heard.up == [0], DEADLINE_S, "the member")
        for _, opened in [*silent, (reader, writer)]:
            opened.close()


async def test_one_silent_stranger_leaves_room_for_a_member_that_moved(tmp_path: Path) -> None:
    """A member's standby at another machine: nobody has configured its address."""
    alliance = Alliance(tmp_path, 2)
    first = alliance.transport(0, Heard())
    first.change_peers(alliance.tls(0), {1: Address("198.51.100.7", 1)})
    async with running(first):
        silent = [await knock_from("127.0.0.2", first.bound.port) for _ in range(STRANGERS_AT_ONCE_MAX + 1)]
        assert await silent[-1][0].read() == b""
        assert len(first._door.under_way) == STRANGER_AT_ONCE_MAX
        second = alliance.transport(1, heard := Heard())
        async with running(second):
            await eventually(lambda: heard.up == [0], DEADLINE_S, "the member")
        assert "127.0.0.1" in first._known.hosts, "where it came from is known now"
        for _, opened in silent:
            opened.close()


async def test_a_member_is_known_by_the_addresses_that_its_name_stands_for(tmp_path: Path) -> None:
    alliance = Alliance(tmp_path, 2)
    second = alliance.transport(1, Heard())
    second.change_peers(alliance.tls(1), {0: Address("localhost", alliance.addresses[0].port)})
    async with running(second):
        await eventually(lambda: "127.0.0.1" in second._known.hosts, DEADLINE_S, "its address")


def hello_of(sender: int, receiver: int, lane: Lane) -> bytes:
    """The frame by which a member begins a link."""
    hello = Hello(1, 1, GENESIS, sender, receiver, lane, Purpose.LINK, 1, "test")
    return encode_frame(Frame(FrameKind.HELLO, msgspec.msgpack.encode(hello)))


async def knock_from(host: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A TCP connection from another address of this machine."""
    return await asyncio.open_connection("127.0.0.1", port, local_addr=(host, 0))


async def connect(alliance: Alliance, folder: Path, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A raw TLS client with a certificate from `folder`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.load_verify_locations(cadata=alliance.roster.authorities_pem())
    context.set_alpn_protocols(["hansa/1"])
    context.load_cert_chain(folder / "tls.crt", folder / "tls.key")
    return await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="")


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(b"GET / HTTP/1.1\r\n\r\n", id="no frame"),
        pytest.param(HEADER.pack(MAGIC, 1, 0, 0, 0, PAYLOAD_BYTES_MAX + 1, 0), id="oversized frame"),
        pytest.param(encode_frame(Frame(FrameKind.MESSAGE, b"early")), id="message before hello"),
        pytest.param(encode_frame(Frame(FrameKind.HELLO, b"\xc1")), id="malformed hello"),
    ],
)
async def test_bytes_against_the_rules_close_the_link(tmp_path: Path, sent: bytes) -> None:
    alliance = Alliance(tmp_path, 2)
    first = alliance.transport(0, Heard())
    async with running(first):
        reader, writer = await connect(alliance, tmp_path / "1", first.bound.port)
        writer.write(sent)
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read() == b""
        writer.close()
        await eventually(lambda: first.refused == 1, DEADLINE_S, "refusal")


async def test_a_port_in_use_is_said_plainly() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(AddressInUse, match=f"127.0.0.1:{port} is already in use"):
            open_listener(Address("127.0.0.1", port))


def paired(alliance: Alliance, heard: Heard, listen: Address, follows: Address | None = None) -> Transport:
    """A node of validator 0 that has two; it follows the other one, or is active at an address that nobody knows."""
    peers = {} if follows else {i: address for i, address in enumerate(alliance.addresses) if i}
    facts = TransportFacts(0, GENESIS, listen, peers, is_paired=True, follows=follows)
    return Transport(facts, alliance.tls(0), heard.events())


async def test_a_validator_that_acts_from_another_address_is_linked_with_all(tmp_path: Path) -> None:
    alliance = Alliance(tmp_path, 3)
    heard = [Heard() for _ in range(3)]
    moved = paired(alliance, heard[0], Address("127.0.0.1", free_ports(1)[0]))
    others = [alliance.transport(i, heard[i]) for i in (1, 2)]
    async with running(*others, moved):
        await eventually(lambda: all(len(other.peers_up()) == 2 for other in (*others, moved)), DEADLINE_S, "links")
        moved.broadcast(Lane.VOTES, FrameKind.MESSAGE, b"vote")
        others[0].send(0, Lane.PROPOSALS, FrameKind.MESSAGE, b"proposal")
        await eventually(lambda: (0, Lane.VOTES, b"vote") in heard[1].messages, DEADLINE_S, "there")
        await eventually(lambda: (1, Lane.PROPOSALS, b"proposal") in heard[0].messages, DEADLINE_S, "and back")


async def test_a_standby_reads_from_its_active_node_and_is_no_peer(tmp_path: Path) -> None:
    alliance = Alliance(tmp_path, 2)
    heard = [Heard() for _ in range(3)]
    active = paired(alliance, heard[0], alliance.addresses[0])
    standby = paired(alliance, heard[2], Address("127.0.0.1", 1), follows=alliance.addresses[0])
    async with running(active, alliance.transport(1, heard[1]), standby):

        def asks() -> bool:
            standby.send(0, Lane.SYNC, FrameKind.MESSAGE, b"more")
            return (0, Lane.SYNC, b"more") in heard[0].messages

        await eventually(asks, DEADLINE_S, "a request")
        active.send(0, Lane.SYNC, FrameKind.MESSAGE, b"blocks")
        await eventually(lambda: (0, Lane.SYNC, b"blocks") in heard[2].messages, DEADLINE_S, "an answer")
        await eventually(lambda: active.peers_up() == [1], DEADLINE_S, "the one peer")
        assert standby.peers_up() == []


async def test_a_node_of_a_validator_that_has_one_only_is_followed_by_nobody(tmp_path: Path) -> None:
    alliance = Alliance(tmp_path, 2)
    heard = [Heard(), Heard()]
    single = alliance.transport(0, heard[0])
    async with running(single, paired(alliance, heard[1], Address("127.0.0.1", 1), follows=alliance.addresses[0])):
        await eventually(lambda: single.refused > 0, DEADLINE_S, "refusal")
