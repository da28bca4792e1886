"""What tests of whole nodes share: an alliance of four processes."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processes.alliance import RunningAlliance, found


@pytest.fixture
def alliance(tmp_path: Path) -> Iterator[RunningAlliance]:
    """Four nodes that run."""
    founded = found(tmp_path / "alliance")
    founded.start()
    yield founded
    founded.close()
