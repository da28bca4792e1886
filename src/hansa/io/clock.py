"""The node's clocks: monotonic time for timers and links, wall time for blocks."""

import time


class Clock:
    """Two clocks, neither of which ever steps back.

    Wall time is read from the system at most once a second and advanced by the monotonic clock between; a correction
    backward makes it stand still until real time has caught up.
    """

    RESYNC_MS = 1_000

    def __init__(self) -> None:
        self._base_wall_ms = time.time_ns() // 1_000_000
        self._base_monotonic_ms = time.monotonic_ns() // 1_000_000
        self._last_ms = 0

    def wall_ms(self) -> int:
        """Unix time in milliseconds, never less than an earlier answer."""
        monotonic_ms = self.now_ms()
        if monotonic_ms - self._base_monotonic_ms > self.RESYNC_MS:
            self._base_wall_ms = time.time_ns() // 1_000_000
            self._base_monotonic_ms = monotonic_ms
        now = self._base_wall_ms + monotonic_ms - self._base_monotonic_ms
        self._last_ms = max(self._last_ms, now)
        return self._last_ms

    @staticmethod
    def unix_ms() -> int:
        """The system's wall clock in milliseconds, which may be set back; for any thread."""
        return time.time_ns() // 1_000_000

    @staticmethod
    def now_ms() -> int:
        """Milliseconds of the monotonic clock."""
        return time.monotonic_ns() // 1_000_000

    @staticmethod
    def now_us() -> int:
        """Microseconds of the monotonic clock."""
        return time.monotonic_ns() // 1000
