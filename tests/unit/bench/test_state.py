"""`hansa bench state`: which gaps count."""

from pathlib import Path

import msgspec
import pytest

from hansa.bench.client.watcher import SeenBlock
from hansa.bench.errors import InvalidPlan
from hansa.bench.report import write_result
from hansa.bench.state.measure import StateOptions, StateReport, Written, longest_gap_ms, measure_state
from hansa.bench.state.page import read_state_report, state_section
from tests.unit.bench.test_results import MACHINE


def seen(*times: float, empty: tuple[float, ...] = ()) -> list[SeenBlock]:
    return [SeenBlock(number, "", 0 if at in empty else 1, 0, at) for number, at in enumerate(times)]


def test_the_longest_gap_is_that_of_the_stretch() -> None:
    blocks = seen(1.0, 1.1, 2.0, 2.2, 5.0, 5.1)
    assert longest_gap_ms(blocks, 0.0, 1.05) == 100.0
    assert longest_gap_ms(blocks, 1.5, 2.1) == 900.0
    assert longest_gap_ms(blocks, 2.1, 6.0) == 2_800.0


def test_a_gap_that_begins_before_the_stretch_or_ends_after_it_counts_whole() -> None:
    blocks = seen(1.0, 4.0, 4.1)
    assert longest_gap_ms(blocks, 3.9, 4.05) == 3_000.0
    assert longest_gap_ms(blocks, 2.0, 3.0) == 3_000.0


def test_empty_blocks_end_no_gap_and_no_blocks_make_none() -> None:
    assert longest_gap_ms(seen(1.0, 1.5, 2.0, empty=(1.5,)), 0.0, 3.0) == 1_000.0
    assert longest_gap_ms([], 0.0, 3.0) == 0.0


@pytest.mark.parametrize("options", [StateOptions(validators=3), StateOptions(accounts=49)])
async def test_too_few_of_anything_is_refused_at_once(options: StateOptions, tmp_path: Path) -> None:
    with pytest.raises(InvalidPlan):
        await measure_state(options, tmp_path)


def test_the_page_shows_the_worst_of_each(tmp_path: Path) -> None:
    written = tuple(Written(f"org{i}", 84.0 + i, 2.0, 0.02, 100.0 + i) for i in range(4))
    report = StateReport(
        "0.1", "core", "now", MACHINE, 1, 4, 1_000_000, 2_000.0, 1_999.6, written, 121.4, 73.0, 391.0,
        (0.97, 1.04), (0.44, 0.57), 0.014,
    )  # fmt: skip
    write_result(tmp_path / "1m.json", report)
    assert read_state_report(tmp_path / "1m.json") == report
    row = state_section([report]).splitlines()[-1]
    assert "1,000,000" in row and "| 87 MiB | 121 ms | 73 ms | 1.0 s | 0.6 s | 391 |" in row
    assert state_section([]) == ""
    assert msgspec.json.decode((tmp_path / "1m.json").read_bytes())["tps"] == 1_999.6
