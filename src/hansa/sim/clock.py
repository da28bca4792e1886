"""The two clocks of one node: a monotonic one for timers, a wall clock for block times. Both may run wrong."""

EPOCH_MS = 10**12  # the wall clock's time at the beginning of a run


class SimClock:
    """Follows virtual time at some rate; the wall clock is off by a skew and by jumps besides."""

    def __init__(self, skew_ms: int) -> None:
        self._skew_ms = skew_ms
        self._jump_ms = 0
        self._rate_percent = 100
        self._since_us = 0  # virtual time at which the rate changed last
        self._local_us = 0  # what the monotonic clock showed then
        self._right_us = 0  # what a right clock showed then: where the wall clock is set back to

    def now_us(self, virtual_us: int) -> int:
        """Return the monotonic clock's microseconds."""
        return self._local_us + (virtual_us - self._since_us) * self._rate_percent // 100

    def wall_ms(self, virtual_us: int) -> int:
        """Return Unix milliseconds as this node believes them to be."""
        elapsed_us = (virtual_us - self._since_us) * self._rate_percent // 100
        return (self._right_us + elapsed_us) // 1000 + self._skew_ms + self._jump_ms + EPOCH_MS

    def delay_us(self, virtual_us: int, at_us: int) -> int:
        """Return how long in virtual time until the monotonic clock shows `at_us`; 0 if it is past."""
        return max(0, -(-(at_us - self.now_us(virtual_us)) * 100 // self._rate_percent))

    def begin(self, virtual_us: int, jump_ms: int, rate_percent: int) -> None:
        """The wall clock jumps; both clocks go on at another rate."""
        self._jump_ms += jump_ms
        self._set_rate(virtual_us, rate_percent)

    def end(self, virtual_us: int, jump_ms: int) -> None:
        """The wall clock is set right but for its skew, and both run at their right rate."""
        self._jump_ms -= jump_ms
        self._set_rate(virtual_us, 100)

    def _set_rate(self, virtual_us: int, rate_percent: int) -> None:
        self._local_us = self.now_us(virtual_us)
        self._since_us = self._right_us = virtual_us
        self._rate_percent = rate_percent
