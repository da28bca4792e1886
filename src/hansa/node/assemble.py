"""Putting one node together from its folder: every part is opened and checked here, nothing runs yet."""

from pathlib import Path

from hansa import _native
from hansa._native import Chain, NativeError, Rpc
from hansa.alliance.errors import NoAlliance
from hansa.alliance.files import read_public
from hansa.alliance.layout import NodeFolder
from hansa.alliance.model import is_loopback
from hansa.consensus import inputs as ins
from hansa.consensus.config import RECENT_HEIGHTS, EngineConfig
from hansa.consensus.signer import Signer, VoteDomain
from hansa.consensus.validators import ValidatorSet
from hansa.consensus.values import SealedHead, VoteRecord
from hansa.crypto.suite import Suite, keccak256
from hansa.io.evidence_folder import EVIDENCE_FOLDER
from hansa.io.key_file import load_consensus_key
from hansa.io.link import Address
from hansa.io.logs import LogContext, open_logs
from hansa.io.ready_file import remove_ready
from hansa.io.tls import open_own_tls
from hansa.io.transport import Transport, TransportEvents, TransportFacts
from hansa.io.vote_signer import LoggedSigner, VoteSigner
from hansa.node.config import NodeConfig, load_node_config, parse_address
from hansa.node.epochs.facts import peers_of, read_epoch, read_known, read_latest
from hansa.node.epochs.keys import NodeKeys
from hansa.node.epochs.links import EpochLinks, open_node_tls
from hansa.node.errors import InvalidNodeConfig, explain_native
from hansa.node.genesis import Genesis, decode_genesis
from hansa.node.inbox import Verifier
from hansa.node.ledger_work import read_certificate, read_head
from hansa.node.replica import EngineKind, Replica, ReplicaConfig
from hansa.node.runtime import Runtime, RuntimeParts
from hansa.node.sealed_feed import SealedFeed
from hansa.node.signing.client import SignerClient
from hansa.node.signing.follower import Follower, SignsNothing
from hansa.node.signing.right import Right, SignerPlace
from hansa.node.signing.wire import ALPN_PROTOCOL
from hansa.node.snapshots.work import SnapshotPlace
from hansa.node.view import NodeParts, Pairing, RunningNode
from hansa.node.votes import check_votes_before_ledger, open_votes
from hansa.types.epoch import EpochFacts
from hansa.types.order import NO_HASH, decode_order, encode_order, genesis_order

GROUP = b"main"


async def open_node(directory: Path) -> RunningNode:
    """Open the node of a folder. Call on the event loop that will run it.

    Raises
    ------
    HansaError: one class per cause, each with its code and the next step.
    """
    folder = NodeFolder(directory)
    open_logs("info", LogContext("", directory.name))
    config = load_node_config(folder)
    open_logs(config.log_level, LogContext(config.organisation, config.name))
    genesis_bytes = read_genesis(folder)
    genesis = decode_genesis(genesis_bytes)
    known = read_known(folder) or genesis.epoch()
    check_place(config, genesis, known)
    data = folder.root / config.data
    take_cores(config)
    if config.signer is not None:
        chain = open_chain(data, genesis_bytes)
        remove_ready(folder.ready)
        return open_paired_node(folder, config, genesis, chain)
    pair = load_consensus_key(folder.consensus_key, known.nodes[config.index].public_key)
    is_new = not has_ledger(data)
    if is_new:  # nothing may be begun for a chain that these votes are not of
        check_votes_before_ledger(data, hash_genesis(genesis_bytes), config.index, pair)
    chain = open_chain(data, genesis_bytes)  # from here on the folder is locked
    remove_ready(folder.ready)
    epoch = read_epoch(chain, chain.head()[2]) or genesis.epoch()
    keys = NodeKeys(folder, config.index, pair)
    keys.begin(epoch)
    signer = make_signer(config, chain, keys)
    latest = latest_known(folder, genesis, chain, epoch)
    validators = None if is_new else ValidatorSet.of_epoch(latest)
    votes = open_votes(data, chain.genesis_hash, validators, config.index, pair, signer, epoch.number)
    signer.restore(votes.records)
    engine = build_replica(config, genesis, chain)
    runtime = build_runtime(config, genesis, chain, engine, LoggedSigner(signer, votes), votes.records, keys=keys)
    runtime.take_over_to(SnapshotPlace(data, genesis_bytes))
    runtime.evidence, runtime.folder = data / EVIDENCE_FOLDER, folder
    transport = open_transport(folder, config, latest, runtime)
    open_logs(config.log_level, LogContext(config.organisation, config.name, runtime.position))
    return RunningNode(NodeParts(folder, config, genesis, runtime, transport, open_rpc(chain, config, known)))


