"""The right to sign, as a node without a key of its own sees it: asked for until it is granted, then kept alive."""

import asyncio
import logging
import secrets
import ssl
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import msgspec

from hansa.io.link import Address
from hansa.node.signing.client import SignerClient
from hansa.node.signing.errors import RightLost, SignerUnreachable
from hansa.node.signing.wire import INSTANCE_BYTES, Granted

log = logging.getLogger("hansa.signing")

ASK_S = 0.2
RENEW_S = 0.5
RECONNECT_S = 0.5

Result = TypeVar("Result")


class SignerPlace(msgspec.Struct, frozen=True):
    """Where a validator's signer is, and how it is known."""

    address: Address
    tls: ssl.SSLContext
    certificate: bytes  # DER, shown by the signer as well as by this node
    label: str  # of this node, for people


class Right:
    """One node's side of the lease. Lives on the event loop; waits in a thread of its own."""

    def __init__(self, place: SignerPlace) -> None:
        self.place = place
        self._instance = secrets.token_bytes(INSTANCE_BYTES)
        self.client: SignerClient | None = None  # while the right is held
        self._waiting: SignerClient | None = None  # a connection on which it is not held yet
        self.holder: str | None = None  # who holds it otherwise, as far as is known
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="right")

    async def acquire(self) -> Granted:
        """Ask until the right is granted; `client` signs from then on."""
        said = ""
        while True:
            try:
                if self._waiting is None:
                    self._waiting = await self._in_thread(self._connect)
                client = self._waiting
                answer = await self._in_thread(client.acquire, self.place.label, self._instance)
            except (SignerUnreachable, RightLost) as error:
                self._waiting = None
                if error.cause != said:
                    log.warning(str(error), extra={"code": error.code})
                    said = error.cause
                await asyncio.sleep(RECONNECT_S)
                continue
            if isinstance(answer, Granted):
                self.client, self._waiting, self.holder = client, None, None
                return answer
            if answer.label != self.holder:
                self.holder = answer.label
                log.info("standing by: %s holds the right to sign", answer.label)
            await asyncio.sleep(ASK_S)

    async def keep(self) -> None:
        """Keep the lease alive; return once the right is to be passed on.

        Raises
        ------
        RightLost: it is gone.
        """
        assert self.client is not None
        while True:
            if await self._in_thread(self.client.renew):
                return
            await asyncio.sleep(RENEW_S)

    def close(self) -> None:
        """Ask no more. What is held is given back by whoever signs with `client`."""
        if self._waiting is not None:
            self._waiting.close()
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _connect(self) -> SignerClient:
        return SignerClient(self.place.address, self.place.tls, self.place.certificate)

    async def _in_thread(self, work: Callable[..., Result], *arguments: object) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *arguments)
