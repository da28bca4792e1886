"""`hansa bench rot`: bytes of a stopped node change, one at a time; verify names each, repair heals it."""

import asyncio
import random
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from hansa.bench.accounts import derive_accounts
from hansa.bench.agreement import wait_level
from hansa.bench.client.http_connection import HttpConnection
from hansa.bench.crash import Load
from hansa.bench.errors import Disagreement, VoidRun
from hansa.bench.own_alliance import CHAIN_ID, OwnAlliance, OwnNode
from hansa.bench.report import say
from hansa.bench.transactions import Nonces, make_transfers
from hansa.io.vote_log_file import SPARE

SENDERS = 500
EXIT_BROKEN = 9  # ux: a proof does not verify
ROTTING = ("blocks", "votes", "checkpoints")  # the folders whose every byte counts
COMMAND_S_MAX = 300.0


@dataclass(frozen=True, slots=True)
class RotOptions:
    """What the command line asks for."""

    seed: int = 1
    validators: int = 4
    changes: int = 50
    transactions: int = 3_000
    rate: float = 500.0
    batch: int = 50


@dataclass(frozen=True, slots=True)
class RotReport:
    """What was changed, found and healed."""

    seed: int
    changes: int
    found: int
    healed: int
    per_folder: dict[str, int]  # how many of the changes fell into which folder


class RotTest:
    """One alliance, one of whose nodes stands still while its files rot."""

    def __init__(self, options: RotOptions, folder: Path) -> None:
        self.options = options
        self.accounts = derive_accounts(options.seed, SENDERS, SENDERS)
        self.alliance = OwnAlliance(folder / "alliance", self.accounts, options.validators)
        self.victim = self.alliance.nodes[-1]
        self.draw = random.Random(f"rot/{options.seed}")
        self.per_folder = dict.fromkeys(ROTTING, 0)

    async def fill(self) -> None:
        """Let the alliance settle transactions, then stop the victim; the others go on.

        Raises
        ------
        VoidRun: not all transactions became final.
        """
        options = self.options
        workload = make_transfers(self.accounts, Nonces(SENDERS), options.transactions, CHAIN_ID, options.seed)
        load = Load(self.alliance.endpoints, workload, options.rate, options.batch)
        await load.finish()
        if load.watcher.open:
            raise VoidRun(f"{load.watcher.open} transactions are not final", "see the nodes' node.log")
        connections = [HttpConnection(endpoint) for endpoint in self.alliance.endpoints]
        try:
            await wait_level(connections)
        finally:
            for connection in connections:
                connection.close()
        self.victim.stop()

    async def rot_once(self) -> None:
        """Change one byte, see it found and named, see it healed.

        Raises
        ------
        Disagreement: it was not found, was named wrongly, or did not heal.
        """
        path, offset = self._draw_byte()
        change_byte(path, offset, self.draw.randrange(1, 256))
        name = str(path.relative_to(self.victim.folder.root / "data"))
        code, output = await asyncio.to_thread(run_command, "verify", self.victim)
        if code != EXIT_BROKEN or name not in output:
            raise Disagreement(f"byte {offset} of {name} changed and verify (exit {code}) said: {output[-800:]}")
        code, output = await asyncio.to_thread(run_command, "repair", self.victim, "--yes")
        if code != 0:
            raise Disagreement(f"byte {offset} of {name} changed and repair (exit {code}) said: {output[-800:]}")
        code, output = await asyncio.to_thread(run_command, "verify", self.victim)
        if code != 0:
            raise Disagreement(f"byte {offset} of {name} was repaired and verify (exit {code}) said: {output[-800:]}")
        say(f"  {name} byte {offset}: found, named, healed")

    def _draw_byte(self) -> tuple[Path, int]:
        """A file of a folder drawn evenly; a byte drawn evenly, every other time among those that are not padding.

        The vote log's spare file holds nothing: it is written anew as a whole when its turn comes.
        """
        data = self.victim.folder.root / "data"
        folder = self.draw.choice(ROTTING)
        self.per_folder[folder] += 1
        files = (path for path in (data / folder).rglob("*") if path.is_file() and path.name != SPARE)
        path = self.draw.choice(sorted(files))
        size = path.stat().st_size
        if self.draw.random() < 0.5:
            size = len(path.read_bytes().rstrip(b"\0"))
        return path, self.draw.randrange(max(1, size))


def change_byte(path: Path, offset: int, difference: int) -> None:
    """Flip the bits of `difference` (1 to 255) in one byte of a file."""
    with path.open("r+b") as file:
        file.seek(offset)
        (byte,) = file.read(1)
        file.seek(offset)
        file.write(bytes((byte ^ difference,)))


def run_command(verb: str, node: OwnNode, *options: str) -> tuple[int, str]:
    """Run `hansa --json VERB FOLDER` as a user would; its exit code and everything it printed."""
    command = [sys.executable, "-m", "hansa.cli", "--json", verb, str(node.folder.root), *options]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=COMMAND_S_MAX, text=True)
    return done.returncode, done.stdout + done.stderr


async def check_rot(options: RotOptions, folder: Path) -> RotReport:
    """Found an alliance, settle transactions, then change single bytes of one stopped node, one after the other.

    Raises
    ------
    NodeFailed: a node does not start.
    VoidRun: the transactions did not become final.
    Disagreement: a change was not found, not named, or not healed.
    """
    test = RotTest(options, folder)
    try:
        say(f"  {options.validators} nodes ready in {test.alliance.start():.1f} s")
        await test.fill()
        for _ in range(options.changes):
            await test.rot_once()
    finally:
        test.alliance.stop()
    return RotReport(options.seed, options.changes, options.changes, options.changes, test.per_folder)
