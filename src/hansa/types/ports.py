"""What one layer may ask of another without importing it: the Protocols shared by `api`, `node` and tests."""

from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Protocol, TypeVar

import msgspec

if TYPE_CHECKING:
    from hansa._native import Chain, Rpc


Result = TypeVar("Result")


class ValidatorInfo(msgspec.Struct, frozen=True):
    """One validator of the alliance as this node sees it."""

    index: int  # position in the validator list, 0-based
    name: str  # node name, unique in the alliance
    organisation: str
    public_key: bytes  # 33 bytes, compressed secp256k1
    account: bytes  # 20 bytes, receives priority fees
    connected: bool  # a vote lane to it is open now (True for oneself)
    rtt_ms: float | None  # last round trip on the vote lane
    clock_offset_ms: int | None  # how far its wall clock is ahead of ours
    protocol_max: int | None = None  # the highest protocol that it said it can run, when it last came


class CheckpointStatus(msgspec.Struct, frozen=True):
    """The files that hold whole states, from which a start goes on."""

    height: int  # block of the newest
    size: int  # its bytes
    writing: bool  # whether one is being written
    written: int  # since the node started
    took_ms: int  # the last of these, until the node used it
    held_up_us: int  # for how long blocks waited while the node moved onto one, at most


class NodeStatus(msgspec.Struct, frozen=True):
    """One moment of a running node, for `hansa_status`, `hansa ps` and the console."""

    name: str
    organisation: str
    index: int
    chain_id: int
    genesis_hash: bytes  # 32 bytes
    dev: bool
    version: str
    protocol: int  # by which blocks are made and judged now
    height: int  # latest sealed block
    ordered_height: int  # latest committed order, >= height
    epoch: int  # of the validators who sign the next block
    view: int
    leader: int  # index of the leader of `view`
    peers: int  # validators whose vote lane is open, oneself not counted
    pool_executable: int
    pool_waiting: int  # behind a nonce gap
    uptime_s: int
    syncing: bool  # fetching sealed blocks from others
    voting: bool  # False while paused, in quarantine or halted
    paused: str | None  # why it does not vote just now: its disk is full
    quarantine: str | None  # why the node does not trust its own vote log, None while it does
    halted: str | None  # why the node stopped voting, None while healthy
    checkpoint: CheckpointStatus
    passed_over: tuple[int, ...] = ()  # validators of whom nothing is heard: their views are left at once (rules 1.9)
    standby: str | None = None  # which node of this validator votes in its stead, None while this one may


class Stage(msgspec.Struct, frozen=True):
    """Processor time of one kind of work since the node's start."""

    name: str
    calls: int
    cpu_us: int


class LoopLag(msgspec.Struct, frozen=True):
    """How late a timer of the event loop was, looked at 20 times a second, as a histogram since the start."""

    bounds_ms: tuple[float, ...]  # upper bounds, ascending
    counts: tuple[int, ...]  # one more than bounds: the last counts what was later than all


class StageReport(msgspec.Struct, frozen=True):
    """Where a node's processor time went since its start."""

    transactions: int  # executed here
    process_cpu_us: int
    stages: tuple[Stage, ...]  # the dearest first; their sum is `process_cpu_us`
    loop_lag: LoopLag


class Stages(Protocol):
    """The counters of a node's stages."""

    def measure(self, stage: str, work: Callable[[], Result]) -> Result:
        """Do `work` and count its processor time under `stage`; in any thread."""

    def report(self) -> StageReport:
        """All stages since the start."""


class NodeView(Protocol):
    """A running node, as its API sees it. Every method is called on the node's event loop."""

    @property
    def chain(self) -> "Chain":
        """The native chain; its methods release the GIL, heavy ones belong in a worker thread."""

    @property
    def rpc(self) -> "Rpc":
        """The native JSON-RPC front."""

    @property
    def stages(self) -> Stages:
        """Where the node's processor time goes."""

    @property
    def dev(self) -> bool:
        """Whether this alliance is a development alliance (loopback only)."""

    @property
    def is_standby(self) -> bool:
        """Whether another node of this validator votes in its stead."""

    def status(self) -> NodeStatus:
        """Where the node stands now."""

    def validators(self) -> list[ValidatorInfo]:
        """All validators in index order."""

    def kick(self) -> None:
        """Say that transactions may have entered the pool: they are gossiped and proposed soon. Cheap; call often."""

    async def wait_sealed(self, above: int, timeout_s: float) -> int:
        """Return the latest sealed height as soon as it is greater than `above`, or after `timeout_s` as it stands."""

    def sealed_heights(self) -> AsyncIterator[int]:
        """Every height sealed from now on, ascending, none left out.

        A consumer that falls more than 1,024 heights behind gets the newest only (a gap; it may read those between).
        """
