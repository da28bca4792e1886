"""Telling others that blocks were sealed: one-off waits and ascending feeds."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator

FEED_HEIGHTS_MAX = 1024


class _Feed:
    """One consumer's heights that it has not read yet."""

    __slots__ = ("heights", "wake")

    def __init__(self) -> None:
        self.heights: deque[int] = deque()
        self.wake = asyncio.Event()

    def push(self, height: int) -> None:
        if len(self.heights) >= FEED_HEIGHTS_MAX:
            self.heights.clear()
        self.heights.append(height)
        self.wake.set()


class SealedFeed:
    """The sealed height and everyone who waits for it. Lives on the event loop."""

    def __init__(self, height: int) -> None:
        self.height = height
        self._changed = asyncio.Event()
        self._feeds: dict[int, _Feed] = {}
        self._next_feed = 0

    def publish(self, height: int) -> None:
        """Say that `height` is sealed. Heights come in order; one that is no news is ignored."""
        if height <= self.height:
            return
        for missed in range(self.height + 1, height + 1):
            for feed in self._feeds.values():
                feed.push(missed)
        self.height = height
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def wait_above(self, above: int, timeout_s: float) -> int:
        """Return the sealed height once it exceeds `above`, or as it stands after `timeout_s`."""
        try:
            async with asyncio.timeout(timeout_s):
                while self.height <= above:
                    await self._changed.wait()
        except TimeoutError:
            pass
        return self.height

    async def heights(self) -> AsyncIterator[int]:
        """Every height sealed after the iteration began; one FEED_HEIGHTS_MAX behind loses what it missed."""
        key, self._next_feed = self._next_feed, self._next_feed + 1
        feed = self._feeds[key] = _Feed()
        try:
            while True:
                while feed.heights:
                    yield feed.heights.popleft()
                feed.wake.clear()
                await feed.wake.wait()
        finally:
            del self._feeds[key]
