"""The command line shows a node of its own folder the token that the node's JSON-RPC demands."""

from pathlib import Path

import pytest

from hansa.alliance.files import write_private
from hansa.alliance.layout import NodeFolder
from hansa.cli.network import LocalNode, read_token
from hansa.io.errors import UnusableKeyFile

CONFIG = """
version = 1
name = "org0"
organisation = "org0"
index = 0
listen = "10.0.0.1:30300"
rpc_listen = "10.0.0.1:8545"
"""


@pytest.fixture
def folder(tmp_path: Path) -> NodeFolder:
    (tmp_path / "node.toml").write_text(CONFIG + '[rpc]\ntoken_file = "rpc.token"\n')
    write_private(tmp_path / "rpc.token", b"secret\n")
    return NodeFolder(tmp_path)


def test_the_token_of_node_toml_is_shown(folder: NodeFolder) -> None:
    assert read_token(folder) == "secret"
    client = LocalNode("org0", "org0", folder, "http://10.0.0.1:8545").open_client()
    assert client._headers["Authorization"] == "Bearer secret"


def test_a_token_that_others_may_read_is_refused(folder: NodeFolder) -> None:
    (folder.root / "rpc.token").chmod(0o644)
    with pytest.raises(UnusableKeyFile):
        read_token(folder)


def test_most_nodes_demand_none(folder: NodeFolder) -> None:
    folder.config.write_text(CONFIG)
    assert read_token(folder) is None
