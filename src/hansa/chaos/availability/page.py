"""What a soak showed, for people: a page of HTML with plots of height, gaps and bad probes over time.

matplotlib is an optional extra (docs/decisions); without it the page has no pictures.
"""

from collections.abc import Iterable
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from hansa.bench.report import say, write_result
from hansa.chaos.availability.soak import GAP_S_MIN, SoakReport

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SIZE_INCH = (11.0, 7.5)
_DOTS_PER_INCH = 120
_BLUE, _RED, _GREY = "#2b6ca3", "#b4472f", "#8a8a8a"


def write_soak(report: SoakReport, folder: Path) -> None:
    """Write the report as JSON and HTML and, where matplotlib is installed, the plots as PNG."""
    write_result(folder / "soak.json", report)
    has_picture = _draw(report, folder / "soak.png")
    (folder / "soak.html").write_text(soak_page(report, has_picture))


def soak_page(report: SoakReport, has_picture: bool) -> str:
    """The page as HTML."""
    machine = report.machine
    where = "each node in a network namespace" if report.namespaces else "all on loopback"
    verdict = "Everything that must hold held." if report.violation is None else report.violation
    lines = [
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Soak</title>',
        "<style>body{font-family:sans-serif;margin:2em}td,th{padding:0 1em 0 0;text-align:left}</style>",
        f"<h1>{100 * report.availability:.3f} % of {report.probes} probes good</h1>",
        _paragraph(
            f"{report.nodes} nodes for {report.minutes:g} minutes, a fault every {report.fault_every_s:g} s,"
            f" seed {report.seed}, {where}; {machine.processor}, {machine.cores} cores, {report.taken_at}."
        ),
        _paragraph(
            f"Final after {report.final_ms_p50} ms (p50), {report.final_ms_p99} ms (p99); limit {report.limit_s:g} s."
            f" {report.transactions} transactions in the ledger, {len(report.lost)} lost. {verdict}"
            + (f" {report.void} further probes do not count: the prober itself stood still." if report.void else "")
        ),
    ]
    if has_picture:
        lines.append('<img src="soak.png" alt="height, gaps and bad probes over time" width="1100">')
    faults = ((f"{f.at_s:.0f}", f"{f.until_s:.0f}", _numbers(f.nodes), f.what) for f in report.faults)
    gaps = ((f"{gap.at_s:.1f}", str(gap.ms), gap.cause) for gap in report.gaps)
    bad = ((f"{p.at_s:.0f}", _numbers(p.gateways), str(p.final_ms), str(p.read_ms)) for p in report.bad)
    lines += _table("Faults", ("from s", "to s", "nodes", "what"), faults)
    lines += _table(f"Gaps of {GAP_S_MIN:g} s or more", ("at s", "ms", "cause"), gaps)
    lines += _table("Bad probes", ("at s", "gateways", "final after ms", "read elsewhere after ms"), bad)
    return "\n".join(lines) + "\n"


def _numbers(values: Iterable[int]) -> str:
    return " ".join(map(str, values))


def _paragraph(text: str) -> str:
    return f"<p>{escape(text)}</p>"


def _table(title: str, head: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    return [
        f"<h2>{escape(title)}</h2><table>",
        "<tr>" + "".join(f"<th>{escape(cell)}</th>" for cell in head) + "</tr>",
        *("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows),
        "</table>",
    ]


def _draw(report: SoakReport, path: Path) -> bool:
    try:
        from matplotlib.figure import Figure
    except ImportError:
        say("  no plots: pip install 'hansa[plots]'")
        return False
    figure = Figure(figsize=_SIZE_INCH, dpi=_DOTS_PER_INCH, layout="constrained")
    height, gaps = figure.subplots(2, 1, sharex=True)
    for axes in (height, gaps):
        _shade_faults(axes, report)
        axes.spines[["top", "right"]].set_visible(False)
    height.step([at for at, _ in report.heights], [to for _, to in report.heights], where="post", color=_BLUE)
    height.set(ylabel="final height", title=f"{100 * report.availability:.3f} % of {report.probes} probes good")
    if report.gaps:
        gaps.stem([gap.at_s for gap in report.gaps], [gap.ms for gap in report.gaps], linefmt=_BLUE, basefmt=" ")
    gaps.scatter(
        [probe.at_s for probe in report.bad], [0.0] * len(report.bad), color=_RED, marker="x", label="bad probe"
    )
    gaps.set(xlabel="seconds", ylabel="time without a final block, ms", ylim=(0, None))
    if report.bad:
        gaps.legend(loc="upper right", frameon=False)
    figure.savefig(path, format="png")
    return True


def _shade_faults(axes: "Axes", report: SoakReport) -> None:
    for fault in report.faults:
        axes.axvspan(fault.at_s, fault.until_s, color=_GREY, alpha=0.2, linewidth=0)
