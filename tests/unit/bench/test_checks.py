"""The long checks object when they must: two different blocks, wei that vanished, a receipt that is gone."""

import json

import pytest

from hansa.bench.agreement import compare_blocks, read_supply
from hansa.bench.client.http_connection import HttpConnection
from hansa.bench.crash import check_receipts
from hansa.bench.errors import Disagreement, Unreachable
from tests.unit.bench.test_http_connection import answer, server


class PretendedLedger:
    """Answers for blocks, balances and receipts."""

    def __init__(self, hashes: list[str], receipts: set[str] | None = None) -> None:
        self.hashes = hashes
        self.receipts = receipts or set()

    def respond(self, body: bytes) -> bytes:
        return answer(json.dumps([{"id": one["id"], "result": self.result(one)} for one in json.loads(body)]).encode())

    def result(self, request: dict[str, object]) -> object:
        parameter = request["params"][0]  # type: ignore[index]
        match request["method"]:
            case "eth_getBlockByNumber":
                height = int(parameter, 16)
                if height >= len(self.hashes):
                    return None
                return {"hash": self.hashes[height], "stateRoot": "0x5a"}
            case "eth_getBalance":
                return hex(int(parameter, 16))
            case _:
                return {} if parameter in self.receipts else None


async def test_equal_ledgers_agree_and_others_do_not() -> None:
    ours, same, other = (PretendedLedger(h) for h in (["0xa", "0xb"], ["0xa", "0xb"], ["0xa", "0xc"]))
    async with server(ours.respond) as one, server(same.respond) as two, server(other.respond) as three:
        connections = [HttpConnection(endpoint) for endpoint in (one, two, three)]
        assert [face.hash for face in await compare_blocks(connections[:2], 1)] == ["0xa", "0xb"]
        with pytest.raises(Disagreement, match="block 1"):
            await compare_blocks(connections, 1)
        with pytest.raises(Unreachable, match="no block 2"):
            await compare_blocks(connections[:2], 2)
        for connection in connections:
            connection.close()


async def test_the_supply_is_the_sum_of_all_balances() -> None:
    async with server(PretendedLedger([]).respond) as endpoint:
        connection = HttpConnection(endpoint)
        assert await read_supply(connection, [hex(value) for value in range(250)]) == sum(range(250))
        connection.close()


async def test_a_missing_receipt_is_named() -> None:
    async with server(PretendedLedger([], {"0x1", "0x2"}).respond) as endpoint:
        connection = HttpConnection(endpoint)
        await check_receipts(connection, ["0x1", "0x2"])
        with pytest.raises(Disagreement, match="0x3"):
            await check_receipts(connection, ["0x1", "0x3"])
        connection.close()
