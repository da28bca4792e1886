"""Links follow the epochs: who may hold them, and with which certificate this node shows itself."""

import logging
import ssl
from hashlib import sha256
from pathlib import Path

from hansa.alliance.layout import NodeFolder
from hansa.io.errors import UnusableCertificate, UnusableKeyFile
from hansa.io.tls import Roster, TlsContexts, open_tls
from hansa.io.transport import Transport
from hansa.node.config import NodeConfig
from hansa.node.epochs.facts import members_of, peers_of
from hansa.types.epoch import EpochFacts

log = logging.getLogger("hansa.node")


class EpochLinks:
    """Changes a transport when an epoch begins."""

    def __init__(
        self, folder: NodeFolder, config: NodeConfig, transport: Transport, tls: TlsContexts, epoch: int
    ) -> None:
        self._folder = folder
        self._config = config
        self._transport = transport
        self._tls = tls
        self._epoch = epoch  # whose members the transport knows; a node that catches up knows them in advance

    def begin(self, facts: EpochFacts) -> None:
        """Let links be what an epoch says; those of nodes that stay are not touched."""
        if facts.number <= self._epoch:
            return
        self._epoch = facts.number
        try:
            self._tls = open_node_tls(self._folder, self._config, facts)
        except (UnusableCertificate, UnusableKeyFile) as error:
            log.warning("this node can make no new links: %s", error.cause, extra={"code": error.code})
            self._tls = TlsContexts(self._tls.server, self._tls.client, Roster(members_of(facts)))
        self._transport.change_peers(self._tls, peers_of(facts, self._config))


def open_node_tls(folder: NodeFolder, config: NodeConfig, facts: EpochFacts) -> TlsContexts:
    """This node's TLS in an epoch: the certificate that the epoch names, and everybody's authorities.

    Raises
    ------
    UnusableKeyFile, UnusableCertificate: this node's files do not fit.
    """
    certificate, key = folder.tls_certificate, folder.tls_key
    if config.index < len(facts.nodes):
        wanted = facts.nodes[config.index].tls_fingerprint
        for other in sorted(folder.root.glob("tls-*.crt")):
            if _fingerprint(other) == wanted:
                certificate, key = other, other.with_suffix(".key")
    return open_tls(certificate, key, Roster(members_of(facts)), config.index)


def _fingerprint(path: Path) -> bytes | None:
    try:
        return sha256(ssl.PEM_cert_to_DER_cert(path.read_text())).digest()
    except (OSError, ValueError):
        return None
