"""The page of the fault matrix, made from a report that lies beside it."""

from collections.abc import Mapping

from hansa.sim.matrix.report import MatrixReport, RowResult

INTRODUCTION = """Every row is a named scenario that the simulator plays under seeds: whole alliances of four, five or
seven validators, on drawn links, disks and clocks, with the real protocol machines.
`hansa sim --matrix --seeds {seeds}` runs all of it, `hansa sim --scenario "leader crash" --seed 7` one run with its
trace; with `--show` its script is printed instead, which `hansa sim --script FILE` plays.

At most t validators are faulty, besides crashes, cuts and lossy links, unless the row says so. *Longest gap*: from the
moment when only lying goes on (or, for a node that never returns, from its loss), the longest time in which no block
became final at every sound node, until the demanded progress was made: half of the runs, 99 in 100, and the longest, in
milliseconds of virtual time. Delays are drawn up to 100 ms, syncs up to 40 ms, execution up to 30 ms a block.

*Processes*: the same script played with real node processes, links and disks ([chaos](../operate/chaos.md)), and its
longest gap in milliseconds of real time, on a machine that all nodes share; or why it is not played.
"""

INVARIANTS = """## Invariants

| | holds when |
|---|---|
| I1 | there is one block and one result at each height |
| I2 | whoever executes the chain again gets the same results |
| I3 | no honest validator signs two contents at one position, crashes included |
| I4 | what a client saw as final stays, whatever power fails |
| I5 | once the network is calm, every sound node makes progress |
| I7 | tables and queues stay bounded |
| I8 | ledgers are the same bytes |
| I9 | a transaction stands in the chain once |
| I10 | who contradicts itself is named by evidence, and nobody else is |

All of them are checked in every run (`sim/checkers`); the table names those that the row is about. A run in which more
than t are faulty demands safety only.
"""

MISSING = """## What real processes do otherwise

A validator takes another one's place in two epochs: the contract lets one of four to six change in each. What the
members agree on takes the seconds that their transactions take. Terms are ten heights long where leaders censor, ten
thousand else.
"""


def matrix_page(report: MatrixReport, processes: Mapping[str, str], note: str) -> str:
    """Return the page as Markdown.

    Parameters
    ----------
    processes: by the name of a row, what became of it with real processes. note: says that the page is generated.
    """
    lines = ["# Fault matrix\n", note, INTRODUCTION.format(seeds=report.seeds)]
    lines += [
        "| fault | scenario | must hold | reaction | seeds | failed | longest gap: p50 · p99 · worst | processes |"
    ]
    lines += [
        "|---|---|---|---|---|---|---|---|",
        *(_line(row, processes.get(row.name, "–")) for row in report.rows),
        "",
    ]
    return "\n".join(lines) + "\n" + INVARIANTS + "\n" + MISSING


def _line(row: RowResult, processes: str) -> str:
    gaps = "safety only" if row.gap_max_ms < 0 else f"{row.gap_p50_ms} · {row.gap_p99_ms} · {row.gap_max_ms}"
    cells = (row.fault, row.name, row.must_hold, row.reaction, str(row.seeds), str(len(row.failed)), gaps, processes)
    return "| " + " | ".join(cells) + " |"
