"""What a node does with an epoch: which key signs in it, and whom links may lead to."""

from pathlib import Path

import msgspec
import pytest

from hansa.alliance.founding import encode_secret
from hansa.alliance.layout import NodeFolder
from hansa.consensus.errors import RefusedVote
from hansa.consensus.values import Vote, VoteType
from hansa.crypto.suite import generate_key_pair, is_signature_valid, keccak256
from hansa.io.link import Address
from hansa.node.config import NodeConfig, PeerEntry
from hansa.node.epochs.facts import members_of, peers_of, read_known
from hansa.node.epochs.keys import NodeKeys
from hansa.node.errors import InvalidNodeConfig
from hansa.types.epoch import EpochFacts, EpochNode
from tests.unit.io.pki import make_authority, make_unreadable_authority
from tests.unit.node.fake_chain import epoch_of

DIGEST = keccak256(b"a vote")


def in_epoch(epoch: int, vote_type: VoteType = VoteType.PREPARE) -> Vote:
    return Vote(vote_type, epoch, 0, 0, bytes(32))


def test_each_epoch_has_its_key_and_that_of_the_one_before_still_signs(tmp_path: Path) -> None:
    old, new, other = (generate_key_pair() for _ in range(3))
    keys = NodeKeys(NodeFolder(tmp_path), 1, old)
    keys.begin(epoch_of([other.public, old.public]))
    path = NodeFolder(tmp_path).next_consensus_key("later")  # made while the node runs
    path.write_bytes(encode_secret(new.secret))
    path.chmod(0o600)
    keys.begin(epoch_of([other.public, new.public], 1, 9))
    assert is_signature_valid(old.public, DIGEST, keys.sign_vote(in_epoch(0), DIGEST))
    assert is_signature_valid(new.public, DIGEST, keys.sign_vote(in_epoch(1), DIGEST))
    keys.begin(epoch_of([other.public, new.public], 2, 20))
    with pytest.raises(RefusedVote, match="epoch 0"):
        keys.sign_vote(in_epoch(0), DIGEST)


def test_without_the_key_that_an_epoch_names_nothing_is_signed_in_it() -> None:
    own, other = generate_key_pair(), generate_key_pair()
    keys = NodeKeys(None, 0, own)
    keys.begin(epoch_of([other.public]))
    with pytest.raises(RefusedVote, match="is not here"):
        keys.sign_vote(in_epoch(0), DIGEST)


def test_what_is_for_its_own_log_alone_a_node_signs_by_its_first_key() -> None:
    own, other = generate_key_pair(), generate_key_pair()
    keys = NodeKeys(None, 1, own)
    keys.begin(epoch_of([other.public]))  # it joined later
    assert is_signature_valid(own.public, DIGEST, keys.sign_vote(in_epoch(0, VoteType.REJOIN), DIGEST))


def facts() -> EpochFacts:
    """Nodes 1 and 5 show authorities that are of no use, node 2 was removed, node 3 joined later."""
    pem = make_authority("org").pem
    node = EpochNode(0, "node0", "org", bytes(33), bytes(20), bytes(32), pem, "10.0.0.1:1", 1)
    change = msgspec.structs.replace
    nodes = (
        node,
        change(node, index=1, ca_certificate_pem="no certificate", address="10.0.0.2:1"),
        change(node, index=2, weight=0, is_linked=False, address="10.0.0.3:1"),
        change(node, index=3, address="10.0.0.4:1"),
        change(node, index=4, address="nowhere"),
        change(node, index=5, ca_certificate_pem=make_unreadable_authority("strange")),
    )
    return EpochFacts(0, 1, nodes, 1_000, 50, 1)


def test_links_lead_to_nodes_with_an_authority_that_were_not_removed() -> None:
    assert [member.index for member in members_of(facts())] == [0, 3, 4]


def test_node_toml_says_first_where_a_peer_is_then_the_contract() -> None:
    listen, rpc = "127.0.0.1:1", "127.0.0.1:2"
    config = NodeConfig(1, "own", "org", 9, listen, rpc, peers=(PeerEntry("node0", "org", 0, "127.0.0.9:7"),))
    assert peers_of(facts(), config) == {0: Address("127.0.0.9", 7), 3: Address("10.0.0.4", 1)}


def test_who_was_there_when_a_node_joined_is_read_from_its_file(tmp_path: Path) -> None:
    folder = NodeFolder(tmp_path)
    assert read_known(folder) is None
    known = facts()
    folder.members.write_bytes(msgspec.json.encode(known))
    assert read_known(folder) == known
    folder.members.write_bytes(b"{}")
    with pytest.raises(InvalidNodeConfig):
        read_known(folder)
