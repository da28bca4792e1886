"""The two commands of the README exist, and continuous integration runs the same one."""

import os
import re

from tests.architecture.sources import ROOT


def test_the_commands_of_the_readme_exist() -> None:
    told = set(re.findall(r"\bmake ([a-z-]+)", (ROOT / "README.md").read_text()))
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert {"up", "test"} <= told <= targets


def test_continuous_integration_runs_the_tests_as_people_do() -> None:
    script = ROOT / ".ci/run"
    assert os.access(script, os.X_OK)
    assert re.search(r"^exec make .*\btest$", script.read_text(), re.MULTILINE)


def test_python_locks_pin_every_package_by_hash() -> None:
    for name in ("requirements.lock", "requirements-dev.lock", "requirements-vyper.lock", "requirements-fuzz.lock"):
        entries = re.split(r"\n(?=\S)", (ROOT / name).read_text().strip())
        unpinned = [entry.splitlines()[0] for entry in entries if "==" not in entry or "--hash=sha256:" not in entry]
        assert not unpinned, f"{name}: {unpinned}"
