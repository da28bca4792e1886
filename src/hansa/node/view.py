"""A running node: its life from start to stop, and what its API may see of it (`hansa.types.ports.NodeView`)."""

import asyncio
import gc
import logging
import os
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import msgspec

import hansa
from hansa._native import Chain, NativeError, Rpc
from hansa.alliance.layout import NodeFolder
from hansa.api.options import ApiOptions, TlsFiles
from hansa.api.server import ApiServer
from hansa.consensus.values import VoteRecord
from hansa.io.group_commit import explain_disk_error
from hansa.io.link import Address
from hansa.io.private_files import check_private, read_private
from hansa.io.ready_file import Ready, remove_ready, write_ready
from hansa.io.stages import StageClock
from hansa.io.transport import Transport
from hansa.node.config import NodeConfig, parse_address
from hansa.node.errors import InvalidNodeConfig, explain_native
from hansa.node.genesis import Genesis
from hansa.node.runtime import Runtime
from hansa.node.signing.client import SignerClient
from hansa.node.signing.errors import RightLost
from hansa.node.signing.right import Right
from hansa.node.signing.wire import Granted
from hansa.types import versions
from hansa.types.ports import CheckpointStatus, NodeStatus, ValidatorInfo

log = logging.getLogger("hansa.node")

FAREWELL_S = 0.1  # for the last votes to leave before a planned stop
ABDICATION_S = 2.0  # at most, for another validator to lead
Result = TypeVar("Result")

GC_OBJECTS = 10_000  # newly made before the collector looks; messages and inputs die by their counts, not by it


class Pairing(msgspec.Struct, frozen=True):
    """How a standby becomes the active node of its validator."""

    right: Right
    lead: Callable[[SignerClient, tuple[VoteRecord, ...]], tuple[Runtime, Transport | None]]  # builds what votes


class NodeParts(msgspec.Struct, frozen=True):
    """What `hansa.node.assemble` puts together."""

    folder: NodeFolder | None  # None = in memory only
    config: NodeConfig
    genesis: Genesis
    runtime: Runtime
    transport: Transport | None  # None = a single node
    rpc: Rpc
    pairing: Pairing | None = None  # of a validator with two nodes; `runtime` then follows at first


