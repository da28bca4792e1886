"""Proofs of lies in later epochs: whose key it was, the record of epochs proves from genesis on."""

from pathlib import Path

import pytest

from hansa.cli.recovery.evidence import tell_evidence, verify_evidence
from hansa.cli.setup import genesis_hash_of
from hansa.consensus.errors import InvalidEvidence
from hansa.consensus.evidence import encode_evidence
from hansa.consensus.signer import VoteDomain
from hansa.consensus.values import Equivocation, SignedVote, Vote, VoteType
from hansa.crypto.suite import KeyPair, Suite, keccak256, sign
from hansa.node.assemble import GROUP
from tests.unit.native.test_epochs import GUEST, grown

JOINED = 4  # index of the node that joined; it votes from epoch 2 on


def write_lie(path: Path, genesis: bytes, pair: KeyPair, epoch: int) -> Path:
    """Two PREPAREs of one key for one block."""
    domain = VoteDomain(genesis_hash_of(genesis), keccak256(GROUP), Suite.STANDARD, keccak256)
    votes = [Vote(VoteType.PREPARE, epoch, 7, 9, bytes((content,)) * 32) for content in (1, 2)]
    first, second = (SignedVote(vote, JOINED, sign(pair.secret, domain.digest(vote))) for vote in votes)
    content = encode_evidence(Equivocation(first, second), genesis_hash_of(genesis), "guest", pair.public, 1)
    path.write_bytes(content)
    return path


def test_a_lie_of_a_later_epoch_is_judged_by_its_keys(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    ledger = grown(data)
    pair = ledger.validators[ledger.facts()[2][JOINED][2]]
    lie = write_lie(tmp_path / "lie.json", ledger.genesis, pair, 2)
    assert "signed two PREPARE votes" in tell_evidence(verify_evidence(lie, ledger.genesis, data))
    with pytest.raises(InvalidEvidence, match="does not know the keys of epoch 2"):
        verify_evidence(lie, ledger.genesis, tmp_path)
    for stranger, epoch in ((GUEST, 2), (pair, 1)):  # in epoch 1 it had no vote
        write_lie(lie, ledger.genesis, stranger, epoch)
        with pytest.raises(InvalidEvidence, match=f"key in epoch {epoch}"):
            verify_evidence(lie, ledger.genesis, data)
