"""Where everything of an alliance stands: one folder, in it one folder per organisation.

alliance.toml   what was agreed              genesis.json   the first block, the same for all
parts/ORG.public.json   what each organisation showed the others
orgs/ORG/ca/{ca.key,ca.crt}    orgs/ORG/users/USER.json    orgs/ORG/nodes/NODE/{node.toml,tls.key,…,data/}
orgs/ORG/standbys/NODE/ and orgs/ORG/signers/NODE/   of a validator with two nodes (`hansa node standby`)
"""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class NodeFolder:
    """The folder from which one node runs; nothing outside it is read by the node."""

    root: Path

    @property
    def config(self) -> Path:
        return self.root / "node.toml"

    @property
    def signer_config(self) -> Path:
        """Of a folder that is a signer's, not a node's."""
        return self.root / "signer.toml"

    @property
    def tls_key(self) -> Path:
        return self.root / "tls.key"

    @property
    def tls_certificate(self) -> Path:
        return self.root / "tls.crt"

    @property
    def ca_bundle(self) -> Path:
        return self.root / "ca-bundle.pem"

    @property
    def consensus_key(self) -> Path:
        return self.root / "consensus.key"

    def next_consensus_key(self, label: str) -> Path:
        """A key for a later epoch; the node signs with the one that the epoch names."""
        return self.root / f"consensus-{label}.key"

    def next_tls_key(self, label: str) -> Path:
        return self.root / f"tls-{label}.key"

    def next_tls_certificate(self, label: str) -> Path:
        return self.root / f"tls-{label}.crt"

    @property
    def genesis(self) -> Path:
        return self.root / "genesis.json"

    @property
    def members(self) -> Path:
        """Who was in the alliance when this node joined it; none for the nodes of genesis."""
        return self.root / "members.json"

    @property
    def epoch(self) -> Path:
        """The latest epoch that this node has been in, written by the node: what it knows when its data is lost."""
        return self.root / "epoch.json"

    @property
    def data(self) -> Path:
        return self.root / "data"

    @property
    def votes(self) -> Path:
        return self.data / "votes"

    @property
    def ready(self) -> Path:
        """Written by the node once it serves; removed when it stops."""
        return self.data / "run" / "ready.json"

    @property
    def pid(self) -> Path:
        """Written by `hansa up`: process id and its start time."""
        return self.data / "run" / "process.json"

    @property
    def log(self) -> Path:
        return self.root / "node.log"


@dataclass(frozen=True, slots=True)
class AllianceFolder:
    """The folder of a whole alliance, or of one organisation's part of it."""

    root: Path

    @property
    def description(self) -> Path:
        return self.root / "alliance.toml"

    @property
    def genesis(self) -> Path:
        return self.root / "genesis.json"

    def organisation(self, name: str) -> Path:
        return self.root / "orgs" / name

    def part(self, organisation: str) -> Path:
        return self.root / "parts" / f"{organisation}.public.json"

    def ca_key(self, organisation: str) -> Path:
        return self.organisation(organisation) / "ca" / "ca.key"

    def ca_certificate(self, organisation: str) -> Path:
        return self.organisation(organisation) / "ca" / "ca.crt"

    def users(self, organisation: str) -> Path:
        return self.organisation(organisation) / "users"

    def node(self, organisation: str, node: str) -> NodeFolder:
        return NodeFolder(self.organisation(organisation) / "nodes" / node)

    def standby(self, organisation: str, node: str) -> NodeFolder:
        """The second node of a validator that has one."""
        return NodeFolder(self.organisation(organisation) / "standbys" / node)

    def signer(self, organisation: str, node: str) -> NodeFolder:
        """The signer that both of its nodes share."""
        return NodeFolder(self.organisation(organisation) / "signers" / node)
