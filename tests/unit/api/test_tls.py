"""Mutual TLS at the API: a certificate of the clients' authority opens it, anything else does not."""

import asyncio
import datetime
import ssl
from pathlib import Path

from hansa.alliance.authority import Authority, create_authority, issue_node_certificate
from hansa.api import ApiOptions, ApiServer, TlsFiles

from .fake_node import FakeNode

NOW = datetime.datetime.now(datetime.UTC)
REQUEST = b'{"jsonrpc":"2.0","id":1,"method":"native_echo","params":[5]}'


def write_identity(folder: Path, authority: Authority, name: str) -> tuple[Path, Path]:
    identity = issue_node_certificate(authority, name, "127.0.0.1", "test", NOW)
    certificate, key = folder / f"{name}.crt", folder / f"{name}.key"
    certificate.write_bytes(identity.certificate_pem)
    key.write_bytes(identity.key_pem)
    return certificate, key


async def post(port: int, context: ssl.SSLContext) -> bytes:
    """The whole answer; nothing when the connection is refused."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    except (ssl.SSLError, ConnectionError):
        return b""
    head = f"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-length: {len(REQUEST)}\r\nconnection: close\r\n\r\n"
    writer.write(head.encode() + REQUEST)
    try:
        return await reader.read()
    except (ssl.SSLError, ConnectionError):  # TLS 1.3 servers look at the certificate after the client is done
        return b""
    finally:
        writer.close()


async def test_only_the_clients_authority_opens_the_door(tmp_path: Path) -> None:
    servers, clients = (create_authority(name, "test", NOW) for name in ("servers", "clients"))
    for authority in (servers, clients):
        (tmp_path / f"{authority.organisation}.pem").write_bytes(authority.certificate_pem)
    certificate, key = write_identity(tmp_path, servers, "node")
    tls = TlsFiles(str(certificate), str(key), str(tmp_path / "clients.pem"))
    server = ApiServer(FakeNode(), ApiOptions(port=0, tls=tls))
    await server.start()
    context = ssl.create_default_context(cafile=str(tmp_path / "servers.pem"))
    assert await post(server.port, context) == b""
    context.load_cert_chain(*write_identity(tmp_path, servers, "stranger"))
    assert await post(server.port, context) == b""
    context.load_cert_chain(*write_identity(tmp_path, clients, "member"))
    assert (await post(server.port, context)).endswith(b'"result":[5]}')
    await server.stop()
