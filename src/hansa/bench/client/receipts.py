"""Whether transactions that are final also succeeded."""

from collections.abc import Container, Sequence

import msgspec

from hansa.bench.client.http_connection import HttpConnection, encode_call
from hansa.bench.client.watcher import SeenBlock
from hansa.bench.errors import Unreachable

RECEIPTS_MAX = 100_000  # read after a run; from more blocks than hold them, blocks are taken evenly


class _Receipt(msgspec.Struct, frozen=True, rename="camel"):
    transaction_hash: str
    status: str


class _Answer(msgspec.Struct, frozen=True):
    result: tuple[_Receipt, ...] | None = None


_ANSWER = msgspec.json.Decoder(_Answer)


async def count_failed(
    connection: HttpConnection, blocks: Sequence[SeenBlock], ours: Container[str]
) -> tuple[int, int] | None:
    """How many of our transactions in these blocks failed, and of how many; None where the node does not tell.

    Raises
    ------
    Unreachable: no answer.
    """
    busy = [block for block in blocks if block.transactions]
    step = max(1, -(-sum(block.transactions for block in busy) // RECEIPTS_MAX))
    failed = read = 0
    for block in busy[::step]:
        body = await connection.ask(
            connection.endpoint.encode(encode_call("eth_getBlockReceipts", [hex(block.height)]))
        )
        try:
            receipts = _ANSWER.decode(body).result
        except msgspec.DecodeError as error:
            raise Unreachable(f"{connection.endpoint} gave no receipts that can be read: {error}") from error
        if receipts is None:
            return None
        own = [receipt for receipt in receipts if receipt.transaction_hash in ours]
        read += len(own)
        failed += sum(receipt.status != "0x1" for receipt in own)
    return failed, read
