"""Host, Origin and token; and where a node may listen at all."""

import pytest

from hansa.api.errors import RequestRefused, UnsafeListen
from hansa.api.guard import Guard
from hansa.api.options import ApiOptions, TlsFiles, check_options, is_loopback


def headers(**values: str) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), value.encode()) for name, value in values.items()]


@pytest.mark.parametrize("host", ["127.0.0.1:8545", "localhost", "LOCALHOST:1", "[::1]:8545"])
def test_loopback_names_pass(host: str) -> None:
    assert Guard(ApiOptions()).check(headers(host=host)) is None


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:8545", "", "[", "10.0.0.1"])
def test_other_hosts_are_refused(host: str) -> None:
    with pytest.raises(RequestRefused):
        Guard(ApiOptions()).check(headers(host=host))


def test_a_request_without_host_is_refused() -> None:
    with pytest.raises(RequestRefused):
        Guard(ApiOptions()).check([])


@pytest.mark.parametrize("origin", ["http://localhost:3000", "https://127.0.0.1", "https://wallet.example"])
def test_allowed_origins_pass(origin: str) -> None:
    guard = Guard(ApiOptions(origins=("https://wallet.example",)))
    assert guard.check(headers(host="localhost", origin=origin)) == origin


@pytest.mark.parametrize(
    "origin", ["null", "https://evil.example", "https://localhost.evil.example", "file://", "http://["]
)
def test_other_origins_are_refused(origin: str) -> None:
    with pytest.raises(RequestRefused):
        Guard(ApiOptions()).check(headers(host="localhost", origin=origin))


def test_a_token_is_asked_for_when_one_is_set() -> None:
    guard = Guard(ApiOptions(host="10.1.2.3", token="secret"))
    assert guard.check(headers(host="10.1.2.3:8545", authorization="Bearer secret")) is None
    for shown in ("Bearer wrong", "secret-", ""):
        with pytest.raises(RequestRefused) as refused:
            guard.check(headers(host="10.1.2.3:8545", authorization=shown))
        assert refused.value.status == 401


def test_loopback_is_told_from_the_rest() -> None:
    assert all(is_loopback(host) for host in ("localhost", "127.0.0.1", "127.8.9.1", "::1"))
    assert not any(is_loopback(host) for host in ("0.0.0.0", "::", "10.0.0.1", "node.example"))


def test_off_loopback_needs_a_token_or_client_certificates() -> None:
    tls = TlsFiles("node.crt", "node.key")
    for options in (ApiOptions(host="0.0.0.0"), ApiOptions(host="10.0.0.1", tls=tls)):
        with pytest.raises(UnsafeListen):
            check_options(options, dev=False)
    check_options(ApiOptions(host="0.0.0.0", token="secret"), dev=False)
    check_options(ApiOptions(host="0.0.0.0", tls=TlsFiles("node.crt", "node.key", "ca.crt")), dev=False)


def test_a_development_node_stays_on_loopback() -> None:
    with pytest.raises(UnsafeListen):
        check_options(ApiOptions(host="0.0.0.0", token="secret"), dev=True)
