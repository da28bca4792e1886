"""A question for a receipt waits a moment for a transaction that is under way, and for nothing else."""

import asyncio
from typing import cast

from hansa.api.sending import HELD_MAX, ReceiptHold
from hansa.types.ports import NodeView

ASK = b'{"jsonrpc":"2.0","id":1,"method":"eth_getTransactionReceipt","params":["0x00"]}'
NOTHING = b'{"jsonrpc":"2.0","id":1,"result":null}'
RECEIPT = b'{"jsonrpc":"2.0","id":1,"result":{"status":"0x1"}}'


class Ledger:
    """A chain whose next block is sealed when somebody waits for it, unless it never is."""

    def __init__(self, executable: int, seals: bool = True) -> None:
        self.executable, self.seals, self.height, self.asked = executable, seals, 7, 0

    @property
    def chain(self) -> "Ledger":
        return self

    def head(self) -> tuple[int, bytes, bytes]:
        return self.height, bytes(32), bytes(32)

    def pool_status(self) -> tuple[int, int]:
        return self.executable, 0

    async def wait_sealed(self, above: int, timeout_s: float) -> int:
        assert above == self.height
        if not self.seals:
            await asyncio.sleep(timeout_s)
            return self.height
        self.height, self.executable = self.height + 1, 0
        return self.height

    async def ask(self, body: bytes) -> bytes | None:
        self.asked += 1
        return RECEIPT if self.height > 7 else NOTHING


async def answer(ledger: Ledger, body: bytes = ASK, held: int = 0) -> bytes | None:
    hold = ReceiptHold(cast(NodeView, ledger))
    hold._held = held
    return await hold.answer(body, ledger.ask)


async def test_a_receipt_is_told_when_its_block_is_sealed() -> None:
    ledger = Ledger(executable=1)
    assert await answer(ledger) == RECEIPT
    assert ledger.asked == 2


async def test_nothing_under_way_is_answered_at_once() -> None:
    ledger = Ledger(executable=0)
    assert await answer(ledger) == NOTHING
    assert ledger.asked == 1


async def test_other_questions_are_answered_at_once() -> None:
    ledger = Ledger(executable=1)
    assert await answer(ledger, ASK.replace(b"Receipt", b"ByHash")) == NOTHING
    assert ledger.asked == 1


async def test_patience_ends() -> None:
    ledger = Ledger(executable=1, seals=False)
    assert await answer(ledger) == NOTHING


async def test_no_more_are_held_than_the_bound() -> None:
    ledger = Ledger(executable=1)
    assert await answer(ledger, held=HELD_MAX) == NOTHING
    assert ledger.asked == 1
