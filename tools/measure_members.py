"""How long blocks pause while members change: `python tools/measure_members.py [--rate N] [--seed N]`.

A development alliance of four processes under a steady load of transfers; a fifth member joins and votes, a node
rotates its keys, a member is removed, all by the command line. One node is asked for its height every few milliseconds:
noted is the longest time between two blocks as a client sees them, before the changes and during each.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from hansa import _native
from hansa.crypto.suite import KeyPair, keccak256, key_pair
from hansa.sdk.client import Client

QUIET_S = 5.0  # observed before anything changes
PORTION_S = 0.05  # between two portions of load
WATCH_S = 0.004
SENDERS = 20
PORT = 23_100


class Load(threading.Thread):
    """Transfers at a steady rate to one node, from accounts that own nothing and need nothing."""

    def __init__(self, url: str, rate: int, seed: int) -> None:
        super().__init__(daemon=True)
        self.stopping = threading.Event()
        self.sent: list[str] = []
        self.refused = 0
        self._client = Client(url)
        self._chain_id = int(self._client.call("eth_chainId"), 16)
        self._portion = max(1, round(rate * PORTION_S))
        self._keys = [key_pair(keccak256(f"sender {seed} {index}".encode())) for index in range(SENDERS)]
        self._nonces = [0] * SENDERS
        self._turn = 0

    def run(self) -> None:
        due = time.monotonic()
        while not self.stopping.is_set():
            raws = [self._sign() for _ in range(self._portion)]
            answers = self._client.batch([("eth_sendRawTransaction", ["0x" + raw.hex()]) for raw in raws])
            self.sent += [answer for answer in answers if isinstance(answer, str)]
            self.refused += sum(not isinstance(answer, str) for answer in answers)
            due += PORTION_S
            time.sleep(max(0.0, due - time.monotonic()))

    def _sign(self) -> bytes:
        self._turn = (self._turn + 1) % SENDERS
        key: KeyPair = self._keys[self._turn]
        nonce, self._nonces[self._turn] = self._nonces[self._turn], self._nonces[self._turn] + 1
        fields: dict[str, object] = {
            "chain_id": self._chain_id, "nonce": nonce, "gas": 21_000, "gas_price": 0, "to": key.address, "value": 0,
            "data": b"",
        }  # fmt: skip
        return _native.sign_transaction(key.secret, fields)


class Watch(threading.Thread):
    """Notes when the height of a node grows."""

    def __init__(self, url: str) -> None:
        super().__init__(daemon=True)
        self.stopping = threading.Event()
        self.seen: list[tuple[float, int]] = []
        self._client = Client(url)

    def run(self) -> None:
        last = -1
        while not self.stopping.wait(WATCH_S):
            height = int(self._client.call("eth_blockNumber"), 16)
            if height != last:
                self.seen.append((time.monotonic(), height))
                last = height

    def longest(self, since: float, until: float) -> tuple[float, int]:
        """Seconds of the longest pause that began in an interval, and the height before it."""
        times = [entry for entry in self.seen if since <= entry[0] <= until]
        gaps = [(after[0] - before[0], before[1]) for before, after in zip(times, times[1:], strict=False)]
        return max(gaps, default=(0.0, 0))


def hansa(*arguments: str, folder: Path) -> Any:
    """One command; its result."""
    command = [sys.executable, "-m", "hansa.cli", *arguments, "-d", str(folder), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if done.returncode:
        sys.exit(f"{' '.join(arguments)}: {done.stderr}")
    return json.loads(done.stdout)


def change(root: Path, home: Path) -> list[tuple[str, float, float]]:
    """All changes, one after the other: what, and when it began and ended."""
    invitation = root.parent / "logistics.invite"

    def approve(proposal: int, *voters: str) -> None:
        for voter in voters:
            hansa("proposal", "approve", str(proposal), "--as", voter, folder=root)

    def invite_and_join() -> None:
        opened = hansa("org", "invite", "logistics", "-o", str(invitation), "--as", "core", folder=root)
        approve(opened["proposal"], "supplier", "bank")
        hansa("node", "join", str(invitation), folder=home)

    def rotate() -> None:
        hansa("key", "rotate", "node", "bank", folder=root)

    def remove() -> None:
        opened = hansa("org", "remove", "regulator", "--as", "core", folder=root)
        approve(opened["proposal"], "supplier")
        hansa("proposal", "approve", str(opened["proposal"]), "--as", "logistics", folder=home)
        time.sleep(2.0)  # until its epoch has begun

    steps = []
    for name, step in (("join and vote", invite_and_join), ("rotate keys", rotate), ("remove", remove)):
        began = time.monotonic()
        step()
        time.sleep(1.0)
        steps.append((name, began, time.monotonic()))
    return steps


def main() -> int:
    """Measure once; 1 when a pause took a second or a transfer was lost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=int, default=200, help="transfers a second")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--port", type=int, default=PORT, help="first of twelve")
    options = parser.parse_args()
    os.environ.setdefault("PYTHONPATH", str(Path(__file__).resolve().parents[1] / "src"))
    with tempfile.TemporaryDirectory(prefix="hansa-members-") as folder:
        root, home = Path(folder) / "alliance", Path(folder) / "logistics"
        try:
            up = hansa("up", "--no-demo", "--port", str(options.port), folder=root)
            return measure(root, home, [node["rpc"] for node in up["nodes"]], options)
        finally:
            for place in (home, root):
                if place.exists():
                    hansa("down", folder=place)


def measure(root: Path, home: Path, urls: list[str], options: argparse.Namespace) -> int:
    """Load, watch, change, and say what was seen."""
    load, watch = Load(urls[0], options.rate, options.seed), Watch(urls[1])
    load.start()
    watch.start()
    began = time.monotonic()
    time.sleep(QUIET_S)
    steps = [("before", began, time.monotonic()), *change(root, home)]
    load.stopping.set()
    load.join()
    lost = count_lost(Client(urls[1]), load.sent)
    watch.stopping.set()
    for name, since, until in steps:
        seconds, height = watch.longest(since, until)
        print(f"{name:<14} longest pause {seconds * 1_000:6.0f} ms, after block {height}")
    worst = max(watch.longest(since, until)[0] for _, since, until in steps[1:])
    print(f"{len(load.sent):,} transfers at {options.rate}/s, {load.refused} refused, {lost} lost")
    print(f"longest pause over all changes: {worst:.3f} s")
    return int(worst >= 1.0 or lost > 0 or load.refused > 0)


def count_lost(client: Client, sent: list[str], patience_s: float = 20.0) -> int:
    """How many transfers have no receipt in time."""
    waiting = list(sent)
    deadline = time.monotonic() + patience_s
    while waiting and time.monotonic() < deadline:
        left = []
        for start in range(0, len(waiting), 500):
            portion = waiting[start : start + 500]
            answers = client.batch([("eth_getTransactionReceipt", [one]) for one in portion])
            left += [one for one, answer in zip(portion, answers, strict=True) if not isinstance(answer, dict)]
        waiting = left
    return len(waiting)


if __name__ == "__main__":
    sys.exit(main())
