"""SmallBank: six operations on customers of whom some are asked for far more often than others."""

from collections.abc import Sequence
from itertools import accumulate

from hansa.bench.accounts import Accounts
from hansa.bench.errors import Disagreement
from hansa.bench.workloads.contract import Contract, encode_call, encode_list_call, load_artefact, selector
from hansa.bench.workloads.shape import Draft, StateReader, Step, Workload

SAVINGS_SLOT, CHECKING_SLOT = 0, 1
OPENING = 10**12  # in each of a customer's two accounts
AMOUNT_MAX = 100
OPENED_AT_ONCE = 100
SUMMED_MAX = 20_000  # customers whose accounts are added up after a run
_SIGN = 2**255
_OF_TWO = (selector("amalgamate(address,address)"), selector("sendPayment(address,address,int256)"))


class SmallBank(Workload):
    """Customers by Zipf's law: the k-th is drawn with a weight of k to the power of -`theta`."""

    about = "SmallBank, customers drawn uniformly"
    gas = 120_000
    theta = 0.0

    def __init__(self, accounts: Accounts, addresses: Sequence[bytes], seed: int) -> None:
        super().__init__(accounts, addresses, seed)
        self._weights = list(accumulate((k + 1) ** -self.theta for k in range(len(accounts))))
        self._touched: dict[int, None] = {}
        self._moved = 0  # what all operations together add to the bank
        self._checks = 0  # written ones; each may cost a penalty of one

    @classmethod
    def count_contracts(cls, senders: int) -> int:
        """The bank."""
        return 1

    def contracts(self) -> list[Contract]:
        """The bank, in which every account is a customer."""
        holdings = {SAVINGS_SLOT: OPENING, CHECKING_SLOT: OPENING}
        return [Contract(load_artefact("small_bank"), holdings=holdings)]

    def setup(self) -> list[Step]:
        """Open the accounts of all customers."""
        every = [self.accounts.address(index) for index in range(len(self.accounts))]
        parts = [every[first : first + OPENED_AT_ONCE] for first in range(0, len(every), OPENED_AT_ONCE)]
        signature = "openMany(address[],int256)"
        return [Step(0, self.addresses[0], encode_list_call(signature, part, OPENING)) for part in parts]

    def draft(self, count: int) -> Draft:
        """The next `count` operations, each of the six as often as the others."""
        customers = self.random.choices(range(len(self.accounts)), cum_weights=self._weights, k=2 * count)
        inputs = [self._operation(customers[2 * n], customers[2 * n + 1]) for n in range(count)]
        return Draft(self.senders_in_turn(count), [self.addresses[0]] * count, inputs)

    def _operation(self, first: int, second: int) -> bytes:
        self._touched[first] = None
        one, amount = self.accounts.address(first), self.random.randrange(1, AMOUNT_MAX)
        match self.random.randrange(6):
            case 0:
                return encode_call("readBalance(address)", one)
            case 1:
                self._moved += amount
                return encode_call("depositChecking(address,int256)", one, amount)
            case 2:
                self._moved += amount
                return encode_call("transactSavings(address,int256)", one, amount)
            case 3:
                self._touched[second] = None
                return encode_call("amalgamate(address,address)", one, self.accounts.address(second))
            case 4:
                self._touched[second] = None
                return encode_call("sendPayment(address,address,int256)", one, self.accounts.address(second), amount)
            case _:
                self._moved -= amount
                self._checks += 1
                return encode_call("writeCheck(address,int256)", one, amount)

    def touches(self, sender: bytes, recipient: bytes, data: bytes) -> tuple[object, ...]:
        """The customers, and the sender's nonce, which no customer shares."""
        customers = (data[4:36], data[36:68]) if data[:4] in _OF_TWO else (data[4:36],)
        return (sender, "nonce"), *customers

    async def check(self, state: StateReader) -> None:
        """The sum of all accounts is what was deposited less what was drawn, penalties aside.

        Raises
        ------
        Disagreement: it is not.
        """
        if len(self._touched) > SUMMED_MAX:
            return
        ask = [encode_call("readBalance(address)", self.accounts.address(customer)) for customer in self._touched]
        answers = await state.call([(self.addresses[0], one) for one in ask])
        total = sum(value - 2**256 if value >= _SIGN else value for value in answers)
        expected = 2 * OPENING * len(self._touched) + self._moved
        if not expected - self._checks <= total <= expected:
            raise Disagreement(f"the bank holds {total}, not {expected} less at most {self._checks} penalties")


class SmallBankZipf09(SmallBank):
    """Some customers are hot."""

    about = "SmallBank, customers by Zipf's law with exponent 0.9"
    theta = 0.9


class SmallBankZipf099(SmallBank):
    """Few customers are very hot."""

    about = "SmallBank, customers by Zipf's law with exponent 0.99"
    theta = 0.99
