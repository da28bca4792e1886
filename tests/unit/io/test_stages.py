"""Stage counters: every microsecond of the process is in exactly one row."""

import asyncio

import pytest

from hansa.io.stages import LAG_BOUNDS_MS, LOOP_REST, PROCESS_REST, StageClock
from hansa.io.worker import Worker
from tests.waiting import eventually

DEADLINE_S = 10.0


def spin() -> int:
    return sum(range(200_000))


async def test_the_rows_make_the_processor_time_of_the_process() -> None:
    stages = StageClock()
    worker = Worker("work", stages, lambda error: None, lambda error: False)
    done: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    worker.submit("elsewhere", spin, done.set_result)
    assert await done == stages.measure("here", spin)
    worker.close()
    stages.count_transactions(3)
    report = stages.report()
    rows = {row.name: row for row in report.stages}
    assert rows["elsewhere"].calls == rows["here"].calls == 1
    assert rows["elsewhere"].cpu_us > 0 and rows["here"].cpu_us > 0
    assert {LOOP_REST, PROCESS_REST} < set(rows)
    rounding_us = len(rows)
    assert 0 <= report.process_cpu_us - sum(row.cpu_us for row in report.stages) <= rounding_us
    assert report.transactions == 3


async def test_a_stage_that_fails_is_counted() -> None:
    stages = StageClock()
    with pytest.raises(ZeroDivisionError):
        stages.measure("broken", lambda: 1 // 0)
    assert [row.calls for row in stages.report().stages if row.name == "broken"] == [1]


async def test_the_loop_is_watched_from_start_to_close() -> None:
    stages = StageClock()
    stages.start()
    await eventually(lambda: sum(stages.report().loop_lag.counts) > 0, DEADLINE_S, "looked at the loop")
    stages.close()
    lag = stages.report().loop_lag
    assert lag.bounds_ms == LAG_BOUNDS_MS and len(lag.counts) == len(LAG_BOUNDS_MS) + 1
