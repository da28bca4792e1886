"""What a soak draws and what it reports."""

from pathlib import Path

import msgspec
import pytest

from hansa.bench.probes import Machine
from hansa.chaos.availability.page import soak_page, write_soak
from hansa.chaos.availability.prober import Probe
from hansa.chaos.availability.soak import (
    GAP_S_MIN,
    POINTS_MAX,
    Gap,
    Happening,
    SoakReport,
    describe,
    find_gaps,
    make_soak_script,
    thin_out,
)
from hansa.chaos.play import explain_unplayable
from hansa.sim.script import decode_script, encode_script

MACHINE = Machine("a processor", (), 2, 4.0, "Linux", "3.11", 0.1)


@pytest.mark.parametrize("seed", range(20))
def test_at_most_t_validators_suffer_at_once_and_time_to_heal_is_left(seed: int) -> None:
    script = make_soak_script(7, 30.0, 60.0, seed)
    by_period: dict[int, set[int]] = {}
    for fault in script.faults:
        period = fault.at_ms // 60_000
        assert fault.until_ms <= (period + 1) * 60_000 - 15_000
        struck = set(fault.nodes)
        if hasattr(fault, "peers"):
            struck = min(struck, set(fault.peers), key=len)
        by_period.setdefault(period, set()).update(struck)
    assert sorted(by_period) == list(range(30))
    assert all(1 <= len(struck) <= 2 for struck in by_period.values())


def test_a_soak_is_a_script_that_real_processes_can_suffer() -> None:
    script = make_soak_script(4, 5.0, 30.0, 3)
    assert decode_script(encode_script(script)) == script == make_soak_script(4, 5.0, 30.0, 3)
    assert explain_unplayable(script, is_sandboxed=False) is None
    drawn = {describe(fault) for seed in range(20) for fault in make_soak_script(7, 30.0, 60.0, seed).faults}
    assert len(drawn) == 12


def test_a_gap_names_the_fault_in_whose_time_it_falls() -> None:
    faults = (Happening(10.0, 20.0, (3,), "kill -9"), Happening(70.0, 80.0, (1, 2), "cut off"))
    finals = [(0.0, 0), (10.0, 5), (10.1, 6), (11.4, 7), (11.5, 8), (50.0, 9)]
    gaps = find_gaps(finals, faults)
    assert [(gap.at_s, gap.ms) for gap in gaps] == [(0.0, 10_000), (10.1, 1_300), (11.5, 38_500)]
    assert gaps[1].cause == "kill -9 of 3"
    assert not find_gaps([(0.0, 0), (GAP_S_MIN / 2, 1)], faults)


def test_points_are_thinned_out() -> None:
    points = [(float(at), at) for at in range(10 * POINTS_MAX)]
    kept = thin_out(points)
    assert POINTS_MAX <= len(kept) <= POINTS_MAX + 1 and kept[0] == points[0] and kept[-1] == points[-1]


def make_report(good: int, lost: tuple[str, ...] = (), violation: str | None = None) -> SoakReport:
    bad = tuple(Probe(float(at), "0xaa", (1, 2), 2_500, 2_600, False, False) for at in range(1_000 - good))
    return SoakReport(
        "0.1.0", "2026-01-01T00:00:00", MACHINE, 1, 7, 30.0, 60.0, True, 2.0, 1_000, 0, good, 90, 400, bad,
        (Happening(10.0, 20.0, (3,), "kill -9"),), (), ((0.0, 0),), 1_000, lost, (), violation,
    )  # fmt: skip


def test_a_soak_passes_with_three_nines_and_nothing_lost() -> None:
    assert make_report(999).is_passed
    assert not make_report(998).is_passed
    assert not make_report(1_000, ("0xbb",)).is_passed
    assert not make_report(1_000, violation="agreement: fork").is_passed


@pytest.mark.parametrize("gaps", [(), (Gap(10.0, 700, "kill -9 of 3"),)])
def test_a_report_is_written_whole(tmp_path: Path, gaps: tuple[Gap, ...]) -> None:
    write_soak(msgspec.structs.replace(make_report(999), gaps=gaps), tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["soak.html", "soak.json", "soak.png"]


def test_the_page_tells_all() -> None:
    page = soak_page(make_report(998), has_picture=False)
    assert "99.800 %" in page and "<td>10</td><td>20</td><td>3</td><td>kill -9</td>" in page
    assert page.count("<td>1 2</td><td>2500</td><td>2600</td>") == 2
    assert msgspec.json.decode(msgspec.json.encode(make_report(998)), type=SoakReport) == make_report(998)
