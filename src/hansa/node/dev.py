"""`hansa dev`: one node in memory that seals before a send returns, and can be told the time and who owns what.

It is a `NodeView` and a `DevControl` at once; `run_dev` listens and prints.
"""

import asyncio
import json
import logging
import secrets
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec
import uvloop

from hansa import __version__
from hansa._native import Chain, NativeError, Rpc
from hansa.alliance.artefact import predeployed_contracts
from hansa.alliance.chain_id import DEV_CHAIN_ID
from hansa.api import ApiOptions, ApiServer
from hansa.crypto.derivation import derive_key_pairs
from hansa.crypto.suite import KeyPair, keccak256, key_pair, to_checksum_address
from hansa.errors import InvalidInput
from hansa.io.stages import StageClock
from hansa.node.sealed_feed import SealedFeed
from hansa.types import versions
from hansa.types.ports import CheckpointStatus, NodeStatus, ValidatorInfo

_LOG = logging.getLogger("hansa.dev")

MNEMONIC = "test test test test test test test test test test test junk"
GAS_LIMIT = 60_000_000
WEI_PER_COIN = 10**18
MINED_AT_ONCE_MAX = 100_000
BLOCKS_PER_KICK_MAX = 256
_HARD_FORK = "osaka"


class InvalidTime(InvalidInput):
    """A block's time must be after the latest block's."""

    code = "DEV-1"


class TooManyBlocks(InvalidInput):
    """More blocks at once than MINED_AT_ONCE_MAX."""

    code = "DEV-2"


class DevOptions(msgspec.Struct, frozen=True):
    """What `hansa dev` takes."""

    host: str = "127.0.0.1"
    port: int = 8545
    chain_id: int = DEV_CHAIN_ID
    mnemonic: str = MNEMONIC
    accounts: int = 10
    balance: int = 10_000  # coins of each account
    automine: bool = True


