"""Transfers of wei: to anybody, to one account, from one account; and anybody's in bursts."""

from collections import Counter
from collections.abc import Sequence

from hansa.bench.accounts import Accounts
from hansa.bench.errors import Disagreement
from hansa.bench.workloads.shape import WATCHED, Draft, StateReader, Workload

_BURST = 10.0  # how much higher the rate is then


class Transfer(Workload):
    """Senders in turn, receivers uniformly from all accounts."""

    about = "transfers of one wei, receivers drawn from all accounts"
    value = 1

    def __init__(self, accounts: Accounts, addresses: Sequence[bytes], seed: int) -> None:
        super().__init__(accounts, addresses, seed)
        self.received: Counter[bytes] = Counter()
        first = len(accounts.senders) % len(accounts)  # receivers only, where there are any
        self.watched = [accounts.address(i) for i in range(first, min(len(accounts), first + WATCHED))]
        self._before: list[int] = []

    def draft(self, count: int) -> Draft:
        """The next `count` transfers."""
        return self._to(self.accounts.draw(self.random, count))

    async def begin(self, state: StateReader) -> None:
        """Note the watched balances."""
        self._before = await state.balances(self.watched)

    async def check(self, state: StateReader) -> None:
        """Every watched account that never sends has what it received.

        Raises
        ------
        Disagreement: it has not.
        """
        after = await state.balances(self.watched)
        for address, old, new in zip(self.watched, self._before, after, strict=True):
            if address not in self.accounts.senders and new - old != self.received[address]:
                raise Disagreement(f"0x{address.hex()} received {self.received[address]} wei and has {new - old} more")

    def _to(self, recipients: list[bytes]) -> Draft:
        self.received.update(recipients)
        return Draft(self.senders_in_turn(len(recipients)), recipients, [b""] * len(recipients))


class TransferHot(Transfer):
    """A merchant whom thousands pay."""

    about = "transfers of one wei, all to one account"

    def __init__(self, accounts: Accounts, addresses: Sequence[bytes], seed: int) -> None:
        super().__init__(accounts, addresses, seed)
        self.merchant = b"\xfe" * 20
        self.watched = [self.merchant]

    def draft(self, count: int) -> Draft:
        """The next `count` payments."""
        return self._to([self.merchant] * count)


class TransferChain(Transfer):
    """One account whose transactions wait for one another."""

    about = "transfers of one wei, all from one account, receivers drawn from all"
    senders_max = 1
    one_node = True


class Bursts(Transfer):
    """A third of the time at the rate, a third at ten times the rate, a third at the rate."""

    about = "transfers at the rate, then at ten times the rate, then at the rate again"
    trace = ((1 / 3, 1.0), (1 / 3, _BURST), (1 / 3, 1.0))
