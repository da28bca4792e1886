"""Fifty changed bytes in a stopped node's ledger are each found and named; repair heals what it can from others."""

import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hansa import _native
from hansa._native import Chain
from tests.unit.native.alliance_fixture import genesis, grow

CHANGES = 50
ROOT = Path(__file__).resolve().parents[3]


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


MANY = genesis(
    alloc_ranges=[{"label": "people", "count": 900_000, "balance": "0x7"}]
)  # a file not checked at the start
READER = """
import sys, threading
from hansa._native import Chain, Rpc
rpc = Rpc(Chain.open(sys.argv[1], sys.stdin.buffer.read()))
def read():
    try:
        rpc.result("eth_getBalance", b'["0x%040x","latest"]' % 7)
    except BaseException:
        pass
reader = threading.Thread(target=read)
reader.start()
reader.join()
print("lives on")
"""


def test_a_read_of_a_rotten_page_ends_the_process_whatever_thread_it_is_on(tmp_path: Path) -> None:
    Chain.create(str(tmp_path), MANY)
    (file,) = (tmp_path / "checkpoints").iterdir()
    with file.open("r+b") as opened:
        opened.seek(1 << 20)  # all but the first and the last pages, which a start reads
        opened.write(bytes(file.stat().st_size - (8 << 20)))
    command = [sys.executable, "-c", READER, str(tmp_path)]
    ended = subprocess.run(command, input=MANY, capture_output=True, check=False, env={"PYTHONPATH": str(ROOT / "src")})
    assert (ended.returncode, ended.stdout) == (-signal.SIGABRT, b"")
    assert b"a page's checksum does not hold; set aside" in ended.stderr
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == [file.stem + ".damaged"]
