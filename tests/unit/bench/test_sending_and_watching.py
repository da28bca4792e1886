"""The open-loop sender and the watcher against a pretended network."""

import asyncio
import json
import time
from array import array

import pytest

from hansa.bench.client.http_connection import Endpoint
from hansa.bench.client.schedule import steady
from hansa.bench.client.sender import Sender, make_batches
from hansa.bench.client.watcher import Watcher
from hansa.bench.transactions import Transactions
from hansa.bench.trial import Plan, count_lost, run_trial
from tests.unit.bench.test_http_connection import answer, server

RAWS = [bytes([index]) * 4 for index in range(10)]
HASHES = ["0x" + raw.hex() for raw in RAWS]


class PretendedNetwork:
    """Puts every batch it is sent into a block of its own."""

    def __init__(self, refuse: bytes = b"\xff", drop_first: int = 0, refusals: int = 1_000) -> None:
        self.blocks: list[list[str]] = [[]]
        self.refuse = "0x" + (refuse * 4).hex()
        self.drop_first = drop_first
        self.refusals = refusals

    def respond(self, body: bytes) -> bytes | None:
        request = json.loads(body)
        if isinstance(request, list):
            if self.drop_first:
                self.drop_first -= 1
                return None
            return answer(json.dumps(self.take(request)).encode())
        return answer(json.dumps({"id": request["id"], "result": self.result(request)}).encode())

    def take(self, batch: list[dict[str, object]]) -> list[dict[str, object]]:
        raws = [str(entry["params"][0]) for entry in batch]  # type: ignore[index]
        is_refusing = self.refuse in raws and self.refusals > 0
        self.refusals -= is_refusing
        self.blocks.append([raw for raw in raws if not is_refusing or raw != self.refuse])
        refusal = {"code": -32000, "message": "full", "data": {"code": "POOL-9"}}
        return [
            {"id": index, **({"error": refusal} if is_refusing and raw == self.refuse else {"result": raw})}
            for index, raw in enumerate(raws)
        ]

    def result(self, request: dict[str, object]) -> object:
        if request["method"] == "eth_blockNumber":
            return hex(len(self.blocks) - 1)
        if request["method"] == "hansa_stages":
            return None
        if request["method"] == "eth_getBlockReceipts":
            block = self.blocks[int(request["params"][0], 16)]  # type: ignore[index]
            return [{"transactionHash": hash_, "status": "0x1"} for hash_ in block]
        height = int(request["params"][0], 16)  # type: ignore[index]
        if height >= len(self.blocks):
            return None
        transactions = self.blocks[height]
        return {
            "number": hex(height),
            "hash": f"0x{height:064x}",
            "stateRoot": "0x00",
            "gasUsed": hex(21_000 * len(transactions)),
            "timestamp": "0x0",
            "transactions": transactions,
        }


def test_batches_are_due_when_their_last_transaction_is() -> None:
    batches = make_batches(RAWS, 4, steady(10, 100.0))
    assert [batch.count for batch in batches] == [4, 4, 2]
    assert [batch.due_s for batch in batches] == pytest.approx([0.03, 0.07, 0.09])
    assert json.loads(batches[2].body)[1]["params"] == [HASHES[9]]


async def test_a_run_counts_what_became_final() -> None:
    network = PretendedNetwork()
    async with server(network.respond) as endpoint:
        result = await run_trial(
            [endpoint], Plan(Transactions(RAWS, HASHES), steady(10, 1_000.0), 4, 60_000.0, counts=True), []
        )
    assert (result.offered, result.final, result.goodput) == (10, 10, 1.0)
    assert result.is_sustained
    assert (result.failed, result.receipts_read) == (0, 10)
    assert 0 <= result.latency_ms_p50 <= result.latency_ms_p99 <= result.latency_ms_max