def open_paired_node(folder: NodeFolder, config: NodeConfig, genesis: Genesis, chain: Chain) -> RunningNode:
    """A node that shares its validator's signer with another one: it begins as the standby of that one.

    Raises
    ------
    UnusableKeyFile, UnusableCertificate: this node's TLS files do not fit.
    """
    assert config.signer is not None
    feed = SealedFeed(chain.head()[0])
    tls = open_own_tls(folder.tls_certificate, folder.tls_key, ALPN_PROTOCOL)
    place = SignerPlace(parse_address(config.signer.address), tls.client, tls.certificate, config.listen)

    def lead(client: SignerClient, records: tuple[VoteRecord, ...]) -> tuple[Runtime, Transport | None]:
        engine = build_replica(config, genesis, chain)
        runtime = build_runtime(config, genesis, chain, engine, client, records, feed)
        runtime.evidence, runtime.folder = folder.root / config.data / EVIDENCE_FOLDER, folder
        open_logs(config.log_level, LogContext(config.organisation, config.name, runtime.position))
        return runtime, open_transport(folder, config, latest_known(folder, genesis, chain, runtime.epoch), runtime)

    runtime = build_runtime(config, genesis, chain, Follower(config.index), SignsNothing(), (), feed)
    transport = open_transport(folder, config, runtime.epoch, runtime, parse_address(config.signer.other))
    open_logs(config.log_level, LogContext(config.organisation, config.name, runtime.position))
    rpc = open_rpc(chain, config, runtime.epoch)
    return RunningNode(NodeParts(folder, config, genesis, runtime, transport, rpc, Pairing(Right(place), lead)))


def latest_known(folder: NodeFolder, genesis: Genesis, chain: Chain, epoch: EpochFacts) -> EpochFacts:
    """The latest epoch of which a node knows: from its folder, or `epoch`, which its ledger is in.

    Raises
    ------
    InvalidNodeConfig: members.json is damaged.
    """
    return max(read_latest(folder, genesis, chain.genesis_hash), epoch, key=lambda facts: facts.number)


def open_rpc(chain: Chain, config: NodeConfig, known: EpochFacts) -> Rpc:
    """The native JSON-RPC front of one node."""
    return Rpc(chain, {"coinbase": "0x" + known.nodes[config.index].account.hex()})


def read_genesis(folder: NodeFolder) -> bytes:
    """The bytes of a folder's genesis.json.

    Raises
    ------
    InvalidNodeConfig: it is missing.
    """
    try:
        return read_public(folder.genesis)
    except NoAlliance as error:
        raise InvalidNodeConfig(error.cause, "put the alliance's genesis.json there") from error


