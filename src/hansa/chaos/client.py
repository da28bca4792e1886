"""What a client asks of a node that may be dead, slow, or cut off: every question has its patience."""

import asyncio

from hansa.bench.client.http_connection import Endpoint, HttpConnection, RpcAnswer, decode_batch, encode_call
from hansa.bench.errors import Unreachable

CONNECTIONS_MAX = 16  # idle ones kept to one node
PATIENCE_S = 2.0
BATCH_MAX = 100


class Client:
    """One node as its clients see it."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self._idle: list[HttpConnection] = []

    async def ask(self, calls: list[tuple[str, list[object]]], patience_s: float = PATIENCE_S) -> list[RpcAnswer]:
        """Send a batch of calls; answers in their order.

        Raises
        ------
        Unreachable: no answer in time, or a refusal of the whole batch.
        """
        parts = [encode_call(method, params, number) for number, (method, params) in enumerate(calls)]
        connection = self._idle.pop() if self._idle else HttpConnection(self.endpoint)
        is_answered = False
        try:
            async with asyncio.timeout(patience_s):
                body = await connection.ask(self.endpoint.encode(b"[" + b",".join(parts) + b"]"))
            answers = decode_batch(body)
            is_answered = len(answers) == len(calls)
        except TimeoutError:
            raise Unreachable(f"{self.endpoint} gave no answer within {patience_s:g} s") from None
        finally:
            if is_answered and len(self._idle) < CONNECTIONS_MAX:
                self._idle.append(connection)
            else:
                connection.close()
        if not is_answered:
            raise Unreachable(f"{self.endpoint} refused: {body[:200]!r}")
        return sorted(answers, key=lambda answer: int(answer.id or 0))

    async def call(self, method: str, *params: object, patience_s: float = PATIENCE_S) -> RpcAnswer:
        """Call one method.

        Raises
        ------
        Unreachable: no answer in time.
        """
        return (await self.ask([(method, list(params))], patience_s))[0]

    async def height(self, patience_s: float = PATIENCE_S) -> int:
        """The latest final height.

        Raises
        ------
        Unreachable: no answer in time.
        """
        return int(str((await self.call("eth_blockNumber", patience_s=patience_s)).result), 16)

    async def status(self, patience_s: float = PATIENCE_S) -> dict[str, object]:
        """What the node says of itself (hansa_status).

        Raises
        ------
        Unreachable: no answer in time.
        """
        result = (await self.call("hansa_status", patience_s=patience_s)).result
        return dict(result) if isinstance(result, dict) else {}

    async def peers(self) -> int:
        """How many peers it is linked to; 0 where it does not answer."""
        try:
            return int(str((await self.status()).get("peers", 0)))
        except Unreachable:
            return 0

    def close(self) -> None:
        """Give up what is open."""
        for connection in self._idle:
            connection.close()
        self._idle.clear()
