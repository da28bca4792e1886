"""Waiting for sealed heights."""

import asyncio

from hansa.node.sealed_feed import FEED_HEIGHTS_MAX, SealedFeed


async def test_a_wait_ends_with_the_first_greater_height() -> None:
    feed = SealedFeed(5)
    waiting = asyncio.create_task(feed.wait_above(6, 10.0))
    await asyncio.sleep(0)
    feed.publish(6)
    await asyncio.sleep(0)
    assert not waiting.done()
    feed.publish(7)
    assert await waiting == 7


async def test_a_wait_for_the_past_returns_at_once_and_a_vain_one_in_time() -> None:
    feed = SealedFeed(5)
    assert await feed.wait_above(4, 0.0) == 5
    assert await feed.wait_above(9, 0.001) == 5


async def test_a_feed_gets_every_height_once_even_those_skipped_by_a_jump() -> None:
    feed = SealedFeed(0)
    seen: list[int] = []

    async def consume() -> None:
        async for height in feed.heights():
            seen.append(height)
            if height == 6:
                return

    consumer = asyncio.create_task(consume())
    await asyncio.sleep(0)
    for height in (1, 2, 2, 1, 5, 6):
        feed.publish(height)
    await asyncio.wait_for(consumer, 10.0)
    assert seen == [1, 2, 3, 4, 5, 6]


async def test_a_feed_that_is_not_read_stays_bounded_and_goes_on_with_the_newest() -> None:
    feed = SealedFeed(0)
    heights = feed.heights()
    first = asyncio.create_task(anext(heights))
    await asyncio.sleep(0)
    feed.publish(1)
    assert await first == 1
    for height in range(2, FEED_HEIGHTS_MAX + 10):
        feed.publish(height)
    assert await anext(heights) > FEED_HEIGHTS_MAX
