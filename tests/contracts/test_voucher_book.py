"""The voucher book on the node's own executor: a voucher's life, who may do what, and value is never made or lost."""

import random
from pathlib import Path
from typing import Any

import pytest

from hansa.crypto.suite import KeyPair
from hansa.sdk.contract import parse_artefact
from tests.contracts.ledger import START_MS, Contract, Ledger, Refusal

ARTEFACT = Path(__file__).resolve().parents[2] / "src/hansa/cli/artefacts/voucher_book.json"
ISSUER, HOLDER, BANK = 1, 2, 4
DUE = START_MS // 1_000 + 10_000_000
INVOICE = b"\x01" * 32
PAYMENT = b"\x02" * 32
FACE = 100_000_000
ZERO = "0x" + "00" * 20


class Book:
    """A book with its people."""

    def __init__(self) -> None:
        self.ledger = Ledger()
        self.admin, self.core, self.supplier, self.tier2, self.bank, self.stranger, *_ = self.ledger.keys
        self.contract = Contract(self.ledger, parse_artefact(ARTEFACT.read_bytes(), "book"), self.admin)
        for account, role in ((self.core, ISSUER), (self.supplier, HOLDER), (self.tier2, HOLDER), (self.bank, BANK)):
            self.send(self.admin, "setRole", account, role)

    def send(self, sender: KeyPair, function: str, *arguments: Any, value: int = 0) -> dict[str, dict[str, Any]]:
        return self.contract.send(sender, function, *arguments, value=value)

    def call(self, function: str, *arguments: Any) -> Any:
        return self.contract.call(function, *arguments)

    def issue(self, amount: int = FACE, holder: KeyPair | None = None, due: int = DUE) -> int:
        events = self.send(self.core, "issue", holder or self.supplier, amount, due, "CNY", INVOICE)
        return int(events["Issued"]["token"])

    def owner(self, token: int) -> str:
        return str(self.call("ownerOf", token)).lower()

    def value(self, token: int) -> int:
        return int(self.call("valueOf", token))


def address(key: KeyPair) -> str:
    return "0x" + key.address.hex()


@pytest.fixture
def book() -> Book:
    return Book()


def test_issue_split_transfer_finance_redeem(book: Book) -> None:
    token = book.issue()
    assert (book.owner(token), book.value(token)) == (address(book.supplier), FACE)
    slot = book.call("slotOf", token)
    issuer, due, currency = book.call("slots", slot)
    assert (issuer.lower(), int(due), currency) == (address(book.core), DUE, "CNY")

    events = book.send(book.supplier, "split", token, 40_000_000)
    child = int(events["Split"]["child"])
    assert events["TransferValue"] == {"_fromTokenId": str(token), "_toTokenId": str(child), "_value": "40000000"}
    assert (book.value(token), book.value(child)) == (60_000_000, 40_000_000)
    assert int(book.call("parentOf", child)) == token

    book.send(book.supplier, "transferFrom", book.supplier, book.tier2, token)
    assert book.owner(token) == address(book.tier2)

    book.send(book.supplier, "offer", child, book.bank, 39_480_000)
    events = book.send(book.bank, "finance", child, 39_480_000, PAYMENT)
    assert events["Financed"]["discount"] == "520000"
    assert book.owner(child) == address(book.bank)
    bank, price, discount, payment = book.call("financings", child)
    assert (bank.lower(), price, discount, payment) == (address(book.bank), "39480000", "520000", "0x" + "02" * 32)

    book.send(book.bank, "redeem", child, PAYMENT)
    book.send(book.tier2, "redeem", token, PAYMENT)
    assert int(book.call("outstanding", slot)) == 0
    for key in (book.supplier, book.tier2, book.bank):
        assert int(book.call("balanceOf", key)) == 0


def test_value_moves_within_a_slot_only(book: Book) -> None:
    first, second = book.issue(1_000), book.issue(500)
    book.send(book.supplier, "transferValue", first, second, 300)
    assert (book.value(first), book.value(second)) == (700, 800)
    other = book.issue(500, due=DUE + 1)
    with pytest.raises(Refusal, match="slots differ"):
        book.send(book.supplier, "transferValue", first, other, 1)
    child = int(book.send(book.supplier, "transferValueTo", first, book.tier2, 200)["Split"]["child"])
    assert (book.owner(child), book.value(child), book.value(first)) == (address(book.tier2), 200, 500)


