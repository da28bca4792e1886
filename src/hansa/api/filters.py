"""Installed filters: a cursor each, bounded in number, forgotten after five idle minutes."""

import secrets
from collections.abc import Callable
from enum import Enum
from typing import Any

import msgspec

from hansa.api.errors import FilterNotFound, LimitExceeded
from hansa.api.options import CHANGES_BLOCKS_MAX, CRITERIA_BYTES_MAX, FILTER_IDLE_SECONDS_MAX, FILTERS_MAX


class FilterKind(Enum):
    """What a filter watches."""

    LOGS = "logs"
    BLOCKS = "blocks"
    PENDING = "pending"


class Filter:
    """One installed filter."""

    __slots__ = ("criteria", "cursor", "kind", "used_at")

    def __init__(self, kind: FilterKind, cursor: int, criteria: dict[str, Any], used_at: float) -> None:
        self.kind = kind
        self.cursor = cursor  # LOGS, BLOCKS: last block told; PENDING: the pool's own cursor
        self.criteria = criteria  # the filter object of LOGS
        self.used_at = used_at  # seconds of the clock given to the store


class FilterStore:
    """All filters of one node's API."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._filters: dict[str, Filter] = {}

    def __len__(self) -> int:
        return len(self._filters)

    def install(self, kind: FilterKind, cursor: int, criteria: dict[str, Any] | None = None) -> str:
        """Install a filter and return its id.

        Raises
        ------
        LimitExceeded: FILTERS_MAX are in use.
        """
        self.expire()
        if len(self._filters) >= FILTERS_MAX:
            raise LimitExceeded(f"{FILTERS_MAX} filters are installed", "uninstall some, or subscribe by WebSocket")
        name = hex(secrets.randbits(126) | 1 << 126)
        self._filters[name] = Filter(kind, cursor, criteria or {}, self._clock())
        return name

    def get(self, name: str) -> Filter:
        """The filter of that id; its idle time starts anew.

        Raises
        ------
        FilterNotFound: expired, uninstalled, or never made.
        """
        self.expire()
        found = self._filters.get(name)
        if found is None:
            raise FilterNotFound("filter not found", "filters expire after five idle minutes; install it again")
        found.used_at = self._clock()
        return found

    def uninstall(self, name: str) -> bool:
        """Forget a filter; False when there is none."""
        return self._filters.pop(name, None) is not None

    def expire(self) -> None:
        """Forget the filters that were idle for too long."""
        oldest = self._clock() - FILTER_IDLE_SECONDS_MAX
        for name in [name for name, one in self._filters.items() if one.used_at < oldest]:
            del self._filters[name]


def encode_criteria(criteria: dict[str, Any]) -> bytes:
    """The JSON of a filter object that is kept.

    Raises
    ------
    LimitExceeded: more than CRITERIA_BYTES_MAX.
    """
    text = msgspec.json.encode(criteria)
    if len(text) > CRITERIA_BYTES_MAX:
        raise LimitExceeded(f"the filter takes {len(text)} bytes", f"send at most {CRITERIA_BYTES_MAX}")
    return text


def changes_criteria(one: Filter, head: int) -> bytes | None:
    """The eth_getLogs filter for the blocks that were sealed since the last look, within the filter's own range.

    `None` when no block is new. Blocks that a development node took back count as new when they come again. More than
    CHANGES_BLOCKS_MAX come with several looks.
    """
    one.cursor = min(one.cursor, head)
    first = max(one.cursor + 1, _number(one.criteria.get("fromBlock"), 0))
    until = min(head, first + CHANGES_BLOCKS_MAX - 1)
    last = min(until, _number(one.criteria.get("toBlock"), until))
    one.cursor = max(until, one.cursor)
    if first > last:
        return None
    return msgspec.json.encode(one.criteria | {"fromBlock": hex(first), "toBlock": hex(last)})


def _number(tag: Any, otherwise: int) -> int:
    """A block number given as hex; tags do not narrow what comes."""
    return int(tag, 16) if isinstance(tag, str) and tag.startswith("0x") else otherwise