def check_place(config: NodeConfig, genesis: Genesis, known: EpochFacts) -> None:
    """Check that node.toml and genesis.json speak of the same node and the same peers.

    Parameters
    ----------
    known: epoch 0, or of a node that joined later the epoch in which it did.

    Raises
    ------
    InvalidNodeConfig: they contradict each other.
    """
    if config.index >= len(known.nodes):
        raise InvalidNodeConfig(f"node.toml: index {config.index}, genesis lists {len(known.nodes)} validators")
    expected = known.nodes[config.index]
    if (expected.name, expected.organisation) != (config.name, config.organisation):
        raise InvalidNodeConfig(
            f"node.toml: validator {config.index} is {expected.name} of {expected.organisation} in genesis.json, "
            f"not {config.name} of {config.organisation}",
            "use the files that `hansa init` made together",
        )
    if config.dev != genesis.dev:
        raise InvalidNodeConfig(f"node.toml: dev is {config.dev}, genesis.json says {genesis.dev}")
    named = {config.index, *(peer.index for peer in config.peers)}
    missing = [node.name for node in known.nodes if node.index not in named and not node.address]
    if missing or not named <= set(range(len(known.nodes))):
        raise InvalidNodeConfig(f"node.toml: no address of {', '.join(missing)}", "every validator is a peer")


def take_cores(config: NodeConfig) -> int:
    """Set how many threads recover signatures, before the first batch: node.toml's number or a fair share; returns it.

    Raises
    ------
    LedgerFailure: the system starts no threads.
    """
    try:
        return _native.configure_workers(config.workers, count_nodes_here(config))
    except NativeError as error:
        raise explain_native(error) from error


def count_nodes_here(config: NodeConfig) -> int:
    """How many of the alliance's nodes run on this machine, as far as their addresses tell; this one counts."""
    own = parse_address(config.listen).host
    hosts = [address.host for address in config.peer_addresses().values()]
    return 1 + sum(host == own or is_loopback(host) for host in hosts)


def hash_genesis(genesis: bytes) -> bytes:
    """The hash that everything signed is bound to, computed from genesis.json alone.

    Raises
    ------
    InvalidNodeConfig: the file is malformed.
    """
    try:
        return _native.genesis_hash(genesis)
    except NativeError as error:
        raise explain_native(error) from error


def has_ledger(data: Path) -> bool:
    """Whether a data folder holds a ledger, or one that was taken over and only needs to be opened."""
    if (data / "snapshot" / "ready").is_dir():
        return True
    return (data / "blocks").is_dir() and any((data / "blocks").iterdir())


def open_chain(data: Path, genesis: bytes) -> Chain:
    """Open the ledger of a data folder, or begin it.

    Raises
    ------
    FolderLocked, ForeignGenesis, InvalidNodeConfig, DiskFull, DiskFailed, LedgerFailure: as their names say.
    """
    try:
        if has_ledger(data):
            return Chain.open(str(data), genesis)
        return Chain.create(str(data), genesis)
    except NativeError as error:
        raise explain_native(error) from error


def build_replica(config: NodeConfig, genesis: Genesis, chain: Chain) -> Replica:
    """The protocol of one validator."""
    engine = EngineConfig(
        me=config.index,
        validators=genesis.validator_set(),
        genesis_order_hash=_native.genesis_order_hash(chain.genesis_hash),
        order_hash=lambda block: keccak256(encode_order(block)),
        payload_hash=keccak256,
        window=genesis.consensus.window,
        term=genesis.consensus.term,
        block_interval_ms=genesis.consensus.block_interval_ms,
        view_timeout_ms=genesis.consensus.view_timeout_ms,
        verify_own_votes=len(genesis.validators) > 1,
    )
    return Replica(ReplicaConfig(engine, EngineKind(genesis.consensus.kind), keeps_all=not config.keep_blocks))


