"""Finding the highest sustained rate, and the figures that are read from the system."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hansa.bench.probes import MachineTime, foreign_share, ledger_bytes, used_bytes
from hansa.bench.search import BISECTIONS, STEP, find_highest


@given(st.floats(100, 50_000), st.floats(100, 5_000))
async def test_the_highest_rate_is_found(limit: float, start: float) -> None:
    tried: list[float] = []

    async def is_sustained(rate: float) -> bool:
        tried.append(rate)
        return rate <= limit

    highest = await find_highest(is_sustained, start)
    if highest is None:
        assert limit < start / 8
    else:
        step = max(STEP, 2.0 if limit < start else STEP)
        assert highest <= limit
        assert limit - highest <= highest * (step - 1) / 2**BISECTIONS + 1e-6


def test_used_bytes_leave_out_the_padding(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"\0ab\0c" + bytes(3 << 20))
    (tmp_path / "b").write_bytes(bytes(100))
    (tmp_path / "c").write_bytes(b"")
    assert [used_bytes(tmp_path / name) for name in "abc"] == [5, 0, 0]
    assert ledger_bytes([tmp_path]) == 5


def test_foreign_load_is_what_is_left() -> None:
    before, after = MachineTime(10.0, 100.0), MachineTime(16.0, 110.0)
    assert foreign_share(before, after, 5.0) == pytest.approx(0.1)
    assert foreign_share(before, after, 7.0) == 0.0
