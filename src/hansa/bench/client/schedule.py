"""When each transaction is meant to be sent: stretches of time, each at a rate of its own."""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Schedule:
    """Stretches one after the other."""

    stretches: tuple[tuple[int, float], ...]  # (transactions, transactions per second)

    @property
    def count(self) -> int:
        """Transactions in all."""
        return sum(count for count, _ in self.stretches)

    @property
    def length_s(self) -> float:
        """From the first transaction to the end of the last stretch."""
        return sum(count / rate for count, rate in self.stretches)

    @property
    def rate(self) -> float:
        """The mean of all stretches."""
        return self.count / self.length_s

    def due_s(self) -> "array[float]":
        """When each transaction is due, seconds from the start."""
        due, begin = array("d"), 0.0
        for count, rate in self.stretches:
            due.extend(begin + place / rate for place in range(count))
            begin += count / rate
        return due


def steady(count: int, rate: float) -> Schedule:
    """One rate from beginning to end."""
    return Schedule(((count, rate),))


def follow_trace(trace: Sequence[tuple[float, float]], rate: float, seconds: float, at_least: int) -> Schedule:
    """A trace at a rate and for a time.

    Parameters
    ----------
    trace: stretches as (share of the time, factor on the rate).
    at_least: transactions of each stretch.
    """
    return Schedule(tuple((max(at_least, round(s * seconds * f * rate)), f * rate) for s, f in trace))