class RunningNode:
    """One node of an alliance. Lives on the event loop."""

    def __init__(self, parts: NodeParts) -> None:
        self._parts = parts
        self._runtime = parts.runtime
        self._transport = parts.transport
        self._started = time.monotonic()
        self._api: ApiServer | None = None
        self._is_stopping = False
        self._may_sign = True

    # --- life

    async def run(self) -> None:
        """Serve until `request_stop` or until something ends the node; then stop cleanly.

        Raises
        ------
        HansaError: why the node could not start or go on.
        """
        try:
            await self._start()
            await self._serve()
        except RightLost:
            self._may_sign = False  # another node may vote by now: leave at once
            raise
        finally:
            await self._stop()

    async def _serve(self) -> None:
        """Until something ends the node; a standby takes over in between.

        Raises
        ------
        RightLost: another node of this validator signs now, or is to.
        HansaError: why the node cannot go on.
        """
        pairing = self._parts.pairing
        if pairing is not None:
            granted = await self._unless_ended(pairing.right.acquire())
            if granted is None:
                return
            await self._take_over(pairing, granted)
            await self._unless_ended(pairing.right.keep())
            if not self._is_stopping:
                await self._give_leadership_away()
                raise RightLost("a take-over was asked for: this node passes the right to sign on")
            return
        await self._runtime.wait_ended()

    async def _give_leadership_away(self) -> None:
        if self._transport is not None and self._transport.peers_up():
            await self._runtime.give_up_leadership(ABDICATION_S)
            await asyncio.sleep(FAREWELL_S)

    async def _unless_ended(self, work: Coroutine[Any, Any, Result]) -> Result | None:
        """The result of `work`, or None once the node was told to stop.

        Raises
        ------
        HansaError: why the node cannot go on, or what `work` raised.
        """
        task, ended = asyncio.create_task(work), asyncio.create_task(self._runtime.wait_ended())
        try:
            await asyncio.wait((task, ended), return_when=asyncio.FIRST_COMPLETED)
            if ended.done():
                ended.result()
                return None
            return task.result()
        finally:
            for one in (task, ended):
                one.cancel()

    async def _take_over(self, pairing: Pairing, granted: Granted) -> None:
        """Stop following and begin to vote, where the votes of this validator end."""
        client = pairing.right.client
        assert client is not None
        if self._transport is not None:
            await self._transport.stop()
        self._runtime.detach()
        self._runtime, self._transport = pairing.lead(client, granted.records)
        if self._transport is not None:
            await self._transport.start()
        self._runtime.start(self._transport)
        if self._is_stopping:  # asked meanwhile, of the runtime before
            self._runtime.end()
        log.info("active from height %d on, take-over %d", self._runtime.feed.height, granted.number)

    async def _start(self) -> None:
        if self._transport is not None:
            await self._transport.start()
        self._runtime.start(self._transport)
        self._api = ApiServer(self, api_options(self._parts.config, self._root()))
        await self._api.start()
        gc.collect()
        gc.freeze()
        gc.set_threshold(GC_OBJECTS, 20, 50)
        self._say_ready()

    def _root(self) -> Path:
        folder = self._parts.folder
        return Path() if folder is None else folder.root

    def _say_ready(self) -> None:
        ready = self.ready()
        log.info("ready at height %d, RPC on %s", ready.height, ready.rpc or "no address")
        if self._parts.folder is not None:
            try:
                write_ready(self._parts.folder.ready, ready)
            except OSError as error:  # it serves all the same
                failure = explain_disk_error(error)
                log.warning("no ready file: %s", failure.cause, extra={"code": failure.code})

    def ready(self) -> Ready:
        """What the ready file says."""
        config, transport, api = self._parts.config, self._transport, self._api
        host = parse_address(config.rpc_listen).host
        return Ready(
            pid=os.getpid(),
            name=config.name,
            organisation=config.organisation,
            listen=config.listen if transport is None else str(transport.bound),
            rpc=None if api is None else str(Address(host, api.port)),
            ws=None if api is None or api.ws_port is None else str(Address(host, api.ws_port)),
            height=self._runtime.feed.height,
            genesis_hash="0x" + self.chain.genesis_hash.hex(),
        )

    def request_stop(self, reason: str) -> None:
        """Stop soon; `run` returns."""
        log.info("stopping: %s", reason)
        self._is_stopping = True
        self._runtime.end()

    def step_down(self) -> None:
        """Give leadership away, if this validator leads (`hansa node step-down`)."""
        log.info("asked to give leadership up")
        self._runtime.abdicate()

    def begin_checkpoint(self) -> None:
        """Write a checkpoint now, beside everything else, unless one is being written."""
        try:
            begun = self.chain.begin_checkpoint()
        except NativeError as error:
            self.fail(explain_native(error))
            return
        log.info("a checkpoint was asked for" if begun else "a checkpoint was asked for; the last one is still new")

    def fail(self, error: BaseException) -> None:
        """End with an error; `run` raises it."""
        self._runtime.fail(error)

    async def _stop(self) -> None:
        if self._parts.folder is not None:
            remove_ready(self._parts.folder.ready)
        if self._api is not None:
            await self._api.stop()
        if self._transport is not None:
            if self._may_sign:
                await self._give_leadership_away()
            await self._transport.stop()
        self._runtime.close()
        if self._parts.pairing is not None:
            self._parts.pairing.right.close()
        log.info("stopped at height %d", self._runtime.feed.height)

    @property
    def begins_anew(self) -> bool:
        """Whether the node ended so that its folder is opened once more."""
        return self._runtime.begins_anew

    # --- NodeView

    @property
    def chain(self) -> Chain:
        """The native chain."""
        return self._runtime.chain

    @property
    def rpc(self) -> Rpc:
        """The native JSON-RPC front."""
        return self._parts.rpc

    @property
    def stages(self) -> StageClock:
        """Where the node's processor time goes."""
        return self._runtime.stages

    @property
    def dev(self) -> bool:
        """Whether this is a development alliance."""
        return self._parts.genesis.dev

    def status(self) -> NodeStatus:
        """Where the node stands now."""
        config, replica = self._parts.config, self._runtime.replica.status()
        executable, waiting = self.chain.pool_status()
        return NodeStatus(
            name=config.name,
            organisation=config.organisation,
            index=config.index,
            chain_id=self._parts.genesis.chain_id,
            genesis_hash=self.chain.genesis_hash,
            dev=self._parts.genesis.dev,
            version=hansa.__version__,
            protocol=self._runtime.protocol,
            height=self._runtime.feed.height,
            ordered_height=max(replica.committed_height, self._runtime.feed.height),
            epoch=self._runtime.epoch.number,
            view=replica.view,
            leader=replica.leader,
            peers=0 if self._transport is None else len(self._transport.peers_up()),
            pool_executable=executable,
            pool_waiting=waiting,
            uptime_s=int(time.monotonic() - self._started),
            syncing=replica.syncing,
            voting=replica.voting,
            paused=self._runtime.full,
            quarantine=replica.quarantine,
            halted=self._runtime.halted or replica.halted,
            standby=self._explain_standby(),
            checkpoint=CheckpointStatus(*self.chain.checkpoint_status()),
            passed_over=replica.passed_over,
        )

    @property
    def is_standby(self) -> bool:
        """Whether another node of this validator votes in its stead."""
        pairing = self._parts.pairing
        return pairing is not None and pairing.right.client is None

    def _explain_standby(self) -> str | None:
        pairing = self._parts.pairing
        if pairing is None or not self.is_standby:
            return None
        return f"{pairing.right.holder or 'no node'} holds the right to sign for this validator"

    def validators(self) -> list[ValidatorInfo]:
        """All validators of the epoch in index order."""
        transport = self._transport
        found: list[ValidatorInfo] = []
        for node in self._runtime.epoch.nodes:
            index = node.index
            if not node.weight:
                continue
            own = index == self._parts.config.index
            rtt_us = None if own or transport is None else transport.rtt_us(index)
            found.append(
                ValidatorInfo(
                    index=index,
                    name=node.name,
                    organisation=node.organisation,
                    public_key=node.public_key,
                    account=node.account,
                    connected=own or (transport is not None and transport.is_up(index)),
                    rtt_ms=None if rtt_us is None else rtt_us / 1000,
                    clock_offset_ms=None if own or transport is None else transport.clock_offset_ms(index),
                    protocol_max=_protocol_of(index, own, transport),
                )
            )
        return found

    def kick(self) -> None:
        """Transactions may have entered the pool."""
        self._runtime.kick()

    async def wait_sealed(self, above: int, timeout_s: float) -> int:
        """Return the sealed height once it exceeds `above`, or as it stands after `timeout_s`."""
        return await self._runtime.feed.wait_above(above, timeout_s)

    def sealed_heights(self) -> AsyncIterator[int]:
        """Every height sealed from now on."""
        return self._runtime.feed.heights()


