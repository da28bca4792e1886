"""Test vectors of other projects, unpacked once per test session."""

import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def unpacked(vectors: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Answers the folder into which the named archive of test vectors was unpacked; skips where it is absent."""
    folders: dict[str, Path] = {}

    def unpack(name: str) -> Path:
        if name not in folders:
            archive = vectors / f"{name}.tar.xz"
            if not archive.is_file():
                pytest.skip(f"the test vectors {archive.name} are not on this machine")
            folders[name] = tmp_path_factory.mktemp(name)
            with tarfile.open(archive) as tar:
                tar.extractall(folders[name], filter="data")
        return folders[name]

    return unpack
