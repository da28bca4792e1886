"""node.toml: what is accepted, and how each mistake is named."""

from pathlib import Path

import pytest

from hansa.alliance.layout import NodeFolder
from hansa.io.link import Address
from hansa.node.config import load_node_config, parse_address
from hansa.node.errors import InvalidNodeConfig, NotLoopback

GOOD = """
version = 1
name = "bank-1"
organisation = "bank"
index = 2
dev = true
listen = "127.0.0.1:30302"
rpc_listen = "127.0.0.1:8547"
ws_listen = "[::1]:8557"

[[peers]]
name = "core-1"
organisation = "core"
index = 0
address = "127.0.0.1:30300"
"""


def folder_with(tmp_path: Path, text: str) -> NodeFolder:
    (tmp_path / "node.toml").write_text(text)
    return NodeFolder(tmp_path)


def test_a_good_file_is_read_whole(tmp_path: Path) -> None:
    config = load_node_config(folder_with(tmp_path, GOOD))
    assert (config.name, config.organisation, config.index, config.dev, config.data) == (
        "bank-1", "bank", 2, True, "data",
    )  # fmt: skip
    assert config.peer_addresses() == {0: Address("127.0.0.1", 30300)}


@pytest.mark.parametrize(
    ("change", "cause", "hint"),
    [
        pytest.param(("index = 2", "idx = 2"), "unknown key `idx`", "did you mean `index`", id="nearest name"),
        pytest.param(('name = "bank-1"', ""), "name", "", id="missing key"),
        pytest.param(("index = 2", 'index = "two"'), "node.toml:5", "", id="wrong type"),
        pytest.param(("index = 2", "index = -1"), "node.toml:5", "", id="out of range"),
        pytest.param(("index = 2", "index = 0"), "same index", "", id="index twice"),
        pytest.param(("127.0.0.1:8547", "127.0.0.1:99999"), "99999", "port", id="no port"),
        pytest.param(("127.0.0.1:8547", "nowhere"), "nowhere", "", id="no address"),
        pytest.param(("version = 1", "version = 2"), "node.toml:2", "", id="later version"),
        pytest.param(("version = 1", "version = "), "node.toml:2", "", id="syntax"),
        (("index = 2", "index = 2\nkeep_blocks = 1023"), "keep_blocks is 1023", "at least 1,024"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, change: tuple[str, str], cause: str, hint: str) -> None:
    with pytest.raises(InvalidNodeConfig) as caught:
        load_node_config(folder_with(tmp_path, GOOD.replace(*change)))
    assert cause in caught.value.cause
    assert hint in caught.value.hint


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidNodeConfig, match=r"node\.toml"):
        load_node_config(NodeFolder(tmp_path))


@pytest.mark.parametrize("address", ["127.0.0.1:30302", "127.0.0.1:8547", "127.0.0.1:30300"])
def test_a_development_node_stays_on_loopback(tmp_path: Path, address: str) -> None:
    text = GOOD.replace(address, "10.0.0.5:9000")
    with pytest.raises(NotLoopback, match=r"10\.0\.0\.5:9000"):
        load_node_config(folder_with(tmp_path, text))
    assert load_node_config(folder_with(tmp_path, text.replace("dev = true", "dev = false"))).dev is False


def test_addresses_of_both_families_and_a_free_port() -> None:
    assert parse_address("[::1]:80") == Address("::1", 80)
    assert str(parse_address("[::1]:80")) == "[::1]:80"
    assert parse_address("127.0.0.1:0") == Address("127.0.0.1", 0)
