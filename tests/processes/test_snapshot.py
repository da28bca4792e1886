"""A validator whose disk was wiped comes back through a snapshot: quarantined, without executing what it missed."""

import shutil
from pathlib import Path

from hansa import _native
from hansa._native import Chain
from hansa.alliance.layout import NodeFolder
from hansa.consensus.values import QuorumCertificate, Vote, VoteContext, VoteRecord, VoteType, encode_context
from hansa.crypto.suite import KeyPair, keccak256
from hansa.io.key_file import load_consensus_key, open_signer
from hansa.io.vote_log_file import open_vote_log
from hansa.node.assemble import vote_domain
from hansa.node.genesis import Genesis, decode_genesis
from hansa.types.order import OrderBlock, PayloadKind, encode_order
from tests.processes.alliance import DEADLINE_S, RunningAlliance, found
from tests.waiting import wait_until

BLOCKS = 4_300  # more than a node executes to catch up
HISTORY = 200  # of them hold a transfer
LARGE_BYTES = 100_000


def write_ledger(alliance: RunningAlliance, blocks: int, large: int = 0) -> None:
    """Make the ledger of an alliance that has been running for long, in the folder of its first node.

    Parameters
    ----------
    large: so many of the first blocks have LARGE_BYTES each; then there are also two late checkpoints.
    """
    folders = [node.folder for node in alliance.nodes]
    genesis_bytes = folders[0].genesis.read_bytes()
    genesis = decode_genesis(genesis_bytes)
    pairs = [
        load_consensus_key(folder.consensus_key, genesis.public_keys()[index]) for index, folder in enumerate(folders)
    ]
    chain = Chain.create(str(folders[0].data), genesis_bytes)
    parent = _native.genesis_order_hash(chain.genesis_hash)
    for height in range(1, blocks + 1):
        if height <= large or height > blocks - HISTORY:
            data = bytes(LARGE_BYTES) if height <= large else b""
            raw, _ = alliance.sign_transfer(height % len(alliance.accounts), bytes([height % 256]) * 20, data=data)
            chain.submit([bytes.fromhex(raw[2:])])
        parent = seal_block(chain, pairs, height, parent, genesis)
        if large and height in (blocks - 20, blocks):
            checkpoint(chain)
    write_votes(folders, pairs, chain, parent)
    chain.close()


def checkpoint(chain: Chain) -> None:
    """Have a checkpoint written now."""
    *_, written, _, _ = chain.checkpoint_status()
    wait_until(chain.begin_checkpoint, DEADLINE_S, "a checkpoint begun")
    wait_until(lambda: chain.checkpoint_status()[3] > written, DEADLINE_S, "a checkpoint")


def seal_block(chain: Chain, pairs: list[KeyPair], height: int, parent: bytes, genesis: Genesis) -> bytes:
    """Order, execute and seal one block; its order hash."""
    sealed, sealed_hash, _ = chain.head()
    refs, count, gas = chain.propose([], genesis.gas_limit, 10, 1 << 20)
    block = OrderBlock(
        epoch=0,
        view=0,
        height=height,
        parent_hash=parent,
        base_height=0,
        sealed_height=sealed,
        sealed_hash=sealed_hash,
        time_ms=genesis.timestamp_ms + height,
        proposer=height % 4,
        payload_kind=PayloadKind.TRANSACTION_HASHES,
        payload_hash=keccak256(refs),
        tx_count=count,
        gas=gas,
    )
    order_hash = chain.add_body(encode_order(block), refs)
    _, header_hash, _, _ = chain.execute(order_hash)
    digest = chain.seal_digest(height, header_hash)
    signatures = [(index, _native.sign(pair.secret, digest)) for index, pair in enumerate(pairs[:3])]
    chain.seal(height, _native.certificate_encode(0, height, header_hash, signatures))
    return order_hash


def write_votes(folders: list[NodeFolder], pairs: list[KeyPair], chain: Chain, order_hash: bytes) -> None:
    """Have the signers remember the last of their votes, and what they rest on."""
    height, sealed_hash, _ = chain.head()
    signers = [open_signer(pair, index, vote_domain(chain)) for index, pair in enumerate(pairs[:3])]
    prepares = [signer.sign_vote(Vote(VoteType.PREPARE, 0, 0, height, order_hash)) for signer in signers]
    signatures = tuple((signed.signer, signed.signature) for signed in prepares)
    high_qc = QuorumCertificate(VoteType.PREPARE, 0, 0, height, order_hash, signatures)
    for index, signer in enumerate(signers):
        commit = signer.sign_vote(Vote(VoteType.COMMIT, 0, 0, height, order_hash))
        seal = signer.sign_vote(Vote(VoteType.SEAL, 0, 0, height, sealed_hash))
        votes = open_vote_log(folders[index].votes, chain.genesis_hash, index, lambda _: True)
        votes.append([VoteRecord(prepares[index], b"")])
        votes.append([VoteRecord(commit, encode_context(VoteContext(high_qc=high_qc))), VoteRecord(seal, b"")])
        votes.sync()
        votes.close()


def copy_ledger(source: NodeFolder, target: NodeFolder) -> None:
    for part in ("blocks", "checkpoints"):
        shutil.copytree(source.data / part, target.data / part)


def test_a_wiped_validator_comes_back_through_a_snapshot(tmp_path: Path) -> None:
    alliance = found(tmp_path / "alliance")
    try:
        write_ledger(alliance, BLOCKS)
        for node in alliance.nodes[1:3]:
            copy_ledger(alliance.nodes[0].folder, node.folder)
        wiped = alliance.nodes[3]
        shutil.rmtree(wiped.folder.data, ignore_errors=True)
        alliance.start()

        def is_level() -> bool:
            try:
                return wiped.height() >= BLOCKS
            except OSError:
                return False  # it is beginning anew

        wait_until(is_level, DEADLINE_S, "the wiped node's head")
        assert "taking over the state after block" in wiped.folder.log.read_text()
        hashes = alliance.send(alliance.nodes[0], 20)
        for node in alliance.nodes:
            alliance.wait_final(node, hashes)
        assert wiped.block(BLOCKS)["hash"] == alliance.nodes[0].block(BLOCKS)["hash"]

        def votes() -> bool:
            status = wiped.rpc("hansa_status")
            return status["quarantine"] is None and bool(status["voting"])

        wait_until(votes, DEADLINE_S, "the wiped node votes")
        alliance.nodes[0].kill()
        alliance.wait_final(wiped, alliance.send(wiped, 20))
    finally:
        alliance.close()
