"""Which alliance and which node a command means."""

from dataclasses import dataclass
from pathlib import Path

from hansa.alliance.errors import NoSuchMember
from hansa.alliance.founding import companion_folders, load_alliance, node_folders
from hansa.alliance.layout import AllianceFolder, NodeFolder
from hansa.alliance.model import Alliance
from hansa.cli.errors import NothingRunning
from hansa.cli.processes import read_ready
from hansa.io.private_files import read_private
from hansa.node.config import load_node_config
from hansa.sdk.client import TIMEOUT_S, Client

DEMO_FOLDER = Path("hansa-demo")
DEV_RPC = "http://127.0.0.1:8545"


@dataclass(frozen=True, slots=True)
class LocalNode:
    """One node whose folder lies here."""

    organisation: str
    name: str
    folder: NodeFolder
    rpc: str  # URL

    def open_client(self, timeout_s: float = TIMEOUT_S) -> Client:
        """A client that shows the token which the node's JSON-RPC demands, if it demands one."""
        return Client(self.rpc, timeout_s, read_token(self.folder))


@dataclass(frozen=True, slots=True)
class Network:
    """The alliance of a folder."""

    folder: AllianceFolder
    alliance: Alliance
    nodes: tuple[LocalNode, ...]  # those whose keys lie here, in validator order
    companions: tuple[LocalNode, ...] = ()  # signers, then standbys, of validators with two nodes

    def chosen(self, names: list[str] | None) -> tuple[LocalNode, ...]:
        """The nodes of these names; all of this folder's without names.

        Raises
        ------
        NoSuchMember: one of them is not here.
        """
        known = {node.name: node for node in self.nodes}
        for name in names or []:
            if name not in known:
                raise NoSuchMember(f"no node {name!r} is here", f"nodes: {', '.join(known)}")
        return tuple(node for node in self.nodes if not names or node.name in names)

    def signers(self, names: list[str] | None = None) -> tuple[LocalNode, ...]:
        """The signers of the nodes of these names; all of this folder's without names."""
        return tuple(one for one in self._companions_of(names) if one.folder.signer_config.exists())

    def standbys(self, names: list[str] | None = None) -> tuple[LocalNode, ...]:
        """The standbys of the nodes of these names; all of this folder's without names."""
        return tuple(one for one in self._companions_of(names) if not one.folder.signer_config.exists())

    def _companions_of(self, names: list[str] | None) -> tuple[LocalNode, ...]:
        return tuple(one for one in self.companions if not names or one.folder.root.name in names)

    def client_of(self, organisation: str) -> Client:
        """A client of the first node of an organisation.

        Raises
        ------
        NoSuchMember: the alliance has no such organisation.
        """
        return Client(f"http://{self.alliance.organisation(organisation).nodes[0].rpc}")


def read_token(folder: NodeFolder) -> str | None:
    """The token that a node's own JSON-RPC demands, if any.

    Raises
    ------
    InvalidNodeConfig: its node.toml does not hold. UnusableKeyFile: the token is missing, or others may read it.
    """
    name = load_node_config(folder).rpc.token_file
    return None if name is None else read_private(folder.root / name).decode().strip()


def choose_folder(given: Path | None) -> AllianceFolder:
    """The folder that was named; else the current one, if an alliance is in it; else ./hansa-demo."""
    if given is not None:
        return AllianceFolder(given)
    here = Path()
    return AllianceFolder(here if (here / "alliance.toml").exists() else DEMO_FOLDER)


def choose_contracts_folder(given: Path | None) -> AllianceFolder:
    """Where contracts have their names: with the alliance; without one, say beside `hansa dev`, the current folder."""
    folder = choose_folder(given)
    return folder if given is not None or folder.description.exists() else AllianceFolder(Path())


def open_network(given: Path | None) -> Network:
    """Read the alliance of a folder.

    Raises
    ------
    NoAlliance: there is none.
    InvalidAllianceFile, NotLoopback: its alliance.toml does not hold.
    """
    folder = choose_folder(given)
    alliance = load_alliance(folder)
    rpc = {node.name: f"http://{node.rpc}" for _, node in alliance.nodes()}
    nodes = [LocalNode(owner, name, where, rpc[name]) for owner, name, where in node_folders(folder, alliance)]
    companions = [LocalNode(owner, name, where, "") for owner, name, where in companion_folders(folder, alliance)]
    return Network(folder, alliance, tuple(nodes), tuple(companions))


def open_client(url: str | None, given: Path | None, organisation: str | None = None) -> Client:
    """A client of the node that is meant: the address given, a running node of the folder, or `hansa dev`'s port.

    Raises
    ------
    NoAlliance: a folder was named and holds none.
    NothingRunning: none of the folder's nodes runs.
    """
    if url is not None:
        return Client(url)
    folder = choose_folder(given)
    if given is None and not folder.description.exists():
        return Client(DEV_RPC)
    network = open_network(given)
    running = [node for node in network.nodes if read_ready(node.folder) is not None]
    for node in sorted(running, key=lambda node: node.organisation != organisation):
        return node.open_client()
    raise NothingRunning(f"no node of {folder.root} runs", "start them: hansa up")