def build_runtime(
    config: NodeConfig,
    genesis: Genesis,
    chain: Chain,
    replica: Replica | Follower,
    signer: VoteSigner,
    records: tuple[VoteRecord, ...],
    feed: SealedFeed | None = None,
    keys: NodeKeys | None = None,
) -> Runtime:
    """Everything between the ledger and the links; `records` are the votes that the signer keeps.

    Parameters
    ----------
    keys: of the signer, if it signs here.
    """
    epoch = read_epoch(chain, chain.head()[2]) or genesis.epoch()
    return Runtime(
        RuntimeParts(
            index=config.index,
            chain=chain,
            replica=replica,
            signer=signer,
            epoch=epoch,
            verifier=Verifier(vote_domain(chain), epoch),
            keys=keys,
            feed=feed or SealedFeed(chain.head()[0]),
            gas_limit=genesis.gas_limit,
            restored=read_restored(chain, genesis, records),
            keep_blocks=config.keep_blocks,
        )
    )


def vote_domain(chain: Chain) -> VoteDomain:
    """Where votes of this chain are good."""
    return VoteDomain(chain.genesis_hash, keccak256(GROUP), Suite.STANDARD, keccak256)


def make_signer(config: NodeConfig, chain: Chain, keys: NodeKeys) -> Signer:
    """This node's signer, with no marks yet."""
    domain = vote_domain(chain)
    return Signer(config.index, lambda vote: keys.sign_vote(vote, domain.digest(vote)))


def read_restored(chain: Chain, genesis: Genesis, records: tuple[VoteRecord, ...]) -> ins.Restored:
    """What the ledger and the vote log hold, as the replica's first input.

    Transactions of unsealed bodies enter the pool again: until they are sealed, pending nonces count them, and if
    another block takes the place of theirs they must not be forgotten.
    """
    height, sealed_hash, order_hash = chain.head()
    if height:
        head = read_head(chain)
    else:
        head = SealedHead(0, sealed_hash, order_hash, genesis_order(sealed_hash, genesis.timestamp_ms))
    first = max(0, height - RECENT_HEIGHTS + 1)
    hashes = ((number, chain.sealed_hash(number)) for number in range(first, height + 1))
    recent = tuple((number, found) for number, found in hashes if found is not None)
    epoch = read_epoch(chain, order_hash)
    number = 0 if epoch is None else epoch.number
    bodies: list[ins.HeldBody] = []
    for body_hash, order in chain.unsealed_bodies():
        found = chain.order_block(body_hash)
        if found is not None:
            block = decode_order(order)
            if block.epoch < number:  # what closed an epoch before is never executed
                continue
            chain.add_bundle(block.proposer, chain.payload(found[1]))
            bodies.append(ins.HeldBody(body_hash, block, found[1]))
    root = NO_HASH
    if epoch is not None and epoch.first_height == 1:
        root = _native.genesis_order_hash(chain.genesis_hash)
    elif epoch is not None:  # the ledger knows that block for ever, whatever it dropped or never held
        root = chain.order_hash(epoch.first_height - 1) or NO_HASH
    end = chain.epoch_end(order_hash)
    return ins.Restored(
        head, recent, records, tuple(bodies), read_certificate(chain, height), epoch, root,
        end if end is not None and end > height else None,
    )  # fmt: skip


def open_transport(
    folder: NodeFolder, config: NodeConfig, known: EpochFacts, runtime: Runtime, follows: Address | None = None
) -> Transport | None:
    """The links to the other nodes, which follow the epochs; None for a single node.

    Parameters
    ----------
    known: the latest epoch of which this node knows the members. follows: a standby has but one link, to this node.

    Raises
    ------
    UnusableKeyFile, UnusableCertificate: this node's TLS files do not fit.
    """
    if len(known.nodes) == 1:
        return None
    tls = open_node_tls(folder, config, known)
    facts = TransportFacts(
        config.index,
        runtime.chain.genesis_hash,
        parse_address(config.listen),
        peers_of(known, config) if follows is None else {},
        config.signer is not None,
        follows,
    )
    events = TransportEvents(runtime.on_message, runtime.gossip.on_bundle, runtime.on_peer_up, runtime.on_peer_down)
    transport = Transport(facts, tls, events)
    if follows is None:
        runtime.follow_epochs(EpochLinks(folder, config, transport, tls, known.number).begin)
    return transport
