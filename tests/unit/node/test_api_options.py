"""Who may speak to a node, from its node.toml."""

from pathlib import Path

import pytest

from hansa.api.errors import UnsafeListen
from hansa.api.options import check_options
from hansa.io.errors import UnusableKeyFile
from hansa.node.config import NodeConfig, RpcConfig, check_node_config
from hansa.node.errors import InvalidNodeConfig
from hansa.node.view import api_options


def config(rpc: RpcConfig, listen: str = "10.0.0.1:8545", ws: str | None = None) -> NodeConfig:
    return NodeConfig(1, "core-0", "core", 0, "10.0.0.1:30300", listen, ws, rpc=rpc)


def token_file(root: Path, text: str = "secret\n", mode: int = 0o600) -> RpcConfig:
    (root / "rpc.token").write_text(text)
    (root / "rpc.token").chmod(mode)
    return RpcConfig(token_file="rpc.token")


def test_a_node_off_loopback_serves_who_shows_its_token(tmp_path: Path) -> None:
    options = api_options(config(token_file(tmp_path)), tmp_path)
    assert (options.host, options.port, options.token) == ("10.0.0.1", 8545, "secret")
    check_options(options, dev=False)


def test_without_token_or_client_certificates_it_does_not_start(tmp_path: Path) -> None:
    with pytest.raises(UnsafeListen):
        check_options(api_options(config(RpcConfig()), tmp_path), dev=False)


def test_a_token_that_others_can_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnusableKeyFile):
        api_options(config(token_file(tmp_path, mode=0o644)), tmp_path)


def test_an_empty_token_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidNodeConfig):
        api_options(config(token_file(tmp_path, text="\n")), tmp_path)


def test_mutual_tls_opens_the_door_as_well(tmp_path: Path) -> None:
    (tmp_path / "rpc.key").touch(0o600)
    rpc = RpcConfig(certificate="rpc.crt", key="rpc.key", clients_ca="clients.crt")
    options = api_options(config(rpc), tmp_path)
    assert options.tls is not None
    assert options.tls.clients_ca == str(tmp_path / "clients.crt")
    check_options(options, dev=False)


def test_halves_of_a_tls_setting_are_refused() -> None:
    for rpc in (RpcConfig(certificate="a"), RpcConfig(key="a"), RpcConfig(clients_ca="a")):
        with pytest.raises(InvalidNodeConfig):
            check_node_config(config(rpc))


def test_both_ports_are_on_one_host(tmp_path: Path) -> None:
    with pytest.raises(InvalidNodeConfig):
        api_options(config(RpcConfig(), "127.0.0.1:1", "127.0.0.2:2"), tmp_path)
