"""Calls that do one kind of work: none, processor, storage."""

from collections.abc import Sequence

from hansa.bench.accounts import Accounts
from hansa.bench.errors import Disagreement
from hansa.bench.workloads.contract import Contract, encode_call, load_artefact
from hansa.bench.workloads.shape import Draft, StateReader, Workload

SORTED = 128  # numbers in one transaction
CELLS = 16  # written in one transaction
RUNS = 10_000  # of cells, from which one is drawn


class Nothing(Workload):
    """What remains is ordering, signatures and the way there."""

    about = "calls of a function that does nothing"
    gas = 50_000

    @classmethod
    def count_contracts(cls, senders: int) -> int:
        """The one with all kinds of work."""
        return 1

    def contracts(self) -> list[Contract]:
        """The one with all kinds of work."""
        return [Contract(load_artefact("work"))]

    def draft(self, count: int) -> Draft:
        """The next `count` calls."""
        return Draft(self.senders_in_turn(count), [self.addresses[0]] * count, [self._input() for _ in range(count)])

    def touches(self, sender: bytes, recipient: bytes, data: bytes) -> tuple[object, ...]:
        """Nothing but the sender's nonce."""
        return (sender,)

    def _input(self) -> bytes:
        return encode_call("nothing()")


class Processor(Nothing):
    """Sorting in memory."""

    about = f"calls that sort {SORTED} numbers"
    gas = 1_500_000

    def _input(self) -> bytes:
        return encode_call("sort(uint256,uint256)", self.random.getrandbits(64), SORTED)


class Storage(Nothing):
    """Reading and writing cells."""

    about = f"calls that read and write {CELLS} cells of storage"
    gas = 500_000

    def __init__(self, accounts: Accounts, addresses: Sequence[bytes], seed: int) -> None:
        super().__init__(accounts, addresses, seed)
        self._written = [0] * RUNS

    def touches(self, sender: bytes, recipient: bytes, data: bytes) -> tuple[object, ...]:
        """The run of cells, and the sender's nonce."""
        return sender, data[4:36]

    def _input(self) -> bytes:
        run = self.random.randrange(RUNS)
        self._written[run] += 1
        return encode_call("write(uint256,uint256,uint256)", run * CELLS, CELLS, 1)

    async def check(self, state: StateReader) -> None:
        """Every cell counts how often it was written.

        Raises
        ------
        Disagreement: one does not.
        """
        last = [run * CELLS + CELLS - 1 for run in range(RUNS)]
        cells = await state.call([(self.addresses[0], encode_call("cells(uint256)", cell)) for cell in last])
        if cells != self._written:
            raise Disagreement("a cell does not hold how often it was written")
