"""What commands are tried on."""

from pathlib import Path

import pytest

from hansa.alliance.layout import AllianceFolder, NodeFolder
from hansa.cli.setup import describe_alliance, found_alliance


@pytest.fixture
def folder(tmp_path: Path) -> NodeFolder:
    """A node that never ran."""
    founded = AllianceFolder(tmp_path)
    alliance = describe_alliance("test", None, dev=True, port=23_000)
    found_alliance(founded, alliance)
    organisation = alliance.organisations[0]
    return founded.node(organisation.name, organisation.nodes[0].name)
