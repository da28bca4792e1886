"""The signer as a process: listens for the nodes of one validator, signs for the one that holds the right.

It shows the validator's own TLS certificate and serves only those who show the same one. One request is answered after
the other, on the event loop: syncing the vote log is all that this process is for. Strangers can neither take its
descriptors, which the vote log needs, nor the room of its nodes: handshakes are bounded before anybody said who he is.
"""

import asyncio
import fcntl
import itertools
import logging
import os
import signal
import socket
import ssl
from pathlib import Path

import msgspec
import uvloop

from hansa.alliance.layout import NodeFolder
from hansa.consensus.signer import VoteDomain
from hansa.crypto.suite import Suite, keccak256
from hansa.errors import HansaError
from hansa.io.clock import Clock
from hansa.io.errors import FolderLocked
from hansa.io.key_file import load_consensus_key, open_signer
from hansa.io.link import Door, DoorFacts, open_listener, plain_host
from hansa.io.logs import LogContext, open_logs
from hansa.io.ready_file import Ready, remove_ready, write_ready
from hansa.io.tls import OwnTls, open_own_tls
from hansa.io.vote_signer import LoggedSigner
from hansa.network.budgets import Crowd, HandshakeLimit
from hansa.node.assemble import GROUP, hash_genesis, read_genesis
from hansa.node.config import parse_address
from hansa.node.genesis import decode_genesis
from hansa.node.signing.config import load_signer_config
from hansa.node.signing.service import SignerService
from hansa.node.signing.wire import (
    ALPN_PROTOCOL,
    ANSWER_BYTES_MAX,
    LENGTH_BYTES,
    REQUEST_BYTES_MAX,
    Failed,
    decode_request,
    frame,
)
from hansa.node.votes import open_votes

log = logging.getLogger("hansa.signing")

CONNECTIONS_MAX = 8  # a validator has two nodes; commands come and go
SILENCE_S = 30.0  # a connection that says nothing for so long is closed
HANDSHAKES_MAX = 64  # under way
STRANGERS_MAX = 32  # of them from addresses where none of the validator's nodes was seen
STRANGER_MAX = 2  # of one such address
HANDSHAKES_PER_SECOND = 8.0  # of one address
KNOWN_HOSTS_MAX = 8  # where nodes were seen last


