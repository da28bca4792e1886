"""What is made of results: a comparison, plots, and the page of the docs."""

import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest

from hansa.bench.errors import InvalidPlan
from hansa.bench.probes import Machine
from hansa.bench.report import RESULT_VERSION, Beyond, RunReport, read_result, run_text, write_result
from hansa.bench.results.compare import compare_text
from hansa.bench.results.page import results_page
from hansa.bench.results.plots import count_words, draw_plots
from hansa.bench.trial import TrialResult

ROOT = Path(__file__).resolve().parents[3]
MACHINE = Machine("a processor", ("avx2",), 2, 8.0, "a kernel", "3.11", 1.5)


def trial(rate: float = 1_000.0, tps: float = 990.0, reasons: tuple[str, ...] = ()) -> TrialResult:
    return TrialResult(
        rate=rate,
        offered=10_000,
        final=10_000,
        goodput=1.0,
        tps=tps,
        latency_ms_p50=80.0,
        latency_ms_p95=150.0,
        latency_ms_p99=200.0,
        latency_ms_max=250.0,
        accepted=10_000,
        refused={},
        drain_s=None,
        broken_requests=0,
        sender_late_ms_max=1.0,
        blocks=100,
        block_transactions_mean=100.0,
        block_interval_ms_p50=100.0,
        block_interval_ms_p99=120.0,
        block_gap_ms_max=130.0,
        failed=0,
        receipts_read=10_000,
        recovery_s=None,
        reads=None,
        node_cpu_us_per_tx=40.0,
        stage_us_per_tx={"execute": 12.5, "seal": 7.5},
        loop_lag_ms_p99=10.0,
        commits_per_block=2.0,
        checkpoints=0,
        client_cpu_us_per_tx=5.0,
        rss_peak_mib=300.0,
        disk_bytes_per_tx=200.0,
        device_bytes_per_tx=400.0,
        network_bytes_per_tx=150.0,
        foreign_cpu_share=0.01,
        reasons=reasons,
    )


def report(workload: str = "transfer", accounts: int = 10_000, tps: float = 990.0) -> RunReport:
    best = trial(tps=tps)
    return RunReport(
        version=RESULT_VERSION,
        workload=workload,
        hansa="0.1.0",
        core="0123456789abcdef",
        taken_at="2026-01-01T00:00:00Z",
        seed=1,
        validators=4,
        fault=None,
        accounts=accounts,
        senders=10_000,
        batch=50,
        conflict_share=0.25,
        duration_s=60.0,
        own_alliance=True,
        durable=True,
        machine=MACHINE,
        trials=(trial(500.0, 500.0), best, trial(2_000.0, 900.0, ("p99 too high",))),
        counted=(best,),
        best=best,
        beyond=(Beyond(2.0, trial(2_000.0, 950.0, ("p99 too high",)), 0.96, 0),),
        half=trial(500.0, 500.0),
    )


def test_a_result_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    write_result(path, report())
    assert read_result(path) == report()
    path.write_bytes(path.read_bytes().replace(b'"version": 2', b'"version": 1'))
    with pytest.raises(InvalidPlan, match="version 1"):
        read_result(path)
    path.write_text("{}")
    with pytest.raises(InvalidPlan):
        read_result(path)
    with pytest.raises(InvalidPlan):
        read_result(tmp_path / "absent.json")


def test_a_comparison_names_what_became_better_or_worse() -> None:
    old, new = report(), report(tps=1_089.0)
    assert new.best is not None
    worse = dataclasses.replace(new.best, latency_ms_p99=300.0)
    text = compare_text(old, dataclasses.replace(new, best=worse, accounts=20_000))
    assert "+10.0% better" in text
    assert "+50.0% worse" in text
    assert "not the same in both: accounts" in text
    assert "stage execute" in text
    with pytest.raises(InvalidPlan):
        compare_text(old, report("erc20"))
    with pytest.raises(InvalidPlan):
        compare_text(old, dataclasses.replace(new, best=None))


def test_plots_are_drawn_for_what_the_results_have(tmp_path: Path) -> None:
    many = [report(), report(accounts=1_000_000), report("swap-1", tps=400.0)]
    names = [path.name for path in draw_plots(many, tmp_path)]
    assert names == ["latency.png", "growth.png", "workloads.png", "conflicts.png", "stages.png"]
    assert all((tmp_path / name).read_bytes().startswith(b"\x89PNG") for name in names)
    assert [path.name for path in draw_plots([report()], tmp_path)] == ["latency.png", "stages.png"]
    with pytest.raises(InvalidPlan):
        draw_plots([dataclasses.replace(report(), best=None)], tmp_path)


def test_the_page_shows_every_result_under_its_machine() -> None:
    other = dataclasses.replace(MACHINE, cores=64)
    page = results_page([report(), dataclasses.replace(report("erc20", tps=800.0), fault="slow", machine=other)])
    assert page.index("## a processor, 2 cores") < page.index("| transfer | 10 k | 4 | 990 |")
    assert page.index("## a processor, 64 cores") < page.index("| erc20 | 10 k | 4, one slow | 800 |")
    assert "| transfer | 10 k | 2 times | 950 | 96% | – | 0 |" in page


def test_the_page_tells_given_rates_and_the_load_of_others() -> None:
    searched = report()
    given = dataclasses.replace(searched, workload="erc20", half=None)
    assert searched.half is not None
    loaded = dataclasses.replace(searched.half, foreign_cpu_share=0.12)
    beyond = dataclasses.replace(searched.beyond[0], run=dataclasses.replace(loaded, foreign_cpu_share=0.3))
    page = results_page([searched, given]).splitlines()
    assert any("| transfer |" in line and "| 990 |" in line for line in page)
    assert any("| erc20 |" in line and "| 990, rate given |" in line for line in page)
    assert not any("others used up to" in line for line in page)
    assert "others used up to 12%" in results_page([dataclasses.replace(searched, half=loaded)])
    assert "others used up to 30%" in results_page([dataclasses.replace(searched, half=loaded, beyond=(beyond,))])


def test_the_page_of_the_docs_is_made_of_the_results_kept() -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "write_benchmark.py"), "--check"],
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": str(ROOT / "src")},
    )
    assert done.returncode == 0, f"run `make docs`\n{done.stdout}{done.stderr}"


def test_the_summary_names_stages_and_overload() -> None:
    text = run_text(report())
    assert "execute 12.5 · seal 7.5" in text
    assert "2 times the rate: 950 tx/s, 96%; 10,000 of 10,000 accepted, never all final, 0 lost" in text
    assert "p50 80 · p99 200 ms at 500 tx/s" in text


@pytest.mark.parametrize(
    ("count", "words"), [(1, "1"), (999, "999"), (10_000, "10 k"), (1_500_000, "1.5 M"), (12_345, "12345")]
)
def test_counts_are_said_shortly(count: int, words: str) -> None:
    assert count_words(count) == words