async def test_a_run_with_a_refusal_is_not_sustained() -> None:
    network = PretendedNetwork(refuse=b"\x03")
    async with server(network.respond) as endpoint:
        sender = Sender([endpoint])
        await sender.open()
        sent = await sender.send_all(make_batches(RAWS, 5, steady(10, 1_000.0)), time.monotonic())
        sender.close()
    assert (sent.accepted, [place for place in range(10) if not sent.accepted_places[place]]) == (9, [3])
    assert dict(sent.refused) == {"POOL-9": 1}


async def test_accounts_send_nothing_new_before_a_node_has_what_it_refused() -> None:
    """Five batches of two accounts' groups in turn; the second group's first batch is refused once."""
    network = PretendedNetwork(refuse=b"\x03", refusals=1)
    async with server(network.respond) as endpoint:
        sender = Sender([endpoint], lanes=2)
        await sender.open()
        async with asyncio.timeout(30):
            batches = make_batches(RAWS, 2, steady(10, 1_000.0))
            sent = await sender.send_all(batches, time.monotonic(), until_taken=True)
        sender.close()
    places = [[HASHES.index(hash_) for hash_ in block] for block in network.blocks[1:]]
    assert [block for block in places if block[0] in (2, 3, 6, 7)] == [[2], [2, 3], [6, 7]]
    assert [block for block in places if block[0] not in (2, 3, 6, 7)] == [[0, 1], [4, 5], [8, 9]]
    assert (sent.accepted, dict(sent.refused)) == (10, {"POOL-9": 1})


async def test_what_is_refused_after_the_schedule_is_given_up() -> None:
    network = PretendedNetwork(refuse=b"\x03")
    async with server(network.respond) as endpoint:
        sender = Sender([endpoint], lanes=2)
        await sender.open()
        async with asyncio.timeout(30):
            sent = await sender.send_all(make_batches(RAWS, 2, steady(10, 1_000.0)), time.monotonic())
        sender.close()
    assert [place for place in range(10) if not sent.accepted_places[place]] == [3]
    assert sent.refused["POOL-9"] >= 1


async def test_what_was_refused_until_the_end_is_offered_again_until_it_is_taken() -> None:
    network = PretendedNetwork(refuse=b"\x03", refusals=3)
    async with server(network.respond) as endpoint:
        sender = Sender([endpoint], lanes=2)
        await sender.open()
        async with asyncio.timeout(30):
            batches = make_batches(RAWS, 2, steady(10, 1_000.0))
            sent = await sender.send_all(batches, time.monotonic(), until_taken=True)
        sender.close()
    assert (sent.accepted, dict(sent.refused)) == (10, {"POOL-9": 3})
    assert sorted({hash_ for block in network.blocks for hash_ in block}) == HASHES


def test_what_was_seen_without_an_answer_makes_up_for_nothing_that_was_lost() -> None:
    seen = array("d", [5.0, -1.0, 5.0, -1.0])
    assert count_lost(bytearray([1, 1, 0, 0]), seen) == 1
    assert count_lost(bytearray([1, 0, 0, 0]), seen) == 0


async def test_a_broken_node_is_passed_over() -> None:
    broken, whole = PretendedNetwork(drop_first=1_000), PretendedNetwork()
    async with server(broken.respond) as one, server(whole.respond) as other:
        sender = Sender([one, other])
        await sender.open()
        async with asyncio.timeout(30):
            sent = await sender.send_all(make_batches(RAWS, 5, steady(10, 1_000.0)), time.monotonic())
        sender.close()
    assert sent.accepted == 10
    assert sent.broken == 1
    assert sorted(t for block in whole.blocks for t in block) == HASHES


async def test_the_watcher_goes_on_over_another_node() -> None:
    network = PretendedNetwork()
    async with server(network.respond) as endpoint:
        watcher = Watcher([Endpoint("127.0.0.1", 1), endpoint], HASHES)
        network.take([{"params": [hash_]} for hash_ in HASHES])
        watcher.height = 0
        await watcher.follow(time.monotonic() + 30)
        watcher.close()
    assert watcher.open == 0
    assert [block.transactions for block in watcher.blocks] == [10]