class SignerProcess:
    """Serves one validator's nodes. Lives on the event loop."""

    def __init__(self, service: SignerService, tls: OwnTls) -> None:
        """Who shows another certificate than `tls` is turned away."""
        self._service = service
        self._tls = tls
        self._numbers = itertools.count(1)
        self._open: set[asyncio.StreamWriter] = set()
        self._hosts: dict[str, None] = {}  # of the validator's nodes, the latest last
        self.door = Door(self._make_door())
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def listen(self, listener: socket.socket) -> None:
        """Accept connections until cancelled; they and the handshakes under way end with it."""
        try:
            await self.door.keep_open(listener)
        finally:
            listener.close()
            for task in list(self.door.under_way):
                task.cancel()
            for writer in self._open:
                writer.transport.abort()

    def _make_door(self) -> DoorFacts:
        return DoorFacts(
            crowd=Crowd(HANDSHAKES_MAX, STRANGERS_MAX, STRANGER_MAX),
            rate=HandshakeLimit(HANDSHAKES_PER_SECOND, 4 * HANDSHAKES_PER_SECOND),
            known=lambda: self._hosts,
            tls=lambda: self._tls.server,
            protocol=self._make_protocol,
            on_refused=_say_refused,
        )

    def _make_protocol(self) -> asyncio.StreamReaderProtocol:
        return asyncio.StreamReaderProtocol(asyncio.StreamReader(REQUEST_BYTES_MAX), self.serve)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, from the end of its handshake to its own."""
        number = next(self._numbers)
        tls: ssl.SSLObject = writer.get_extra_info("ssl_object")
        host = plain_host(writer.get_extra_info("peername") or ("", 0))
        if len(self._open) >= CONNECTIONS_MAX or tls.getpeercert(binary_form=True) != self._tls.certificate:
            log.warning("refused a connection from %s", host, extra={"code": "SIGNER-1"})
            writer.transport.abort()
            return
        self._open.add(writer)
        self._note(host)
        try:
            while True:
                size = int.from_bytes(await asyncio.wait_for(reader.readexactly(LENGTH_BYTES), SILENCE_S))
                if size > REQUEST_BYTES_MAX:
                    break
                payload = await asyncio.wait_for(reader.readexactly(size), SILENCE_S)
                writer.write(self._answer(number, payload))
                await asyncio.wait_for(writer.drain(), SILENCE_S)
        except (OSError, EOFError, TimeoutError, msgspec.DecodeError) as error:
            log.debug("connection %d ended: %s", number, error)
        except HansaError as error:  # the disk: nothing may be signed any more
            if not self.ended.done():
                self.ended.set_exception(error)
        finally:
            self._service.on_closed(number)
            self._open.discard(writer)
            writer.close()

    def _note(self, host: str) -> None:
        self._hosts.pop(host, None)
        self._hosts[host] = None
        if len(self._hosts) > KNOWN_HOSTS_MAX:
            del self._hosts[next(iter(self._hosts))]

    def _answer(self, number: int, payload: bytes) -> bytes:
        before = self._service.holder
        answer = frame(self._service.answer(number, decode_request(payload), Clock.now_ms()))
        if len(answer) > ANSWER_BYTES_MAX:
            answer = frame(Failed("SIGNER-1", f"an answer of {len(answer)} bytes", "this is a bug in Hansa"))
        if self._service.holder not in (before, None):
            log.info("%s may sign from now on", self._service.holder)
        return answer


def run_signer(directory: str | Path) -> int:
    """Run the signer of a folder until SIGTERM or SIGINT; the exit code is of docs/reference/errors.md."""
    try:
        uvloop.run(_run(NodeFolder(Path(directory))))
    except HansaError as error:
        log.error(error.cause, extra=error.as_json() | {"code": error.code})
        return error.exit_code
    except KeyboardInterrupt:
        pass
    return 0


async def _run(folder: NodeFolder) -> None:
    config = load_signer_config(folder)
    open_logs("info", LogContext(config.organisation, f"{config.name}-signer"))
    genesis_bytes = read_genesis(folder)
    genesis = decode_genesis(genesis_bytes)
    lock = _lock(folder)
    pair = load_consensus_key(folder.consensus_key, genesis.public_keys()[config.index])
    genesis_hash = hash_genesis(genesis_bytes)
    signer = open_signer(pair, config.index, VoteDomain(genesis_hash, keccak256(GROUP), Suite.STANDARD, keccak256))
    votes = open_votes(folder.data, genesis_hash, None, config.index, pair, signer)
    signer.restore(votes.records)
    tls = open_own_tls(folder.tls_certificate, folder.tls_key, ALPN_PROTOCOL)
    process = SignerProcess(SignerService(LoggedSigner(signer, votes), lambda: votes.records), tls)
    listening = asyncio.create_task(process.listen(open_listener(parse_address(config.listen))))
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, _end, process)
    write_ready(folder.ready, Ready(os.getpid(), config.name, config.organisation, config.listen, None, None, 0, ""))
    log.info("ready: signs for %s on %s", config.name, config.listen)
    try:
        await asyncio.wait((process.ended, listening), return_when=asyncio.FIRST_COMPLETED)
        for one in (process.ended, listening):
            if one.done():
                one.result()
    finally:
        remove_ready(folder.ready)
        listening.cancel()
        votes.close()
        os.close(lock)


def _say_refused(host: str, error: OSError | None) -> None:
    if error is not None:
        log.warning("refused a connection from %s: %s", host, error, extra={"code": "SIGNER-1"})


def _end(process: SignerProcess) -> None:
    if not process.ended.done():
        process.ended.set_result(None)


def _lock(folder: NodeFolder) -> int:
    """Hold the folder alone.

    Raises
    ------
    FolderLocked: another signer runs on it.
    """
    folder.votes.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder.data / "signer.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise FolderLocked(f"another signer runs on {folder.root}", "stop that one first") from None
    return descriptor
