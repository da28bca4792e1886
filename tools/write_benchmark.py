"""Write docs/benchmark.md from the results kept in docs/results: `write_benchmark.py [--check]`.

`--check` writes nothing and fails when the page is stale.
"""

import argparse
import sys
from pathlib import Path

from hansa.bench.report import RunReport, read_result
from hansa.bench.results.page import results_page
from hansa.bench.scale.page import read_scale, scale_section
from hansa.bench.state.page import read_state_report, state_section
from hansa.bench.workloads import WORKLOADS

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "docs" / "results"
SIMULATED = RESULTS / "scale"
STATES = RESULTS / "state"
PAGE = ROOT / "docs" / "benchmark.md"


def kept_results() -> list[RunReport]:
    """All results, in the order of the workloads, then by accounts."""
    order = list(WORKLOADS)
    found = [read_result(path) for path in sorted(RESULTS.glob("*.json"))]
    return sorted(found, key=lambda report: (order.index(report.workload), report.fault or "", report.accounts))


def main() -> int:
    """Write or check the page; 1 when it is stale."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    check = parser.parse_args().check
    simulated = scale_section([read_scale(path) for path in sorted(SIMULATED.glob("*.json"))])
    large = state_section([read_state_report(path) for path in sorted(STATES.glob("*.json"))])
    text = "\n".join(part for part in (results_page(kept_results()), large, simulated) if part)
    if PAGE.exists() and PAGE.read_text() == text:
        return 0
    if not check:
        PAGE.write_text(text)
    print(f"{'stale' if check else 'wrote'} {PAGE.relative_to(ROOT)}")
    return 1 if check else 0


if __name__ == "__main__":
    sys.exit(main())
