"""What Hansa's nodes say of their checkpoints."""

import msgspec

from hansa.bench.client.http_connection import Endpoint, HttpConnection, call
from hansa.bench.errors import Unreachable


class Checkpoint(msgspec.Struct, frozen=True, rename="camel"):
    """The newest one, and the one being written."""

    height: int
    size: int  # bytes
    writing: bool
    written: int  # since the node started
    took_ms: int  # the last of these
    held_up_us: int  # blocks, while the node moved onto one, at most


class NodeState(msgspec.Struct, frozen=True, rename="camel"):
    """The answer of hansa_status, as far as it is read here."""

    height: int
    syncing: bool
    voting: bool
    checkpoint: Checkpoint


async def read_state(endpoint: Endpoint) -> NodeState:
    """Where a node stands.

    Raises
    ------
    Unreachable: it does not answer, or nothing that can be read.
    """
    connection = HttpConnection(endpoint)
    try:
        return msgspec.convert(await call(connection, "hansa_status"), NodeState)
    except msgspec.ValidationError as error:
        raise Unreachable(f"{endpoint} gave no status that can be read: {error}") from error
    finally:
        connection.close()
