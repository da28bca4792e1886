"""Plots of results: throughput and latency, growth with accounts, workloads side by side, stages.

matplotlib is an optional extra (docs/decisions); nothing else of Hansa needs it.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hansa.bench.errors import InvalidPlan
from hansa.bench.report import RunReport

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STAGES_MAX = 12  # drawn; the rest is one part
_SIZE_INCH = (9.0, 5.0)
_DOTS_PER_INCH = 120
_BLUE, _RED, _GREY = "#2b6ca3", "#b4472f", "#8a8a8a"


def draw_plots(reports: Sequence[RunReport], folder: Path) -> list[Path]:
    """Draw what the results have, a PNG each; the files written.

    Raises
    ------
    InvalidPlan: matplotlib is not installed, or no result has a sustained rate.
    """
    sustained = [report for report in reports if report.best is not None]
    if not sustained:
        raise InvalidPlan("no result has a sustained rate", "there is nothing to draw")
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    plots: tuple[tuple[str, Callable[[Sequence[RunReport]], Sequence[RunReport]], _Draw], ...] = (
        ("latency", _with_several_rates, _draw_latency),
        ("growth", _of_one_workload, _draw_growth),
        ("workloads", _of_one_size, _draw_workloads),
        ("conflicts", _with_conflicts, _draw_conflicts),
        ("stages", _with_stages, _draw_stages),
    )
    for name, choose, draw in plots:
        if chosen := choose(sustained):
            written.append(_save(folder / f"{name}.png", chosen, draw))
    return written


_Draw = Callable[["Figure", Sequence[RunReport]], None]


def _save(path: Path, reports: Sequence[RunReport], draw: _Draw) -> Path:
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise InvalidPlan("plots need matplotlib", "pip install 'hansa[plots]'") from None
    figure = Figure(figsize=_SIZE_INCH, dpi=_DOTS_PER_INCH, layout="constrained")
    draw(figure, reports)
    for axes in figure.axes:
        axes.spines[["top", "right"]].set_visible(False)
    machine = reports[0].machine
    figure.supxlabel(
        f"{reports[0].validators} validators and the client on {machine.processor}, {machine.cores} cores",
        fontsize="small",
        color=_GREY,
    )
    figure.savefig(path, format="png")
    return path


def label(report: RunReport) -> str:
    """A result in a few words."""
    fault = f", one {report.fault}" if report.fault else ""
    return f"{report.workload}, {count_words(report.accounts)} accounts{fault}"


def count_words(count: int) -> str:
    """A count as people say it: 10 k, 1 M."""
    for unit, letter in ((1_000_000, "M"), (1_000, "k")):
        if count >= unit and count % (unit // 10) == 0:
            return f"{count / unit:g} {letter}"
    return str(count)


def _with_several_rates(reports: Sequence[RunReport]) -> Sequence[RunReport]:
    return [report for report in reports if len({run.rate for run in report.trials}) > 1][:1]


def _draw_latency(figure: "Figure", reports: Sequence[RunReport]) -> None:
    """Median and 99th percentile against what was offered; rates that were not sustained are hollow."""
    report = reports[0]
    figure.suptitle(label(report))
    left, right = figure.subplots(1, 2)
    for colour, name in ((_BLUE, "p50"), (_RED, "p99")):
        for held, face in ((True, colour), (False, "white")):
            runs = [run for run in report.trials if run.is_sustained == held]
            values = [run.latency_ms_p50 if name == "p50" else run.latency_ms_p99 for run in runs]
            text = name if held else f"{name}, not sustained"
            if runs:
                left.scatter([run.rate for run in runs], values, facecolor=face, edgecolor=colour, label=text)
    left.set(xlabel="offered, tx/s", ylabel="from intended sending to final, ms", xlim=(0, None), yscale="log")
    left.legend(loc="upper left", frameon=False)
    runs = sorted((*report.trials, *(one.run for one in report.beyond)), key=lambda run: run.rate)
    offered = [run.rate for run in runs]
    right.plot(offered, offered, color=_GREY, linestyle=":", linewidth=1, label="all that is offered")
    right.scatter(offered, [run.tps for run in runs], color=_BLUE, label="final")
    right.set(xlabel="offered, tx/s", ylabel="final, tx/s", xscale="log", ylim=(0, 1.2 * max(run.tps for run in runs)))
    right.legend(loc="lower right", frameon=False)


def _of_one_workload(reports: Sequence[RunReport]) -> Sequence[RunReport]:
    by_size = {report.accounts: report for report in reports if report.workload == "transfer" and not report.fault}
    return [by_size[size] for size in sorted(by_size)] if len(by_size) > 1 else []


def _draw_growth(figure: "Figure", reports: Sequence[RunReport]) -> None:
    """Throughput against the number of accounts."""
    axes = figure.subplots()
    sizes = [report.accounts for report in reports]
    rates = [report.best.tps for report in reports if report.best]
    axes.plot(sizes, rates, color=_BLUE, marker="o")
    for size, rate in zip(sizes, rates, strict=True):
        axes.annotate(f"{rate:,.0f}", (size, rate), textcoords="offset points", xytext=(0, 8), ha="center")
    axes.set(xscale="log", xlabel="accounts", ylabel="final, tx/s", title="transfer: growth with accounts")
    axes.set_ylim(bottom=0, top=max(rates) * 1.15)


def _of_one_size(reports: Sequence[RunReport]) -> Sequence[RunReport]:
    by_name: dict[str, RunReport] = {}
    for report in reports:
        kept = by_name.setdefault(report.workload, report)
        if report.accounts < kept.accounts and not report.fault:
            by_name[report.workload] = report
    ordered = sorted(by_name.values(), key=lambda report: report.best.tps if report.best else 0)
    return ordered if len(ordered) > 1 else []


def _draw_workloads(figure: "Figure", reports: Sequence[RunReport]) -> None:
    """Throughput by workload: the fewer transactions touch the same, the more."""
    axes = figure.subplots()
    rates = [report.best.tps for report in reports if report.best]
    bars = axes.barh([label(report) for report in reports], rates, color=_BLUE)
    axes.bar_label(bars, [f"{rate:,.0f}" for rate in rates], padding=3)
    axes.set(xlabel="final, tx/s", title="workloads")
    axes.set_xlim(right=max(rates) * 1.12)


def _with_conflicts(reports: Sequence[RunReport]) -> Sequence[RunReport]:
    found = [report for report in _of_one_size(reports) if report.conflict_share is not None]
    return found if len(found) > 1 else []


def _draw_conflicts(figure: "Figure", reports: Sequence[RunReport]) -> None:
    """Throughput against the share of transactions that cannot run beside all others of their block."""
    axes = figure.subplots()
    for report in reports:
        assert report.best is not None and report.conflict_share is not None
        point = (100 * report.conflict_share, report.best.tps)
        axes.scatter(*point, color=_BLUE)
        axes.annotate(report.workload, point, textcoords="offset points", xytext=(6, 4), fontsize="small")
    axes.set(xlabel="transactions that write what an earlier one of the same thousand writes, %", ylabel="final, tx/s")
    axes.set(title="conflicts", xlim=(-3, 112), ylim=(0, 1.15 * max(r.best.tps for r in reports if r.best)))


def _with_stages(reports: Sequence[RunReport]) -> Sequence[RunReport]:
    return [report for report in reports if report.best and report.best.stage_us_per_tx][:8]


def _draw_stages(figure: "Figure", reports: Sequence[RunReport]) -> None:
    """Processor time per transaction and node, one part per stage."""
    axes = figure.subplots()
    from matplotlib import colormaps

    costs = [dict(report.best.stage_us_per_tx or {}) if report.best else {} for report in reports]
    totals = {name: sum(cost.get(name, 0) for cost in costs) for cost in costs for name in cost}
    names = sorted(totals, key=lambda name: -totals[name])
    shown, rest = names[:STAGES_MAX], names[STAGES_MAX:]
    left = [0.0] * len(reports)
    palette = colormaps["tab20"]
    for place, name in enumerate([*shown, *(["other stages"] if rest else [])]):
        parts = [cost.get(name, 0) if name in totals else sum(cost.get(r, 0) for r in rest) for cost in costs]
        axes.barh([label(report) for report in reports], parts, left=left, color=palette(place), label=name)
        left = [start + part for start, part in zip(left, parts, strict=True)]
    axes.set(xlabel="processor time per transaction and node, µs", title="where the time goes")
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False, fontsize="small")
