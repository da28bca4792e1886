"""What all tests share: the test vectors of other projects, which lie beside the repository where they are present."""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
VECTORS = ROOT.parent / "shared" / "vectors"


@pytest.fixture(scope="session")
def vectors() -> Path:
    """The folder of test vectors written by others; the test is skipped where it is absent."""
    if not VECTORS.is_dir():
        pytest.skip("the test vectors ../shared/vectors are not on this machine")
    return VECTORS
