"""Swaps of two tokens in pools of constant product: one pool that all want, or a hundred."""

from hansa.bench.errors import Disagreement
from hansa.bench.workloads.contract import Contract, encode_call, encode_list_call, load_artefact, mapping_slot
from hansa.bench.workloads.shape import Draft, StateReader, Step, Workload
from hansa.bench.workloads.token import BALANCES_SLOT, MINTED_AT_ONCE

OPERATORS_SLOT = 3  # of BenchToken
OPENING = 10**15
RESERVE = 10**24
PAID_MAX = 10**6


class SwapOne(Workload):
    """Every swap changes the same reserves."""

    about = "swaps in one pool of two ERC-20 tokens"
    gas = 250_000
    pools = 1

    @classmethod
    def count_contracts(cls, senders: int) -> int:
        """Two tokens and the pools."""
        return 2 + cls.pools

    def contracts(self) -> list[Contract]:
        """Two tokens, of which everybody has some, and the pools."""
        first, second = (int.from_bytes(token) for token in self.addresses[:2])
        pools = self.addresses[2:]
        storage = {mapping_slot(OPERATORS_SLOT, pool): 1 for pool in pools}
        storage |= {mapping_slot(BALANCES_SLOT, pool): RESERVE for pool in pools}
        token = Contract(load_artefact("bench_token"), storage=storage, holdings={BALANCES_SLOT: OPENING})
        pool = Contract(
            load_artefact("swap_pair"),
            arguments=(first, second, RESERVE),
            storage={0: first, 1: second, 2: RESERVE, 3: RESERVE},
        )
        return [token, token, *([pool] * len(pools))]

    def setup(self) -> list[Step]:
        """Make the pools operators with reserves, and mint for those who swap."""
        tokens, pools, senders = self.addresses[:2], self.addresses[2:], self.accounts.senders
        steps = []
        for token in tokens:
            for pool in pools:
                steps.append(Step(0, token, encode_call("setOperator(address)", pool)))
                steps.append(Step(0, token, encode_call("mint(address,uint256)", pool, RESERVE)))
            for first in range(0, len(senders), MINTED_AT_ONCE):
                part = senders[first : first + MINTED_AT_ONCE]
                steps.append(Step(0, token, encode_list_call("mintMany(address[],uint256)", part, OPENING)))
        return steps

    def draft(self, count: int) -> Draft:
        """The next `count` swaps, in both directions alike."""
        recipients = self.random.choices(self.addresses[2:], k=count)
        signature, draw = "swap(bool,uint256)", self.random.randrange
        inputs = [encode_call(signature, draw(2), draw(1_000, PAID_MAX)) for _ in range(count)]
        return Draft(self.senders_in_turn(count), recipients, inputs)

    def touches(self, sender: bytes, recipient: bytes, data: bytes) -> tuple[object, ...]:
        """The pool, and the sender's balances."""
        return sender, recipient

    async def check(self, state: StateReader) -> None:
        """Each pool holds of both tokens what it believes to hold, and its product did not fall.

        Raises
        ------
        Disagreement: one does not.
        """
        pools = self.addresses[2:]
        sides = [(pool, side) for pool in pools for side in (0, 1)]
        reserves = await state.call([(pool, encode_call("reserves(uint256)", side)) for pool, side in sides])
        held = await state.call([(self.addresses[s], encode_call("balanceOf(address)", p)) for p, s in sides])
        if reserves != held:
            raise Disagreement("a pool does not hold its reserves")
        if any(a * b < RESERVE * RESERVE for a, b in zip(reserves[::2], reserves[1::2], strict=True)):
            raise Disagreement("the product of a pool's reserves fell")


class SwapHundred(SwapOne):
    """Swaps meet in a pool once in a hundred times."""

    about = "swaps in a hundred pools of two ERC-20 tokens"
    pools = 100
