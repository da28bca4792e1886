"""A real alliance of three organisations, founded part by part, as they would."""

import datetime
from pathlib import Path

import pytest

from hansa.alliance.draft import draft_alliance, encode_alliance
from hansa.alliance.files import write_public
from hansa.alliance.founding import FoundedOrganisation, found_organisation
from hansa.alliance.layout import AllianceFolder
from hansa.alliance.model import Alliance

NOW = datetime.datetime(2026, 11, 1, tzinfo=datetime.UTC)
USERS = {"alpha": [b"\x01" * 20], "beta": [b"\x02" * 20, b"\x03" * 20], "gamma": []}


@pytest.fixture(scope="session")
def terms() -> Alliance:
    return draft_alliance("trade", 1_234_567_890, 1_700_000_000_000, dev=False, organisations=tuple(USERS))


@pytest.fixture(scope="session")
def founded(terms: Alliance, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, FoundedOrganisation]]:
    """Each organisation in a folder of its own, by name."""
    result = {}
    for name, users in USERS.items():
        root = tmp_path_factory.mktemp(name)
        folder = AllianceFolder(root)
        write_public(folder.description, encode_alliance(terms).encode())
        result[name] = (root, found_organisation(folder, terms, name, users, NOW))
    return result
