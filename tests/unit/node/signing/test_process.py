"""A signer over real TLS: its own validator's certificate and nobody else's, whole frames and nothing else."""

import asyncio
import ssl
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from hansa.consensus.errors import RefusedVote
from hansa.consensus.signer import Signer
from hansa.consensus.values import Vote, VoteType
from hansa.io.link import Address, open_listener
from hansa.io.tls import OwnTls, open_own_tls
from hansa.io.vote_log_file import VoteLogNowhere
from hansa.io.vote_signer import LoggedSigner, VoteToSign
from hansa.node.signing.client import SignerClient
from hansa.node.signing.errors import NoStandbyWaits, RightLost, SignerUnreachable
from hansa.node.signing.process import HANDSHAKES_MAX, STRANGER_MAX, STRANGERS_MAX, SignerProcess
from hansa.node.signing.service import SignerService
from hansa.node.signing.wire import ALPN_PROTOCOL, REQUEST_BYTES_MAX, Granted, Held
from tests.unit.io.pki import issue, make_authority
from tests.waiting import eventually

DEADLINE_S = 20.0


class Served:
    """A signer that listens, and clients of it."""

    def __init__(self, folder: Path) -> None:
        authority = make_authority("bank")
        for name in ("bank", "other"):
            issue(authority, name, folder / name)
        self.own, self.other = (self._tls(folder / name) for name in ("bank", "other"))
        signer = Signer(0, lambda vote: bytes(64))
        service = SignerService(LoggedSigner(signer, VoteLogNowhere()), lambda: ())
        self.process = SignerProcess(service, self.own)
        self.listener = open_listener(Address("127.0.0.1", 0))

    def _tls(self, folder: Path) -> OwnTls:
        return open_own_tls(folder / "tls.crt", folder / "tls.key", ALPN_PROTOCOL)

    @property
    def address(self) -> Address:
        return Address("127.0.0.1", int(self.listener.getsockname()[1]))

    async def client(self) -> SignerClient:
        return await asyncio.to_thread(SignerClient, self.address, self.own.client, self.own.certificate)


@pytest_asyncio.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    served = Served(tmp_path)
    listening = asyncio.create_task(served.process.listen(served.listener))
    yield served
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)


def vote(height: int, content: int = 1) -> VoteToSign:
    return VoteToSign(Vote(VoteType.SEAL, 0, 0, height, bytes([content]) * 32), b"context")


async def test_votes_go_there_and_come_back_signed(served: Served) -> None:
    client = await served.client()
    assert isinstance(await asyncio.to_thread(client.acquire, "a"), Granted)
    signed = await asyncio.to_thread(client.sign, [vote(1), vote(2)])
    assert [one.vote.height for one in signed] == [1, 2]
    with pytest.raises(RefusedVote):
        await asyncio.to_thread(client.sign, [vote(2, content=9)])
    assert await asyncio.to_thread(client.renew) is False
    client.close()


async def test_the_right_goes_with_the_connection(served: Served) -> None:
    first, second = await served.client(), await served.client()
    await asyncio.to_thread(first.acquire, "a")
    assert await asyncio.to_thread(second.acquire, "b") == Held("a")
    with pytest.raises(RightLost):
        await asyncio.to_thread(second.sign, [vote(1)])
    first._socket.close()  # as when its process is killed
    while await asyncio.to_thread(second.acquire, "b") == Held("a"):
        pass  # the signer has yet to hear of it
    second.close()


async def test_a_take_over_needs_somebody_who_waits(served: Served) -> None:
    client = await served.client()
    with pytest.raises(NoStandbyWaits):
        await asyncio.to_thread(client.ask_takeover)
    client.close()


async def test_another_node_of_the_same_organisation_is_turned_away(served: Served) -> None:
    with pytest.raises((SignerUnreachable, RightLost)):
        client = await asyncio.to_thread(SignerClient, served.address, served.other.client, served.own.certificate)
        await asyncio.to_thread(client.acquire, "stranger")
    assert served.process._service.holder is None


async def test_who_shows_no_certificate_is_turned_away(served: Served) -> None:
    bare = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    bare.check_hostname, bare.verify_mode = False, ssl.CERT_NONE
    with pytest.raises((SignerUnreachable, RightLost)):
        client = await asyncio.to_thread(SignerClient, served.address, bare, served.own.certificate)
        await asyncio.to_thread(client.acquire, "stranger")


async def test_strangers_that_say_nothing_take_bounded_room_and_none_of_a_nodes(served: Served) -> None:
    node = await served.client()  # from 127.0.0.1, which is known from now on
    assert isinstance(await asyncio.to_thread(node.acquire, "a"), Granted)
    under_way, silent = served.process.door.under_way, []
    for host in range(2, 2 + STRANGERS_MAX):
        for _ in range(2 * STRANGER_MAX):
            silent.append(await knock_from(f"127.0.0.{host}", served.address.port))
            assert len(under_way) <= STRANGERS_MAX < HANDSHAKES_MAX
    await eventually(lambda: len(under_way) == STRANGERS_MAX, DEADLINE_S, "as many as may be")
    assert max(Counter(under_way.values()).values()) == STRANGER_MAX
    assert await silent[-1][0].read() == b"", "turned away before TLS"
    standby = await served.client()
    assert await asyncio.to_thread(standby.acquire, "b") == Held("a")
    for client in (standby, node):
        await asyncio.to_thread(client.close)
    for _, writer in silent:
        writer.close()


async def knock_from(host: str, port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A TCP connection from another address of this machine."""
    return await asyncio.open_connection("127.0.0.1", port, local_addr=(host, 0))


async def test_nobody_else_is_taken_for_the_signer(served: Served) -> None:
    with pytest.raises(SignerUnreachable):
        await asyncio.to_thread(SignerClient, served.address, served.own.client, b"another certificate")


@pytest.mark.parametrize("sent", [b"\xff\xff\xff\xff", (REQUEST_BYTES_MAX + 1).to_bytes(4), b"\0\0\0\3abc"])
async def test_bytes_against_the_rules_close_the_connection(served: Served, sent: bytes) -> None:
    client = await served.client()
    await asyncio.to_thread(client._socket.sendall, sent)
    assert await asyncio.to_thread(client._socket.recv, 1) == b""
    client._socket.close()
