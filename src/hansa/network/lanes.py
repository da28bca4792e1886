"""Four lanes per peer, each with its own connection and its own bounded queue, so that votes never wait behind bulk.

| lane         | carries                          | when its queue is full                                      |
|--------------|----------------------------------|-------------------------------------------------------------|
| VOTES        | votes, view changes              | never drops (the protocol bounds it): the link is restarted |
| PROPOSALS    | proposals, certificates, status  | drops the oldest; the protocol repeats what matters         |
| TRANSACTIONS | bundles, payload                 | drops the oldest; payloads are fetched again when needed    |
| SYNC         | ranges of sealed blocks          | drops the newest; the puller asks again                     |
"""

from collections import deque
from enum import Enum, IntEnum

import msgspec


class Lane(IntEnum):
    """A priority class; the number is the one on the wire."""

    VOTES = 0
    PROPOSALS = 1
    TRANSACTIONS = 2
    SYNC = 3


class Overflow(Enum):
    """What a full queue does with one frame more."""

    RESTART = "restart"
    DROP_OLDEST = "drop oldest"
    DROP_NEWEST = "drop newest"


class LanePolicy(msgspec.Struct, frozen=True):
    """How much one lane may hold for one peer, and what happens beyond."""

    queue_bytes_max: int
    overflow: Overflow
    keep_while_down: bool  # whether frames wait for a reconnect


LANE_POLICIES: dict[Lane, LanePolicy] = {
    Lane.VOTES: LanePolicy(2 * 1024 * 1024, Overflow.RESTART, keep_while_down=True),
    Lane.PROPOSALS: LanePolicy(16 * 1024 * 1024, Overflow.DROP_OLDEST, keep_while_down=False),
    Lane.TRANSACTIONS: LanePolicy(32 * 1024 * 1024, Overflow.DROP_OLDEST, keep_while_down=False),
    Lane.SYNC: LanePolicy(32 * 1024 * 1024, Overflow.DROP_NEWEST, keep_while_down=False),
}


class LaneQueue:
    """Encoded frames that wait for one (peer, lane), bounded in bytes."""

    __slots__ = ("_frames", "bytes_waiting", "dropped", "policy")

    def __init__(self, policy: LanePolicy) -> None:
        self.policy = policy
        self.bytes_waiting = 0
        self.dropped = 0  # frames given up since the start
        self._frames: deque[bytes] = deque()

    def push(self, frame: bytes) -> bool:
        """Queue one frame. Returns False when the lane must be restarted (Overflow.RESTART and full)."""
        limit = self.policy.queue_bytes_max
        if self.bytes_waiting + len(frame) > limit:
            if self.policy.overflow is Overflow.RESTART:
                return False
            if self.policy.overflow is Overflow.DROP_NEWEST:
                self.dropped += 1
                return True
            while self._frames and self.bytes_waiting + len(frame) > limit:
                self.bytes_waiting -= len(self._frames.popleft())
                self.dropped += 1
        self._frames.append(frame)
        self.bytes_waiting += len(frame)
        return True

    def take(self, bytes_max: int) -> list[bytes]:
        """Remove and return frames in order, at least one if any waits, together about `bytes_max` bytes."""
        taken: list[bytes] = []
        size = 0
        while self._frames and (not taken or size + len(self._frames[0]) <= bytes_max):
            frame = self._frames.popleft()
            taken.append(frame)
            size += len(frame)
        self.bytes_waiting -= size
        return taken

    def clear(self) -> None:
        """Give up everything that waits; it counts as dropped."""
        self.dropped += len(self._frames)
        self._frames.clear()
        self.bytes_waiting = 0
