"""What someone outside, or a member who misbehaves, can do to the port of a running node: be turned away."""

import socket
import ssl
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from hansa.network.frames import HEADER, MAGIC, PAYLOAD_BYTES_MAX
from tests.processes.alliance import DEADLINE_S, Node, RunningAlliance, found


@pytest.fixture(scope="module")
def alliance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningAlliance]:
    founded = found(tmp_path_factory.mktemp("alliance"))
    founded.start()
    yield founded
    founded.close()


def connect(node: Node, certificate: Path | None, version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> ssl.SSLSocket:
    """Dial a node's port for other nodes."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = context.maximum_version = version
    context.set_alpn_protocols(["hansa/1"])
    if certificate is not None:
        context.load_cert_chain(certificate / "tls.crt", certificate / "tls.key")
    host, port = node.ready_record()["listen"].split(":")
    return context.wrap_socket(socket.create_connection((host, int(port)), DEADLINE_S))


def is_turned_away(dialled: ssl.SSLSocket, sent: bytes = b"") -> bool:
    """Whether the node ends the connection without a word."""
    try:
        dialled.sendall(sent)
        return dialled.recv(1) == b""
    except (ssl.SSLError, ConnectionError):
        return True
    finally:
        dialled.close()


def settles(alliance: RunningAlliance) -> None:
    """The alliance still works."""
    alliance.wait_final(alliance.nodes[3], alliance.send(alliance.nodes[0], 5))


def test_another_alliances_certificate_is_refused(alliance: RunningAlliance, tmp_path: Path) -> None:
    other = found(tmp_path / "other", "other")
    dialled = connect(alliance.nodes[0], other.nodes[1].folder.root)
    assert is_turned_away(dialled, HEADER.pack(MAGIC, 1, 0, 0, 0, 0, 0))
    settles(alliance)


def test_no_certificate_is_refused(alliance: RunningAlliance) -> None:
    assert is_turned_away(connect(alliance.nodes[0], None), HEADER.pack(MAGIC, 1, 0, 0, 0, 0, 0))


def test_older_tls_is_refused(alliance: RunningAlliance) -> None:
    with pytest.raises((ssl.SSLError, ConnectionError)):
        connect(alliance.nodes[0], alliance.nodes[1].folder.root, ssl.TLSVersion.TLSv1_2).close()


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(HEADER.pack(MAGIC, 1, 3, 0, 0, PAYLOAD_BYTES_MAX + 1, 0), id="oversized frame"),
        pytest.param(HEADER.pack(MAGIC, 1, 3, 0, 0, 0xFFFFFFFF, 0), id="length of 4 GiB"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", id="HTTP"),
        pytest.param(bytes(1024), id="zeros"),
        pytest.param(struct.pack(">Q", 2**63) * 64, id="noise"),
    ],
)
def test_a_members_bytes_against_the_rules_end_its_link_only(alliance: RunningAlliance, sent: bytes) -> None:
    assert is_turned_away(connect(alliance.nodes[0], alliance.nodes[1].folder.root), sent)
    settles(alliance)


def test_many_half_open_connections_do_not_stop_the_alliance(alliance: RunningAlliance) -> None:
    host, port = alliance.nodes[0].ready_record()["listen"].split(":")
    idle = [socket.create_connection((host, int(port)), DEADLINE_S) for _ in range(200)]
    settles(alliance)
    for one in idle:
        one.close()
    assert all(node.is_running for node in alliance.nodes)
