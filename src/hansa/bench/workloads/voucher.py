"""The life cycle of receivables in the repository's own contract: issue, split, transfer, offer, finance, redeem."""

from collections.abc import Callable, Sequence

from hansa.bench.accounts import Accounts
from hansa.bench.errors import Disagreement
from hansa.bench.workloads.contract import (
    VOUCHER_BOOK,
    Contract,
    encode_call,
    load_artefact,
    mapping_slot,
    word,
)
from hansa.bench.workloads.shape import WATCHED, Draft, StateReader, Step, Workload

ADMINISTRATOR_SLOT, ROLES_SLOT = 0, 1
ALL_ROLES, HOLDER = 7, 2
AMOUNT = 1_000_000  # hundredths
DUE = 4_102_444_800  # 2100-01-01
PARTNER = b"\xfd" * 20  # receives vouchers and keeps them
_PAYMENT = b"\x01" * 32

# One life: what is called, given the number of vouchers before. The voucher issued is first, the split ones follow.
_LIFE: tuple[Callable[[int], bytes], ...] = (
    lambda made: _issue(made),
    lambda made: encode_call("split(uint256,uint256)", made + 1, AMOUNT // 2),
    lambda made: encode_call("transferValueTo(uint256,address,uint256)", made + 1, PARTNER, AMOUNT // 4),
    lambda made: encode_call("transferFrom(address,address,uint256)", b"", PARTNER, made + 2),
    lambda made: encode_call("offer(uint256,address,uint256)", made + 1, b"", AMOUNT // 5),
    lambda made: encode_call("finance(uint256,uint256,bytes32)", made + 1, AMOUNT // 5, _PAYMENT),
    lambda made: encode_call("redeem(uint256,bytes32)", made + 1, _PAYMENT),
)
_VOUCHERS_PER_LIFE = 3


def _issue(made: int) -> bytes:
    """The book's owner issues to itself; the currency is a string, so its data stand behind the words."""
    fixed = encode_call("issue(address,uint256,uint64,string,bytes32)", b"", AMOUNT, DUE, 5 * 32, _PAYMENT)
    return fixed + word(3) + b"EUR".ljust(32, b"\0")


class Voucher(Workload):
    """Each sender keeps a book of its own, so that the numbers of its vouchers are known when it signs."""

    about = "life cycle of vouchers: issue, split, two transfers, offer, finance, redeem; a book per sender"
    gas = 500_000
    senders_max = 1_000

    def __init__(self, accounts: Accounts, addresses: Sequence[bytes], seed: int) -> None:
        super().__init__(accounts, addresses, seed)
        self._steps = [0] * len(accounts.senders)

    @classmethod
    def count_contracts(cls, senders: int) -> int:
        """One book per sender."""
        return senders

    def contracts(self) -> list[Contract]:
        """The books; each sender has every role in its own."""
        return [self._book(number, sender) for number, sender in enumerate(self.accounts.senders)]

    def _book(self, number: int, sender: bytes) -> Contract:
        storage = {
            ADMINISTRATOR_SLOT: int.from_bytes(sender),
            mapping_slot(ROLES_SLOT, sender): ALL_ROLES,
            mapping_slot(ROLES_SLOT, PARTNER): HOLDER,
        }
        return Contract(load_artefact(VOUCHER_BOOK), deployer=number, storage=storage)

    def setup(self) -> list[Step]:
        """Give the roles."""
        steps = []
        for number, (sender, book) in enumerate(zip(self.accounts.senders, self.addresses, strict=True)):
            for account, role in ((sender, ALL_ROLES), (PARTNER, HOLDER)):
                steps.append(Step(number, book, encode_call("setRole(address,uint256)", account, role)))
        return steps

    def draft(self, count: int) -> Draft:
        """The next `count` steps of the senders' vouchers."""
        senders = self.senders_in_turn(count)
        return Draft(senders, [self.addresses[s] for s in senders], [self._next(s) for s in senders])

    def _next(self, sender: int) -> bytes:
        lives, step = divmod(self._steps[sender], len(_LIFE))
        self._steps[sender] += 1
        call = _LIFE[step](lives * _VOUCHERS_PER_LIFE)
        own = self.accounts.senders[sender].rjust(32, b"\0")
        # Where a life names nobody, the sender itself is meant.
        place = {0: 0, 3: 0, 4: 1}.get(step)
        return call if place is None else call[: 4 + 32 * place] + own + call[4 + 32 * place + 32 :]

    def touches(self, sender: bytes, recipient: bytes, data: bytes) -> tuple[object, ...]:
        """The book, which is the sender's own."""
        return sender, recipient

    async def check(self, state: StateReader) -> None:
        """Every watched book made as many vouchers as its owner asked for.

        Raises
        ------
        Disagreement: one did not.
        """
        made = [
            lives * _VOUCHERS_PER_LIFE + min(step, 3) for lives, step in (divmod(s, len(_LIFE)) for s in self._steps)
        ]
        counts = await state.call([(book, encode_call("count()")) for book in self.addresses[:WATCHED]])
        if counts != made[:WATCHED]:
            raise Disagreement("a book does not hold the vouchers that were made in it")
