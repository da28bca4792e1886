"""Transfers of an ERC-20 token: to anybody, or mostly among few."""

from collections import Counter
from collections.abc import Sequence

from hansa.bench.accounts import Accounts
from hansa.bench.errors import Disagreement
from hansa.bench.workloads.contract import Contract, encode_call, encode_list_call, load_artefact
from hansa.bench.workloads.shape import WATCHED, Draft, StateReader, Step, Workload

BALANCES_SLOT = 1  # of BenchToken.balanceOf
OPENING = 10**15
MINTED_AT_ONCE = 200
SKEWED_SHARE = 0.3  # of the transactions
HOT_SHARE = 0.01  # of the accounts


class Token(Workload):
    """Every account holds the token already; receivers uniformly from all."""

    about = "ERC-20 transfers, receivers drawn from all accounts"
    gas = 100_000

    def __init__(self, accounts: Accounts, addresses: Sequence[bytes], seed: int) -> None:
        super().__init__(accounts, addresses, seed)
        self.received: Counter[bytes] = Counter()
        own = len(accounts.senders)
        self.watched = [accounts.address(i) for i in range(own, min(len(accounts), own + WATCHED))]
        self._before: list[int] = []

    @classmethod
    def count_contracts(cls, senders: int) -> int:
        """The token."""
        return 1

    def contracts(self) -> list[Contract]:
        """The token, of which everybody has some."""
        return [Contract(load_artefact("bench_token"), holdings={BALANCES_SLOT: OPENING})]

    def setup(self) -> list[Step]:
        """Mint for those who send."""
        senders = self.accounts.senders
        parts = [senders[first : first + MINTED_AT_ONCE] for first in range(0, len(senders), MINTED_AT_ONCE)]
        mint = "mintMany(address[],uint256)"
        return [Step(0, self.addresses[0], encode_list_call(mint, part, OPENING)) for part in parts]

    def draft(self, count: int) -> Draft:
        """The next `count` transfers of one unit."""
        receivers = self._receivers(count)
        self.received.update(receivers)
        inputs = [encode_call("transfer(address,uint256)", receiver, 1) for receiver in receivers]
        return Draft(self.senders_in_turn(count), [self.addresses[0]] * count, inputs)

    def _receivers(self, count: int) -> list[bytes]:
        return self.accounts.draw(self.random, count)

    async def begin(self, state: StateReader) -> None:
        """Note the watched balances."""
        self._before = await self._balances(state)

    async def check(self, state: StateReader) -> None:
        """Every watched account has what it received.

        Raises
        ------
        Disagreement: it has not.
        """
        for address, old, new in zip(self.watched, self._before, await self._balances(state), strict=True):
            if new - old != self.received[address]:
                raise Disagreement(f"0x{address.hex()} received {self.received[address]} and has {new - old} more")

    async def _balances(self, state: StateReader) -> list[int]:
        return await state.call([(self.addresses[0], encode_call("balanceOf(address)", who)) for who in self.watched])


class TokenSkewed(Token):
    """As on a market with a few large shops."""

    about = "ERC-20 transfers, 30 % of them to 1 % of the accounts"

    def _receivers(self, count: int) -> list[bytes]:
        total = len(self.accounts)
        hot = max(1, round(total * HOT_SHARE))
        # The hot ones are the last accounts: receivers, where there are any.
        indices = (
            self.random.randrange(total - hot, total) if self.random.random() < SKEWED_SHARE
            else self.random.randrange(total)
            for _ in range(count)
        )  # fmt: skip
        return [self.accounts.address(index) for index in indices]
