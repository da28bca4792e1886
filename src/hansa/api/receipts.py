"""Receipts that are about to exist: a question for one is answered when its block is sealed, shortly after.

Some clients (ethers 6) ask once after sending, keep "no receipt yet" for 250 ms and then wait for the *next* block. On
an idle alliance the only block falls into those 250 ms and no next one comes, so they would wait for ever. Holding "no
receipt yet" back for a little longer than they keep it ends that, and saves everybody a poll.
"""

import time
from collections.abc import Awaitable, Callable

from hansa.types.ports import NodeView

_ASKS = b"eth_getTransactionReceipt"
_NOTHING = b'"result":null'
_HOLD_S = 0.3
_BODY_BYTES_MAX = 8 * 1024
HELD_MAX = 1024  # questions held back at once; further ones are answered as things stand


class ReceiptHold:
    """Asks again, as blocks are sealed, for receipts of transactions that are under way."""

    def __init__(self, node: NodeView) -> None:
        self._node = node
        self._held = 0

    async def answer(self, body: bytes, ask: Callable[[bytes], Awaitable[bytes | None]]) -> bytes | None:
        """The answer to a body without side effects; `ask` gives it as things stand."""
        height = self._node.chain.head()[0]
        answer = await ask(body)
        if _ASKS not in body or len(body) > _BODY_BYTES_MAX or self._held >= HELD_MAX:
            return answer
        deadline_s = time.monotonic() + _HOLD_S
        self._held += 1
        try:
            while answer is not None and _NOTHING in answer and self._is_under_way():
                left_s = deadline_s - time.monotonic()
                if left_s <= 0:
                    break
                height = await self._node.wait_sealed(height, left_s)
                answer = await ask(body)
        finally:
            self._held -= 1
        return answer

    def _is_under_way(self) -> bool:
        return self._node.chain.pool_status()[0] > 0
