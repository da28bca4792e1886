"""`hansa bench state`: which gaps count."""

from hansa.bench.client.watcher import SeenBlock
from hansa.bench.state.measure import longest_gap_ms


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
