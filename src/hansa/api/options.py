"""What an operator may set about the API of one node."""

import ipaddress

import msgspec

from hansa.api.errors import UnsafeListen

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")

BODY_BYTES_MAX = 5 * 1024 * 1024  # as in the native parser
BODIES_BYTES_MAX = 256 * 1024 * 1024  # of all large bodies together, until they are answered
HEADER_BYTES_MAX = 16 * 1024  # request line and headers of one request
BODY_SECONDS_MAX = 30.0  # from the headers to the end of the body
CONNECTIONS_MAX = 1_024
CONNECTIONS_OF_AN_ADDRESS_MAX = 512  # so that one client alone leaves room for others
WORKERS = 2  # threads for heavy reads
READS_WAITING_MAX = 1_024  # heavy reads queued or running; more are told to come back
SENDS_WAITING_BYTES_MAX = 64 * 1024 * 1024  # bodies with transactions queued for the pool
AWAITED_MAX = 1_024  # receipts that eth_sendRawTransactionSync waits for
SUBSCRIPTIONS_MAX = 64  # of one connection
SUBSCRIPTIONS_TOTAL_MAX = 4_096
REQUESTS_IN_FLIGHT_MAX = 64  # of one WebSocket connection
QUEUE_MESSAGES_MAX = 4_096  # not yet taken by a WebSocket client
QUEUE_BYTES_MAX = 64 * 1024 * 1024  # of the same; beyond it the client is dropped
QUEUES_BYTES_MAX = 256 * 1024 * 1024  # of all clients together; beyond it whoever gets the next message is dropped
CRITERIA_BYTES_MAX = 64 * 1024  # of one filter or subscription for logs, as JSON
CHANGES_BLOCKS_MAX = 10_000  # that one look at a filter covers; as in the native eth_getLogs
FILTERS_MAX = 1_024
FILTER_IDLE_SECONDS_MAX = 300.0
SEND_SYNC_MS_DEFAULT = 2_000
SEND_SYNC_MS_MAX = 30_000


class TlsFiles(msgspec.Struct, frozen=True):
    """Paths of PEM files. With `clients_ca` only clients with a certificate of that authority are served."""

    certificate: str
    key: str
    clients_ca: str | None = None


class ApiOptions(msgspec.Struct, frozen=True):
    """Where the API listens and whom it serves."""

    host: str = "127.0.0.1"
    port: int = 8545  # 0 = any free one
    ws_port: int | None = None  # the same API once more; WebSocket is served on `port` as well
    hosts: tuple[str, ...] = ()  # further names allowed in the Host header, without port
    origins: tuple[str, ...] = ()  # web origins allowed besides loopback ones, as in "https://wallet.example"
    token: str | None = None  # bearer token every request must carry
    tls: TlsFiles | None = None
    namespaces: tuple[str, ...] = ("eth", "net", "web3", "txpool", "debug", "hansa", "rpc")


def is_loopback(host: str) -> bool:
    """Tell whether an address or name reaches this machine only."""
    if host in LOOPBACK_NAMES:
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_options(options: ApiOptions, dev: bool) -> None:
    """Refuse an API that strangers could reach unasked.

    Raises
    ------
    UnsafeListen: the address is not loopback, and the alliance is a development one or neither token nor mTLS is set.
    """
    if is_loopback(options.host):
        return
    if dev:
        raise UnsafeListen(
            f"a development node does not listen on {options.host}", "use 127.0.0.1; its keys are known to everyone"
        )
    mutual = options.tls is not None and options.tls.clients_ca is not None
    if options.token is None and not mutual:
        raise UnsafeListen(
            f"listening on {options.host} lets everyone read and send",
            "set a token file (mode 0600) or TLS with a client authority, or listen on 127.0.0.1",
        )
