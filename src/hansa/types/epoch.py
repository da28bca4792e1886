"""Epochs: who keeps the chain between two boundaries.

A node has a stable index: its position in genesis, or the next free number when it is registered later. An index is
never given to another node, so that masks, certificates and links name nodes by index over all epochs. What changes
from epoch to epoch are weights, keys and addresses. A node of weight 0 has no vote: an observer, one that is still
catching up, or one that was removed.
"""

import msgspec

NODES_MAX = 256  # indexes that one chain gives away in its life


class EpochNode(msgspec.Struct, frozen=True):
    """One node as an epoch knows it."""

    index: int
    name: str
    organisation: str
    public_key: bytes  # 33 bytes, compressed, of the consensus key
    account: bytes  # 20 bytes, receives priority fees
    tls_fingerprint: bytes | None  # 32 bytes, SHA-256 of the certificate; None = any that the authority signed
    ca_certificate_pem: str  # the organisation's authority
    address: str  # host:port, or "" where it is not known
    weight: int  # 0 = no vote
    is_linked: bool = True  # the others keep links to it; a removed node keeps them for one epoch


class EpochFacts(msgspec.Struct, frozen=True):
    """What holds from `first_height` to the epoch's last block, read from the state after the block before."""

    number: int
    first_height: int  # >= 1
    nodes: tuple[EpochNode, ...]  # every index ever given away, ascending from 0
    view_timeout_ms: int
    block_interval_ms: int
    protocol: int  # version of the rules by which blocks are made and judged

    @property
    def weights(self) -> tuple[int, ...]:
        """The weight of each index."""
        return tuple(node.weight for node in self.nodes)
