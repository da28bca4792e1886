"""TransactionTests of ethereum/tests through the border that Python uses.

The Rust test native/pool/tests/ethereum.rs judges the same files with unprotected transactions admitted and with the
checks of the pool (intrinsic gas, fee fields, creation code); here the decoder and the recovery stand alone.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from hansa import _native

FORKS = ("Cancun", "Shanghai", "London")

# Not the decoder's business: the pool and the executor refuse these.
LATER_CHECKS = {
    "INITCODE_SIZE_EXCEEDED",
    "INTRINSIC_GAS_TOO_LOW",
    "INVALID_CHAINID",
    "NONCE_TOO_BIG",
    "PRIORITY_GREATER_THAN_MAX_FEE_PER_GAS_2",
}

# Gas prices above 2^128 - 1 wei: valid on Ethereum, payable by nobody, refused here.
ABSURD_GAS_PRICE = {"GasLimitPriceProductOverflowtMinusOne", "TransactionWithHighGasPrice", "V_equals38"}


def cases(root: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    for file in sorted((root / "TransactionTests").rglob("*.json")):
        yield from json.loads(file.read_text()).items()


def judge(raw: bytes) -> dict[str, object] | str:
    try:
        return _native.decode_transaction(raw)
    except _native.NativeError as error:
        return error.args[0]


def difference(name: str, case: dict[str, Any]) -> str | None:
    """What differs from the expectation, none if nothing does; the kind of agreement is counted by the caller."""
    expected = next(case["result"][fork] for fork in FORKS if fork in case["result"])
    found = judge(bytes.fromhex(case["txbytes"].removeprefix("0x")))
    refused = expected.get("exception", "").removeprefix("TransactionException.")
    if isinstance(found, str):
        if refused or found == "TX-UNPROTECTED" or (name in ABSURD_GAS_PRICE and found == "TX-RLP"):
            return None
        return f"{name}: refused with {found}"
    if refused:
        return None if refused in LATER_CHECKS else f"{name}: accepted, expected {refused}"
    seen = (found["hash"], found["sender"])
    wanted = tuple(bytes.fromhex(expected[field][2:]) for field in ("hash", "sender"))
    return None if seen == wanted else f"{name}: {seen} instead of {wanted}"


def test_transaction_tests(unpacked: Callable[[str], Path]) -> None:
    judged = [(name, case, difference(name, case)) for name, case in cases(unpacked("ethereum-basic-tests"))]
    assert len(judged) >= 200
    assert [wrong for _, _, wrong in judged if wrong] == []
    verdicts = Counter(
        "decoded" if isinstance(found, dict) else found
        for found in (judge(bytes.fromhex(case["txbytes"][2:])) for _, case, _ in judged)
    )
    assert verdicts["decoded"] >= 10, verdicts
    assert verdicts["TX-RLP"] >= 50, verdicts
