"""GeneralStateTests of ethereum/tests through the node's own block executor and trie.

Each post is a block of one transaction: header roots, skips, receipts and state are those of the product. All but
the files marked slow runs by default (about 20 CPU seconds); ``HANSA_STATE_TESTS=full`` runs those too. The same from
the shell, with a line per failure: ``cargo run -p hansa-evm --example state_tests -- FOLDER --jobs 2``.
"""

import os
import tomllib
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from hansa import _native

EXCLUDED = tomllib.loads((Path(__file__).parent / "state_tests_excluded.toml").read_text())
POSTS = 20_969
BAR = 0.99


def run(file: Path) -> tuple[Path, int, list[tuple[str, int, str]]]:
    posts, failures = _native.run_state_test(file.read_bytes())
    return file, posts, failures


def test_state_tests(unpacked: Callable[[str], Path]) -> None:
    root = unpacked("ethereum-state-tests") / "GeneralStateTests"
    full = os.environ.get("HANSA_STATE_TESTS") == "full"
    slow = set() if full else {root / entry["path"] for entry in EXCLUDED["slow"]}
    files = sorted(file for file in root.rglob("*.json") if file not in slow)
    with ThreadPoolExecutor(os.cpu_count()) as workers:
        results = list(workers.map(run, files))
    failed = Counter({str(file.relative_to(root)): len(failures) for file, _, failures in results if failures})
    expected = Counter({entry["path"]: entry["posts"] for entry in EXCLUDED["file"]})
    reasons = [
        f"{file.relative_to(root)} {name} {position}: {reason}"
        for file, _, failures in results
        for name, position, reason in failures
        if str(file.relative_to(root)) not in expected
    ]
    assert failed == expected, "\n".join(reasons)
    posts = sum(count for _, count, _ in results)
    assert posts >= POSTS - len(slow)
    assert posts - failed.total() >= BAR * POSTS
