"""Every kept input of the Python decoders, and changes of them drawn from a fixed seed, on every run of the tests."""

import random
from pathlib import Path

import pytest

from tests.fuzz.targets import TARGETS, run

CORPUS = Path(__file__).parent / "corpus_python"
ROUNDS = 1_000
CORPUS_BYTES_MAX = 120 * 1024
NUMBERS = (0, 1, 0x7F, 0x80, 0xFF, 0xFFFF_FFFF, 2**63 - 1, 2**64 - 1)


def kept(name: str) -> list[bytes]:
    return [bytes.fromhex(line) for line in (CORPUS / f"{name}.hex").read_text().splitlines()]


def change(draw: random.Random, data: bytes, other: bytes) -> bytes:
    """One change: a bit, a byte, a gap, a cut, a number at its edge, or the end of another input."""
    at = draw.randrange(len(data) + 1)
    match draw.randrange(7):
        case 0 if at < len(data):
            return data[:at] + bytes((data[at] ^ 1 << draw.randrange(8),)) + data[at + 1 :]
        case 1 if at < len(data):
            return data[:at] + bytes((draw.randrange(256),)) + data[at + 1 :]
        case 2:
            return data[:at] + bytes((draw.randrange(256),)) + data[at:]
        case 3:
            return data[:at]
        case 4:
            return data[:at] + data[at + draw.randrange(9) :]
        case 5:
            width = draw.choice((1, 2, 4, 8))
            return data[:at] + draw.choice(NUMBERS).to_bytes(8)[8 - width :] + data[at + width :]
        case _:
            return data[:at] + other[draw.randrange(len(other) + 1) :]


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_kept_inputs_and_changes_of_them_return(name: str) -> None:
    inputs = kept(name)
    for data in inputs:
        run(name, data)
    draw = random.Random(name)
    for _ in range(ROUNDS):
        data = draw.choice(inputs)
        for _ in range(draw.randint(1, 4)):
            data = change(draw, data, draw.choice(inputs))
        try:
            run(name, data)
        except Exception as error:
            raise AssertionError(f"{name} on {data.hex()}") from error


def test_every_target_has_inputs_and_all_are_small() -> None:
    files = {path.stem: path.stat().st_size for path in CORPUS.iterdir()}
    assert set(files) == set(TARGETS) and sum(files.values()) <= CORPUS_BYTES_MAX
    assert all(kept(name) for name in TARGETS)
