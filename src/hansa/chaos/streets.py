"""Addresses: where each node lives, and under which address each neighbour sees it.

Node `place` listens on `PREFIX.place.2`. Where it finds its neighbour `other`, and from where that neighbour's
connections reach it, is one address, `PREFIX.place.(10 + other)`: there stands the faulty link between them (`links`),
so that no byte passes from node to node without it. A node that joins later has one address for all, `GUESTS.other`,
since the members write one into their contract; who comes there is told by where he comes from. In a sandbox every node
has its own network namespace and a veth pair to the one where this process runs; without one all addresses are of the
loopback network 127.0.0.0/8.
"""

import os
import subprocess
import time
from collections.abc import Sequence

from hansa.chaos.errors import SandboxFailed

PLACES_MAX = 100
P2P_PORT, RPC_PORT, WS_PORT = 30_300, 8_545, 8_546
_SANDBOXED, _LOOPBACK = "10.77", "127.77"
_GUESTS = "10.78.0"
_NEIGHBOUR_FIRST = 10
_ROAD = "road"  # and the place: our end of its veth pair
_HOLDER_S_MAX = 5.0


class Streets:
    """The network of one run."""

    def __init__(self, places: int, is_sandboxed: bool) -> None:
        """Make all links and namespaces.

        Raises
        ------
        SandboxFailed: the system refuses.
        """
        assert places <= PLACES_MAX
        self.places = places
        self.is_sandboxed = is_sandboxed
        self._prefix = _SANDBOXED if is_sandboxed else _LOOPBACK
        self._holders: list[subprocess.Popen[bytes]] = []  # one process per namespace keeps it alive
        if is_sandboxed:
            _run_ip(["link set lo up", *(f"addr add {self.guest(place)}/32 dev lo" for place in range(places))])
            for place in range(places):
                self._lay(place)

    def home(self, place: int) -> str:
        """The address on which a node listens."""
        return f"{self._prefix}.{place}.2"

    def seen(self, place: int, other: int) -> str:
        """The address under which `place` sees `other`."""
        return f"{self._prefix}.{place}.{_NEIGHBOUR_FIRST + other}"

    def guest(self, other: int) -> str:
        """The address under which all see a node that joined later; in a sandbox only."""
        return f"{_GUESTS}.{other}"

    def place_of(self, host: str) -> int:
        """Who lives where a connection comes from."""
        return int(host.split(".")[2])

    def entrance(self, place: int) -> tuple[str, ...]:
        """The command that runs another one where `place` lives."""
        if not self.is_sandboxed:
            return ("setpriv", "--pdeathsig", "KILL", "--")
        return ("nsenter", f"--net=/proc/{self._holders[place].pid}/ns/net", "--")

    def close(self) -> None:
        """Give the namespaces up."""
        if self.is_sandboxed:
            _run_ip([f"link del {_ROAD}{place}" for place in range(len(self._holders))])
            _run_ip([f"addr del {self.guest(place)}/32 dev lo" for place in range(self.places)])
        for holder in self._holders:
            holder.kill()
            holder.wait()
        self._holders.clear()

    def _lay(self, place: int) -> None:
        holder = subprocess.Popen(["unshare", "--net", "sleep", "infinity"], stdin=subprocess.DEVNULL)
        self._holders.append(holder)
        _wait_apart(holder)
        ours, theirs = f"{_ROAD}{place}", f"door{place}"
        seen = [f"{self._prefix}.{place}.1", *(self.seen(place, other) for other in range(self.places))]
        _run_ip(
            [
                f"link add {ours} type veth peer name {theirs} netns {holder.pid}",
                *(f"addr add {address}/24 dev {ours}" for address in seen),
                f"link set {ours} up",
            ]
        )
        _run_ip(
            [
                "link set lo up",
                f"addr add {self.home(place)}/24 dev {theirs}",
                f"link set {theirs} up",
                f"route add {_GUESTS}.0/24 via {self._prefix}.{place}.1",
            ],
            self.entrance(place),
        )


def _wait_apart(holder: "subprocess.Popen[bytes]") -> None:
    """Wait until the process has its own network."""
    deadline = time.monotonic() + _HOLDER_S_MAX
    own = os.readlink("/proc/self/ns/net")
    while os.readlink(f"/proc/{holder.pid}/ns/net") == own:
        if holder.poll() is not None or time.monotonic() > deadline:
            raise SandboxFailed("no network namespace was made", "see what `unshare --net true` says")
        time.sleep(0.002)


def _run_ip(lines: Sequence[str], entrance: Sequence[str] = ()) -> None:
    text = "\n".join(lines) + "\n"
    done = subprocess.run([*entrance, "ip", "-batch", "-"], input=text, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SandboxFailed(f"the network could not be made: {done.stderr.strip()[:300]}", "see what `ip link` says")
