"""Writes of three kinds while five times as many clients read."""

from collections.abc import Sequence

from hansa.bench.accounts import Accounts
from hansa.bench.workloads.contract import Contract, encode_call, load_artefact
from hansa.bench.workloads.shape import Draft, Read
from hansa.bench.workloads.token import BALANCES_SLOT, OPENING, Token
from hansa.crypto.suite import keccak256

SHARES = (("transfer", 70), ("token", 20), ("evidence", 10))  # percent
LOGS_SHARE = 0.2  # of the reads; the rest are calls
_TRANSFER_TOPIC = "0x" + keccak256(b"Transfer(address,address,uint256)").hex()


class Mixed(Token):
    """Transfers, token transfers and digests; readers ask for balances and for what somebody received."""

    about = "70 % transfers, 20 % ERC-20, 10 % digests; eth_call and eth_getLogs five times as often"
    gas = 120_000
    reads_per_write = 5

    def __init__(self, accounts: Accounts, addresses: Sequence[bytes], seed: int) -> None:
        super().__init__(accounts, addresses, seed)

    @classmethod
    def count_contracts(cls, senders: int) -> int:
        """The token and the register of digests."""
        return 2

    def contracts(self) -> list[Contract]:
        """The token, of which everybody has some, and the register of digests."""
        token = Contract(load_artefact("bench_token"), holdings={BALANCES_SLOT: OPENING})
        return [token, Contract(load_artefact("evidence"))]

    def draft(self, count: int) -> Draft:
        """The next `count` transactions."""
        kinds = self.random.choices([kind for kind, _ in SHARES], [share for _, share in SHARES], k=count)
        rows = [self._row(kind, who) for kind, who in zip(kinds, self.accounts.draw(self.random, count), strict=True)]
        return Draft(self.senders_in_turn(count), [to for to, _ in rows], [data for _, data in rows])

    def _row(self, kind: str, who: bytes) -> tuple[bytes, bytes]:
        if kind == "transfer":
            return who, b""
        if kind == "token":
            self.received[who] += 1
            return self.addresses[0], encode_call("transfer(address,uint256)", who, 1)
        return self.addresses[1], encode_call("depositDigest(bytes32)", self.random.randbytes(32))

    def reads(self, count: int, chain_id: int) -> list[Read]:
        """Balances, and what somebody received in the newest block."""
        token = "0x" + self.addresses[0].hex()
        return [self._read(token, who) for who in self.accounts.draw(self.random, count)]

    def _read(self, token: str, who: bytes) -> Read:
        if self.random.random() < LOGS_SHARE:
            topics = [_TRANSFER_TOPIC, None, "0x" + who.rjust(32, b"\0").hex()]
            return Read("eth_getLogs", [{"fromBlock": "latest", "address": token, "topics": topics}])
        data = "0x" + encode_call("balanceOf(address)", who).hex()
        return Read("eth_call", [{"to": token, "data": data}, "latest"])