def _protocol_of(index: int, own: bool, transport: Transport | None) -> int | None:
    if own:
        return versions.PROTOCOL_MAX
    return None if transport is None else transport.protocol_max(index)


def api_options(config: NodeConfig, root: Path) -> ApiOptions:
    """Where the API listens and whom it serves, from node.toml; `root` is the node's folder.

    Raises
    ------
    InvalidNodeConfig: the two addresses are of different hosts, or the token is empty.
    UnusableKeyFile: the token file is missing, or others may read it.
    """
    listen, rpc = parse_address(config.rpc_listen), config.rpc
    ws = None if config.ws_listen is None else parse_address(config.ws_listen)
    if ws is not None and ws.host != listen.host:
        raise InvalidNodeConfig("node.toml: rpc_listen and ws_listen name different hosts", "give both the same host")
    token = None if rpc.token_file is None else read_private(root / rpc.token_file).decode().strip()
    if token == "":
        raise InvalidNodeConfig(f"{rpc.token_file} is empty", "write a random token into it: openssl rand -hex 32")
    tls = None
    if rpc.certificate is not None and rpc.key is not None:
        check_private(root / rpc.key)
        authority = None if rpc.clients_ca is None else str(root / rpc.clients_ca)
        tls = TlsFiles(str(root / rpc.certificate), str(root / rpc.key), authority)
    port = None if ws is None else ws.port
    return ApiOptions(listen.host, listen.port, port, rpc.hosts, rpc.origins, token, tls)
