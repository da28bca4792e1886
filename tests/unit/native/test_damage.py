"""Fifty changed bytes in a stopped node's ledger are each found and named; repair heals what it can from others."""

import random
from pathlib import Path

import pytest

from hansa import _native
from hansa._native import Chain
from tests.unit.native.alliance_fixture import genesis, grow

CHANGES = 50


def flip(file: Path, offset: int, bit: int) -> None:
    with file.open("r+b") as opened:
        opened.seek(offset)
        byte = opened.read(1)[0]
        opened.seek(offset)
        opened.write(bytes([byte ^ (1 << bit)]))


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[bytes]]:
    folder = tmp_path_factory.mktemp("ledger")
    chain = grow(folder, 12)
    blocks = chain.export_blocks(1, 100, 1 << 24)
    chain.close()
    return folder, blocks


def test_each_changed_byte_is_found_and_named(stopped: tuple[Path, list[bytes]]) -> None:
    folder, _ = stopped
    draw = random.Random(50)
    files = sorted((folder / "blocks").iterdir()) + sorted((folder / "checkpoints").iterdir())
    for _ in range(CHANGES):
        file = draw.choice(files)
        place = draw.randrange(file.stat().st_size), draw.randrange(8)
        flip(file, *place)
        findings = _native.verify_ledger(str(folder), genesis())
        assert str(file.relative_to(folder)) in {name for name, _, _ in findings}, (file, place, findings)
        flip(file, *place)
    assert _native.verify_ledger(str(folder), genesis()) == []


def test_repair_and_import_heal_a_record(stopped: tuple[Path, list[bytes]]) -> None:
    folder, blocks = stopped
    log = folder / "blocks" / "00000000.seg"
    flip(log, log.read_bytes().rstrip(b"\0").__len__() // 2, 3)
    findings, moved, height = _native.repair_folder(str(folder), genesis())
    assert findings[0][0] == "blocks/00000000.seg"
    assert moved
    assert height < len(blocks)
    chain = Chain.open(str(folder), genesis())
    for block in blocks[height:]:
        chain.import_block(block)
    chain.close()
    del chain
    heard: list[int] = []
    assert _native.verify_ledger(str(folder), genesis(), heard.append) == []
