"""An alliance of real node processes on streets of its own, founded as organisations found one, not for development."""

import asyncio
import secrets
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from hansa.alliance.draft import draft_alliance
from hansa.alliance.files import write_private, write_public
from hansa.alliance.layout import AllianceFolder, NodeFolder
from hansa.alliance.model import Alliance, Consensus, Node, Organisation
from hansa.alliance.node_config import encode_node_config
from hansa.bench.accounts import Accounts
from hansa.bench.client.http_connection import Endpoint
from hansa.bench.own_alliance import CHAIN_ID, OwnNode, found_nodes
from hansa.chaos.client import Client
from hansa.chaos.errors import SandboxFailed
from hansa.chaos.links import LinkProxy
from hansa.chaos.streets import P2P_PORT, RPC_PORT, WS_PORT, Streets

READY_S_MAX = 60.0
DISK_BYTES = 96 * 1024 * 1024
TOKEN_FILE = "rpc.token"  # off loopback a node answers only those who show it
_POLL_S = 0.02
_NOBODY = Accounts((), (), "nobody", 0)  # nothing costs anything, so nobody needs to own anything


class ChaosAlliance:
    """The nodes of one run, their links, and a client for each of them.

    Parameters
    ----------
    twins: validators of whom a second process runs with the same key.
    small_disks: validators whose data lies on a file system of `DISK_BYTES`.
    joiners: how many nodes come later; they have the next indexes, and nothing of them exists yet.
    term: heights for which one validator leads.
    """

    def __init__(
        self,
        root: Path,
        size: int,
        is_sandboxed: bool,
        seed: int,
        twins: tuple[int, ...] = (),
        small_disks: frozenset[int] = frozenset(),
        joiners: int = 0,
        term: int = Consensus().term,
    ) -> None:
        self.size = size
        self.root = AllianceFolder(root)
        self.identity = [*range(size), *twins, *range(size, size + joiners)]
        self.streets = Streets(len(self.identity), is_sandboxed)
        self.proxy = LinkProxy(self.streets, self.identity, seed, range(size, size + joiners))
        names = tuple(f"org{index}" for index in range(size))
        now_ms = time.time_ns() // 1_000_000
        draft = draft_alliance("chaos", CHAIN_ID, now_ms, False, names)
        draft = msgspec.structs.replace(draft, consensus=msgspec.structs.replace(draft.consensus, term=term))
        self.description = _move(draft, self.streets.home)
        self.token = secrets.token_hex(16)
        self.nodes = found_nodes(self.root, self.description, _NOBODY)
        for twin in twins:
            self.nodes.append(_copy_node(self.nodes[twin], root / f"twin{twin}"))
        for place, node in enumerate(self.nodes):
            self._settle(place, node)
            if self.identity[place] in small_disks:
                _mount_small(node.folder)
        for place in range(len(self.nodes), len(self.identity)):
            self._expect(place)
        self.clients = [Client(node.rpc) for node in self.nodes]

    def _expect(self, place: int) -> None:
        """Make room for a node that comes later."""
        name, host = f"org{self.identity[place]}", self.streets.home(place)
        entry = Node(name, f"{host}:{P2P_PORT}", f"{host}:{RPC_PORT}", f"{host}:{WS_PORT}")
        organisations = (*self.description.organisations, Organisation(name, (entry,), "member"))
        self.description = msgspec.structs.replace(self.description, organisations=organisations)
        node = OwnNode(name, self.root.node(name, name), Endpoint(host, RPC_PORT))
        node.folder.root.mkdir(parents=True, mode=0o700)
        self._settle(place, node)
        self.nodes.append(node)

    def _settle(self, place: int, node: OwnNode) -> None:
        """Tell a node where it lives and as whom it sees the others; the rest stays as founded."""
        own = self.identity[place]
        seen = _move(
            self.description,
            lambda other: self.streets.home(place) if other == own else self.streets.seen(place, other),
        )
        text = (
            encode_node_config(seen, seen.organisations[own].nodes[0].name) + f'\n[rpc]\ntoken_file = "{TOKEN_FILE}"\n'
        )
        write_public(node.folder.config, text.encode())
        write_private(node.folder.root / TOKEN_FILE, self.token.encode())
        node.rpc = Endpoint(self.streets.home(place), RPC_PORT, token=self.token)
        node.prefix = self.streets.entrance(place)

    async def start(self) -> None:
        """Start everything and wait until all nodes but twins serve and know each other.

        Raises
        ------
        NodeFailed: one does not.
        """
        await self.proxy.start()
        founders = [place for place, own in enumerate(self.identity) if own < self.size]
        for place in founders:
            self.nodes[place].start()
        deadline = time.monotonic() + READY_S_MAX
        single = [place for place in founders if self.identity.count(self.identity[place]) == 1]
        for place in single:
            await asyncio.to_thread(self.nodes[place].wait_ready, deadline)
        while time.monotonic() < deadline:
            known = [await self.clients[place].peers() for place in single]
            if all(count >= len(single) - 1 for count in known):
                return
            await asyncio.sleep(_POLL_S)

    async def close(self) -> None:
        """End all processes at once, and give everything back; folders stay."""
        for client in self.clients:
            client.close()
        for node in self.nodes:
            node.kill()
        await self.proxy.stop()
        self.streets.close()


def _move(alliance: Alliance, home: Callable[[int], str]) -> Alliance:
    """The same alliance with every node elsewhere."""
    moved: list[Organisation] = []
    for index, organisation in enumerate(alliance.organisations):
        host = home(index)
        node = Node(organisation.name, f"{host}:{P2P_PORT}", f"{host}:{RPC_PORT}", f"{host}:{WS_PORT}")
        moved.append(msgspec.structs.replace(organisation, nodes=(node,)))
    return msgspec.structs.replace(alliance, organisations=tuple(moved))


def _copy_node(node: OwnNode, root: Path) -> OwnNode:
    """A second folder with the same key, and a vote log as new as the first one's."""
    shutil.copytree(node.folder.root, root)
    return OwnNode(f"{node.name}-twin", NodeFolder(root), node.rpc)


def _mount_small(folder: NodeFolder) -> None:
    """Put the data folder on a small disk of its own; it goes with the sandbox."""
    kept = folder.root / "kept"
    folder.data.rename(kept)
    folder.data.mkdir(mode=0o700)
    options = f"size={DISK_BYTES},mode=0700"
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder.data)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SandboxFailed(f"no small disk for {folder.root}: {done.stderr.strip()[:300]}", "run it as root")
    shutil.copytree(kept, folder.data, dirs_exist_ok=True)