class DevNode:
    """The node. Lives on the event loop."""

    def __init__(self, options: DevOptions) -> None:
        self.options = options
        self.keys = derive_key_pairs(options.mnemonic, options.accounts)
        self._by_address = {pair.address: pair for pair in self.keys}
        self._validator = key_pair(keccak256(b"hansa/dev-validator"))
        genesis = dev_genesis(options, self.keys, self._validator)
        self._chain = Chain.create(None, genesis)
        self._rpc = Rpc(self._chain, {"client_version": f"hansa/v{__version__}/dev", "coinbase": self._coinbase()})
        self._feed = SealedFeed(0)
        self._stages = StageClock()
        self._impersonated: set[bytes] = set()
        self._impersonates_all = False
        self._automine = options.automine
        self._offset_ms = 0  # of the chain's clock to real time
        self._offsets: dict[int, int] = {}  # by snapshot
        self._next_timestamp: int | None = None
        self._interval: asyncio.Task[None] | None = None
        self._started = time.monotonic()
        self._instance = "0x" + secrets.token_hex(32)

    # --- NodeView

    @property
    def chain(self) -> Chain:
        """The native chain."""
        return self._chain

    @property
    def rpc(self) -> Rpc:
        """The native JSON-RPC front."""
        return self._rpc

    @property
    def stages(self) -> StageClock:
        """Where the node's processor time goes."""
        return self._stages

    @property
    def dev(self) -> bool:
        """Always a development node."""
        return True

    @property
    def is_standby(self) -> bool:
        """Never: there is one node."""
        return False

    def status(self) -> NodeStatus:
        """Where the node stands now."""
        height = self._chain.head()[0]
        executable, waiting = self._chain.pool_status()
        return NodeStatus(
            name="dev",
            organisation="dev",
            index=0,
            chain_id=self._chain.chain_id,
            genesis_hash=self._chain.genesis_hash,
            dev=True,
            protocol=versions.PROTOCOL_GENESIS,
            version=__version__,
            height=height,
            ordered_height=height,
            epoch=0,
            view=0,
            leader=0,
            peers=0,
            pool_executable=executable,
            pool_waiting=waiting,
            uptime_s=int(time.monotonic() - self._started),
            syncing=False,
            voting=True,
            paused=None,
            quarantine=None,
            halted=None,
            checkpoint=CheckpointStatus(*self._chain.checkpoint_status()),
        )

    def validators(self) -> list[ValidatorInfo]:
        """Itself alone."""
        own = self._validator
        return [ValidatorInfo(0, "dev", "dev", own.public, own.address, True, None, None)]

    def kick(self) -> None:
        """Seal what can be sealed, before the send returns."""
        if not self._automine:
            return
        try:
            self._mine_pool()
        except NativeError as error:
            _LOG.error("cannot seal: %s", error.args[1])

    def _mine_pool(self) -> None:
        waiting = self._chain.pool_status()[0]
        for _ in range(BLOCKS_PER_KICK_MAX):
            if waiting == 0:
                return
            self._mine_one(None)
            left = self._chain.pool_status()[0]
            if left >= waiting:
                return  # nothing of it can be sealed now
            waiting = left

    async def wait_sealed(self, above: int, timeout_s: float) -> int:
        """Return the latest height once it is above `above`, or after `timeout_s`."""
        return await self._feed.wait_above(above, timeout_s)

    def sealed_heights(self) -> AsyncIterator[int]:
        """Every height sealed from now on."""
        return self._feed.heights()

    # --- accounts

    def accounts(self) -> list[bytes]:
        """The unlocked accounts."""
        return [pair.address for pair in self.keys]

    def secret(self, account: bytes) -> bytes | None:
        """The key of an unlocked account."""
        pair = self._by_address.get(account)
        return None if pair is None else pair.secret

    def impersonate(self, account: bytes) -> None:
        """Accept transactions from an account without its key."""
        self._impersonated.add(account)

    def stop_impersonating(self, account: bytes) -> None:
        """Undo `impersonate`."""
        self._impersonated.discard(account)

    def set_auto_impersonate(self, enabled: bool) -> None:
        """Accept transactions from every account."""
        self._impersonates_all = enabled

    def is_impersonated(self, account: bytes) -> bool:
        """Whether transactions from the account need no key."""
        return self._impersonates_all or account in self._impersonated

    def submit_as(self, sender: bytes, raw: bytes) -> bytes:
        """Admit a transaction as sent by `sender`, whatever its signature; its hash."""
        return self._chain.dev_submit_raw_as(sender, raw)

    # --- blocks and time

    def mine(self, count: int = 1, interval_s: int | None = None, timestamp: int | None = None) -> None:
        """Seal blocks now, empty ones too.

        Raises
        ------
        TooManyBlocks: more than MINED_AT_ONCE_MAX.
        InvalidTime: `timestamp` is not after the latest block.
        """
        if count > MINED_AT_ONCE_MAX:
            raise TooManyBlocks(f"{count} blocks at once", f"mine at most {MINED_AT_ONCE_MAX} at once")
        if timestamp is not None:
            self.set_next_timestamp(timestamp)
        for index in range(count):
            if index > 0 and interval_s is not None:
                self._next_timestamp = self._head_timestamp() + interval_s
            self._mine_one(self._next_timestamp)

    def _mine_one(self, timestamp: int | None) -> None:
        """One block; its time is after its parent's, as Ethereum's is."""
        if timestamp is None:
            timestamp = self._next_timestamp
        now_ms = time.time_ns() // 1_000_000 + self._offset_ms
        if timestamp is not None:
            self._offset_ms += timestamp * 1_000 - now_ms
            now_ms = timestamp * 1_000
        time_ms = max(now_ms, (self._head_timestamp() + 1) * 1_000)
        height, _ = self._chain.dev_mine(time_ms)
        self._next_timestamp = None
        self._feed.publish(height)

    def _head_timestamp(self) -> int:
        return self._chain.head_time_ms() // 1_000

    def set_automine(self, enabled: bool) -> None:
        """Seal after every send, or only when told."""
        self._automine = enabled
        self.kick()

    def is_automine(self) -> bool:
        """Whether every send seals."""
        return self._automine

    def set_interval(self, milliseconds: int) -> None:
        """Seal a block every so often; 0 = never."""
        if self._interval is not None:
            self._interval.cancel()
            self._interval = None
        if milliseconds > 0:
            self._interval = asyncio.create_task(self._mine_every(milliseconds / 1_000))

    async def _mine_every(self, seconds: float) -> None:
        while True:
            await asyncio.sleep(seconds)
            self._mine_one(None)

    def increase_time(self, seconds: int) -> int:
        """Move the clock forward; the total offset in seconds."""
        self._offset_ms += seconds * 1_000
        return self._offset_ms // 1_000

    def set_time(self, timestamp: int) -> int:
        """Set the clock, in seconds since 1970; the offset to real time in seconds."""
        self._offset_ms = timestamp * 1_000 - time.time_ns() // 1_000_000
        return self._offset_ms // 1_000

    def set_next_timestamp(self, timestamp: int) -> None:
        """Fix the next block's time, in seconds.

        Raises
        ------
        InvalidTime: not after the latest block.
        """
        latest = self._head_timestamp()
        if timestamp <= latest:
            raise InvalidTime(
                f"timestamp {timestamp} is not after the latest block's {latest}", f"use {latest + 1} or later"
            )
        self._next_timestamp = timestamp

    def set_next_base_fee(self, wei: int) -> None:
        """Fix the next block's base fee."""
        self._chain.dev_set_next_block(base_fee=wei)

    # --- state

    def set_balance(self, account: bytes, wei: int) -> None:
        """Change an account in the latest state."""
        self._chain.dev_set_account(account, balance=wei)

    def set_nonce(self, account: bytes, nonce: int) -> None:
        """Change an account in the latest state."""
        self._chain.dev_set_account(account, nonce=nonce)

    def set_code(self, account: bytes, code: bytes) -> None:
        """Change an account in the latest state."""
        self._chain.dev_set_account(account, code=code)

    def set_storage(self, account: bytes, slot: int, value: int) -> None:
        """Change one slot in the latest state."""
        self._chain.dev_set_storage(account, slot, value)

    def snapshot(self) -> int:
        """Remember everything; an id from 1 up."""
        snapshot = self._chain.dev_snapshot()
        self._offsets[snapshot] = self._offset_ms
        return snapshot

    def revert(self, snapshot: int) -> bool:
        """Go back to a snapshot, which is used up with all later ones; False when there is none."""
        if not self._chain.dev_revert(snapshot):
            return False
        self._offset_ms = self._offsets[snapshot]
        self._offsets = {known: offset for known, offset in self._offsets.items() if known < snapshot}
        self._go_back()
        return True

    def reset(self) -> None:
        """Go back to genesis."""
        self._chain.dev_reset()
        self._offset_ms = 0
        self._offsets.clear()
        self._impersonated.clear()
        self._go_back()

    def _go_back(self) -> None:
        self._next_timestamp = None
        self._feed.height = self._chain.head()[0]

    def drop_transaction(self, transaction: bytes) -> bool:
        """Take a transaction out of the pool; False when it is not there."""
        return self._chain.dev_drop_transaction(transaction)

    def facts(self) -> dict[str, Any]:
        """For hardhat_metadata and anvil_nodeInfo."""
        version = f"hansa/v{__version__}/dev"
        return {
            "version": version,
            "chainId": self._chain.chain_id,
            "instanceId": self._instance,
            "hardFork": _HARD_FORK,
        }

    def close(self) -> None:
        """End interval mining."""
        self.set_interval(0)

    def _coinbase(self) -> str:
        return "0x" + self._validator.address.hex()


