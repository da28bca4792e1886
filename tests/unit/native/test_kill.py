"""A process killed at any moment loses nothing that it had synced."""

import subprocess
import sys
from pathlib import Path

from hansa import _native
from hansa._native import Chain
from tests.unit.native.alliance_fixture import genesis

ROUNDS = 6
ROOT = Path(__file__).resolve().parents[3]
WRITER = """
import sys
from hansa._native import Chain
from tests.unit.native.alliance_fixture import genesis, order_next, seal, transfers
folder = sys.argv[1]
try:
    chain = Chain.open(folder, genesis())
except Exception:
    chain = Chain.create(folder, genesis())
for order_hash, _ in chain.unsealed_bodies():
    seal(chain, order_hash)
nonce = 5 * chain.head()[0]
while True:
    transfers(chain, 1, nonce, 5)
    nonce += 5
    seal(chain, order_next(chain))
    chain.sync()
    print(chain.head()[0], flush=True)
"""


def test_a_killed_writer_keeps_every_synced_block(tmp_path: Path) -> None:
    height = 0
    for wanted in range(3, 3 + ROUNDS):
        command = [sys.executable, "-c", WRITER, str(tmp_path)]
        environment = {"PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"}
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as writer:
            assert writer.stdout is not None
            for _ in range(wanted):
                height = int(writer.stdout.readline())
            writer.kill()
            rest = writer.stdout.read().split()
        height = int(rest[-1]) if rest and rest[-1].isdigit() else height
        chain = Chain.open(str(tmp_path), genesis())
        assert chain.head()[0] >= height
        del chain
        assert _native.verify_ledger(str(tmp_path), genesis()) == []
