"""Settings of an engine: the alliance's part is in genesis and in the chain, the rest are protocol constants."""

from collections.abc import Callable

import msgspec

from hansa.consensus.validators import ValidatorSet
from hansa.types.epoch import EpochFacts
from hansa.types.order import OrderBlock

WINDOW_MAX = 64
RECENT_HEIGHTS = 256  # sealed hashes kept to judge what a proposal names; Restored.recent may hold as many
HEIGHTS_AHEAD_MAX = 1024  # unsealed heights that votes and blocks are kept for
PRUNE_EVERY_HEIGHTS = 64
TICK_MS = 500  # t_r
HEARTBEAT_MS = 200
STATUS_IDLE_MS = 1_000
FETCH_TRY_MS = 200
VIEW_TIMEOUT_MIN_MS = 500
VIEW_TIMEOUT_MAX_MS = 4_000
VIEW_TIMEOUT_CAP_MS = 8_000
TIME_AHEAD_MAX_MS = 1_000
LEADER_SILENT_MS = 3 * HEARTBEAT_MS
LEADER_GONE_MS = 3 * STATUS_IDLE_MS
LONELY_VIEW_CHANGE_MS = 10_000
REJOIN_HELP_MS = 10_000  # how long others help a validator out of its quarantine, and
REJOIN_PAUSE_MS = 5_000  # how long not before they do again; doubles with each time
REJOIN_VIEWS_MAX = 4  # an honest validator in quarantine asks for no view further ahead
REPLY_EVERY_MS = 200  # a peer that calls for help is answered at most this often
FETCHES_MAX = 64


class EngineConfig(msgspec.Struct, frozen=True):
    """What one engine of one node is built from. An engine lives for one epoch."""

    me: int  # own stable index
    validators: ValidatorSet
    genesis_order_hash: bytes  # 32 bytes, of the block that the epoch grows from: the parent of `first_height`
    order_hash: Callable[[OrderBlock], bytes]  # keccak256 of the canonical encoding
    payload_hash: Callable[[bytes], bytes]  # keccak256 of refs
    window: int = 8  # W, 1 ... WINDOW_MAX
    term: int = 10_000  # heights that one leader proposes in one view at most
    block_interval_ms: int = 0  # a leader waits this long after its last proposal unless a block is full
    view_timeout_ms: int = 1_000  # T before anything was measured
    prune_every_heights: int = PRUNE_EVERY_HEIGHTS
    verify_own_votes: bool = True  # ask peers at start whether they saw votes beyond our log
    epoch: int = 0
    first_height: int = 1  # of the epoch

    @property
    def root_height(self) -> int:
        """The height of the block that the epoch grows from: sealed by the epoch before, or the chain's genesis."""
        return self.first_height - 1

    def for_epoch(self, facts: EpochFacts, root_order_hash: bytes) -> "EngineConfig":
        """Return the settings of another epoch.

        Parameters
        ----------
        root_order_hash: 32 bytes, of the block below the epoch's first one.
        """
        return msgspec.structs.replace(
            self,
            validators=type(self.validators).of_epoch(facts),
            genesis_order_hash=root_order_hash,
            block_interval_ms=facts.block_interval_ms,
            view_timeout_ms=facts.view_timeout_ms,
            epoch=facts.number,
            first_height=facts.first_height,
        )