@pytest.mark.parametrize(
    ("who", "function", "arguments", "reason"),
    [
        ("core", "setRole", ("core", BANK), "only the administrator"),
        ("core", "setAdministrator", ("core",), "only the administrator"),
        ("admin", "setAdministrator", (ZERO,), "zero address"),
        ("supplier", "issue", ("supplier", 1, DUE, "CNY", INVOICE), "not an issuer"),
        ("core", "issue", ("supplier", 0, DUE, "CNY", INVOICE), "amount is zero"),
        ("core", "issue", ("supplier", 1, 1, "CNY", INVOICE), "due date is past"),
        ("core", "issue", ("supplier", 1, DUE, "RM", INVOICE), "three letters"),
        ("core", "issue", ("stranger", 1, DUE, "CNY", INVOICE), "receiver may not hold"),
        ("core", "issue", ("core", 1, DUE, "CNY", INVOICE), "receiver may not hold"),
        ("tier2", "split", (1, 1), "not the holder"),
        ("supplier", "split", (1, FACE), "not below the value"),
        ("supplier", "split", (1, 0), "amount is zero"),
        ("supplier", "split", (9, 1), "no such voucher"),
        ("tier2", "transferValue", (1, 2, 1), "not the holder"),
        ("supplier", "transferValue", (1, 1, 1), "same voucher"),
        ("supplier", "transferValue", (1, 9, 1), "no such voucher"),
        ("supplier", "transferValue", (1, 2, FACE + 1), "above the value"),
        ("tier2", "transferFrom", ("supplier", "tier2", 1), "not the holder"),
        ("supplier", "transferFrom", ("tier2", "supplier", 1), "not the holder"),
        ("supplier", "transferFrom", ("supplier", "stranger", 1), "receiver may not hold"),
        ("supplier", "transferFrom", ("supplier", ZERO, 1), "receiver may not hold"),
        ("tier2", "approve", ("tier2", 1), "not the holder"),
        ("tier2", "offer", (1, "bank", 1), "not the holder"),
        ("supplier", "offer", (1, "tier2", 1), "not a bank"),
        ("supplier", "offer", (1, "bank", FACE + 1), "above the face value"),
        ("bank", "finance", (1, 1, PAYMENT), "not offered to you"),
        ("tier2", "finance", (1, 1, PAYMENT), "not a bank"),
        ("tier2", "redeem", (1, PAYMENT), "not the holder"),
        ("supplier", "redeem", (1, bytes(32)), "no payment reference"),
    ],
)
def test_who_may_not_do_what(book: Book, who: str, function: str, arguments: tuple[Any, ...], reason: str) -> None:
    book.issue()
    book.issue()
    people = {"admin", "core", "supplier", "tier2", "bank", "stranger"}
    given = [getattr(book, word) if isinstance(word, str) and word in people else word for word in arguments]
    with pytest.raises(Refusal, match=reason):
        book.send(getattr(book, who), function, *given)


def test_an_offer_ends_with_any_change_of_the_voucher(book: Book) -> None:
    first, second = book.issue(1_000), book.issue(1_000)
    for change in (("split", first, 1), ("transferValue", second, first, 1), ("offer", first, ZERO, 0)):
        book.send(book.supplier, "offer", first, book.bank, 900)
        book.send(book.supplier, *change)
        with pytest.raises(Refusal, match="not offered"):
            book.send(book.bank, "finance", first, 900, PAYMENT)
    book.send(book.supplier, "offer", first, book.bank, 900)
    book.send(book.supplier, "offer", first, book.bank, 950)
    with pytest.raises(Refusal, match="price differs"):
        book.send(book.bank, "finance", first, 900, PAYMENT)
    book.send(book.supplier, "transferFrom", book.supplier, book.tier2, first)
    with pytest.raises(Refusal, match="not offered"):
        book.send(book.bank, "finance", first, 950, PAYMENT)


def test_those_approved_may_act_until_the_voucher_moves(book: Book) -> None:
    token = book.issue()
    book.send(book.supplier, "approve", book.tier2, token)
    assert book.call("getApproved", token).lower() == address(book.tier2)
    book.send(book.tier2, "transferFrom", book.supplier, book.tier2, token)
    assert book.call("getApproved", token) == ZERO
    book.send(book.tier2, "setApprovalForAll", book.stranger, True)
    book.send(book.stranger, "safeTransferFrom", book.tier2, book.supplier, token)
    assert book.owner(token) == address(book.supplier)


def test_interfaces_are_claimed_only_where_they_hold(book: Book) -> None:
    supported = {
        name: book.call("supportsInterface", "0x" + name) for name in ("01ffc9a7", "80ac58cd", "d5358140", "ffffffff")
    }
    assert supported == {"01ffc9a7": True, "80ac58cd": True, "d5358140": False, "ffffffff": False}
    assert (book.call("name"), book.call("symbol"), book.call("valueDecimals")) == ("Voucher Book", "VCHR", "2")


def test_a_contract_that_cannot_hold_vouchers_does_not_get_one_safely(book: Book) -> None:
    token = book.issue()
    target = book.contract.address
    book.send(book.admin, "setRole", target, HOLDER)
    with pytest.raises(Refusal):
        book.send(book.supplier, "safeTransferFrom", book.supplier, target, token)


def test_it_takes_no_coins(book: Book) -> None:
    token = book.issue()
    with pytest.raises(Refusal, match="takes no coins"):
        book.send(book.supplier, "approve", book.tier2, token, value=1)


@pytest.mark.parametrize("seed", range(4))
def test_value_is_neither_made_nor_lost(book: Book, seed: int) -> None:
    """Random operations of random people: whatever is refused or done, the books balance."""
    draw = random.Random(seed)
    issued = 0
    tokens: list[int] = []
    people = [book.supplier, book.tier2, book.bank]
    for _ in range(60):
        act = draw.randrange(5)
        who = draw.choice(people)
        token = draw.choice(tokens) if tokens else 1
        try:
            if act == 0 or not tokens:
                amount = draw.randrange(1, 1_000)
                tokens.append(book.issue(amount, draw.choice(people)))
                issued += amount
            elif act == 1:
                tokens.append(int(book.send(who, "split", token, draw.randrange(500))["Split"]["child"]))
            elif act == 2:
                book.send(who, "transferValue", token, draw.choice(tokens), draw.randrange(500))
            elif act == 3:
                book.send(who, "transferFrom", who, draw.choice(people), token)
            else:
                redeemed = book.value(token)
                book.send(who, "redeem", token, PAYMENT)
                issued -= redeemed
                tokens.remove(token)
        except Refusal:
            continue
    assert sum(book.value(token) for token in tokens) == issued
    if tokens:
        assert int(book.call("outstanding", book.call("slotOf", tokens[0]))) == issued
    owners = [book.owner(token) for token in tokens]
    assert [int(book.call("balanceOf", key)) for key in people] == [owners.count(address(key)) for key in people]