def dev_genesis(options: DevOptions, keys: list[KeyPair], validator: KeyPair) -> bytes:
    """genesis.json of a development chain: Ethereum's fees, one validator, funded accounts, the usual contracts."""
    alloc: dict[str, Any] = {one.address: {"nonce": "0x1", "code": one.code} for one in predeployed_contracts()}
    for pair in keys:
        alloc["0x" + pair.address.hex()] = {"balance": hex(options.balance * WEI_PER_COIN)}
    genesis = {
        "version": 1,
        "name": "dev",
        "chain_id": options.chain_id,
        "dev": True,
        "timestamp_ms": time.time_ns() // 1_000_000_000 * 1_000,
        "gas_limit": GAS_LIMIT,
        "rules": {"evm": _HARD_FORK, "fees": "ethereum", "suite": 0},
        "consensus": {"kind": "solo"},
        "organisations": [],
        "validators": [
            {
                "name": "dev",
                "organisation": "dev",
                "public_key": "0x" + validator.public.hex(),
                "account": "0x" + validator.address.hex(),
            }
        ],
        "alloc": alloc,
    }
    return json.dumps(genesis).encode()


def run_dev(options: DevOptions, ready: Callable[[DevNode, int], None] | None = None) -> int:
    """Serve until SIGINT or SIGTERM; returns the exit code.

    Parameters
    ----------
    ready: called with the node and its port once it listens; prints the banner when not given.

    Raises
    ------
    UnsafeListen, PortTaken: the address is not loopback, or in use.
    """
    return uvloop.run(_serve(options, ready or print_banner))


async def _serve(options: DevOptions, ready: Callable[[DevNode, int], None]) -> int:
    node = DevNode(options)
    server = ApiServer(node, ApiOptions(options.host, options.port), node)
    await server.start()
    ended = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    ready(node, server.port)
    try:
        await ended.wait()
    finally:
        node.close()
        await server.stop()
    return 0


def print_banner(node: DevNode, port: int) -> None:
    """Show accounts, keys and the address, as development nodes do."""
    lines = ["", "Hansa development node: one validator, Ethereum fees, blocks sealed at once", ""]
    lines += ["Accounts (public test keys: never use them for anything of value)"]
    for index, pair in enumerate(node.keys):
        lines.append(f"  ({index}) {to_checksum_address(pair.address)}  key 0x{pair.secret.hex()}")
    options = node.options
    host = f"[{options.host}]" if ":" in options.host else options.host
    lines += ["", f"Mnemonic  {options.mnemonic}", f"Coins     {options.balance} each"]
    lines += [f"Chain id  {options.chain_id}", f"RPC       http://{host}:{port}  ws://{host}:{port}", ""]
    print("\n".join(lines), file=sys.stdout, flush=True)
