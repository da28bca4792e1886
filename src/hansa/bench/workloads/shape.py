"""What every workload is: contracts that must stand, transactions drafted from a seed, a check of what they left."""

import random
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

from hansa.bench.accounts import Accounts
from hansa.bench.workloads.contract import Contract

WATCHED = 50  # accounts whose balances are checked after a run
CONFLICT_WINDOW = 1_000  # transactions among which conflicts are counted, as many as a block holds


class StateReader(Protocol):
    """Reads the state of the network that is measured."""

    async def balances(self, addresses: Sequence[bytes]) -> list[int]:
        """Wei of each account."""

    async def call(self, calls: Sequence[tuple[bytes, bytes]]) -> list[int]:
        """What calls of contracts (20-byte address, call data) return, one word each."""


@dataclass(frozen=True, slots=True)
class Draft:
    """Transactions before they are signed, in columns of one length."""

    senders: list[int]
    recipients: list[bytes]  # 20 bytes each
    inputs: list[bytes]

    def __len__(self) -> int:
        return len(self.senders)


@dataclass(frozen=True, slots=True)
class Read:
    """One question of clients that read meanwhile."""

    method: str
    params: list[object]


@dataclass(frozen=True, slots=True)
class Step:
    """A transaction that prepares contracts on a network on which they were deployed and not born."""

    sender: int
    recipient: bytes
    input: bytes


class Workload(ABC):
    """A seeded source of transactions on one ledger; a fresh ledger takes a fresh one.

    Parameters
    ----------
    accounts: of the ledger.
    addresses: of the contracts, in the order of `contracts`.
    """

    about: ClassVar[str]
    gas: ClassVar[int] = 21_000  # that each transaction declares
    value: ClassVar[int] = 0  # wei that each carries
    senders_max: ClassVar[int | None] = None
    batch_max: ClassVar[int | None] = None  # transactions in one request
    one_node: ClassVar[bool] = False  # everything is sent to one node, so that it keeps its order
    reads_per_write: ClassVar[int] = 0
    trace: ClassVar[tuple[tuple[float, float], ...]] = ((1.0, 1.0),)  # (share of the time, factor on the rate)

    def __init__(self, accounts: Accounts, addresses: Sequence[bytes], seed: int) -> None:
        self.accounts = accounts
        self.addresses = list(addresses)
        self.random = random.Random(f"{type(self).__name__}/{seed}")
        self._turn = 0

    @classmethod
    def count_contracts(cls, senders: int) -> int:
        """How many contracts it calls."""
        return 0

    def contracts(self) -> list[Contract]:
        """What must stand at `addresses`."""
        return []

    def setup(self) -> list[Step]:
        """What must be sent before the first draft where the contracts were deployed."""
        return []

    @abstractmethod
    def draft(self, count: int) -> Draft:
        """The next `count` transactions."""

    def reads(self, count: int, chain_id: int) -> list[Read]:
        """Questions of other clients meanwhile."""
        return []

    async def begin(self, state: StateReader) -> None:  # noqa: B027 - most need nothing
        """Note what must be known before the first transaction."""

    async def check(self, state: StateReader) -> None:  # noqa: B027 - what has no state has nothing to check
        """Check the state after all that was drafted is final.

        Raises
        ------
        Disagreement: it is not what the transactions make.
        """

    def touches(self, sender: bytes, recipient: bytes, data: bytes) -> tuple[object, ...]:
        """What a transaction writes that others may write, as words: its sender, and whom it pays or names first."""
        return sender, data[4:36] if data else recipient.rjust(32, b"\0")

    def conflict_share(self, draft: Draft) -> float:
        """The share, 0 to 1, of transactions that write what an earlier one of the same thousand writes."""
        conflicts = 0
        for first in range(0, len(draft), CONFLICT_WINDOW):
            seen: set[object] = set()
            part = slice(first, first + CONFLICT_WINDOW)
            rows = zip(draft.senders[part], draft.recipients[part], draft.inputs[part], strict=True)
            for sender, recipient, data in rows:
                own = self.touches(self.accounts.senders[sender].rjust(32, b"\0"), recipient, data)
                conflicts += any(key in seen for key in own)
                seen.update(own)
        return conflicts / max(1, len(draft))

    def senders_in_turn(self, count: int) -> list[int]:
        """The senders of the next transactions in round robin."""
        senders = len(self.accounts.senders)
        chosen = [(self._turn + offset) % senders for offset in range(count)]
        self._turn = (self._turn + count) % senders
        return chosen
