"""The node's two clocks: wall time that never steps back, and microseconds since the process began."""

import time


class Clock:
    """Wall time in milliseconds, advanced by the monotonic clock, so that a timer set from it always fires.

    The wall clock is read at the start and again at most once a minute: a correction forward is taken at once, a
    correction backward by standing still until real time has caught up.
    """

    RESYNC_MS = 60_000

    def __init__(self) -> None:
        self._base_wall_ms = time.time_ns() // 1_000_000
        self._base_monotonic_ms = time.monotonic_ns() // 1_000_000
        self._last_ms = 0

    def now_ms(self) -> int:
        """Milliseconds since 1970, never less than an earlier answer."""
        monotonic_ms = time.monotonic_ns() // 1_000_000
        if monotonic_ms - self._base_monotonic_ms > self.RESYNC_MS:
            self._base_wall_ms = time.time_ns() // 1_000_000
            self._base_monotonic_ms = monotonic_ms
        now = self._base_wall_ms + monotonic_ms - self._base_monotonic_ms
        self._last_ms = max(self._last_ms, now)
        return self._last_ms

    @staticmethod
    def now_us() -> int:
        """Microseconds of the monotonic clock."""
        return time.monotonic_ns() // 1000
