"""Evidence in a file: true proofs hold for whoever has the keys, and nothing else does."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hansa.consensus.errors import InvalidEvidence
from hansa.consensus.evidence import (
    EVIDENCE_BYTES_MAX,
    check_evidence,
    decode_evidence,
    encode_evidence,
    evidence_name,
)
from hansa.consensus.signer import VoteDomain
from hansa.consensus.values import Equivocation, SignedVote, Vote, VoteType
from hansa.crypto.suite import Suite, generate_key_pair, is_signature_valid, keccak256, sign

GENESIS = b"\x01" * 32
PAIR = generate_key_pair()
DOMAIN = VoteDomain(GENESIS, keccak256(b"main"), Suite.STANDARD, keccak256)


def signed(content: bytes, kind: VoteType = VoteType.PREPARE, signer: int = 2, qc_view: int = 0) -> SignedVote:
    vote = Vote(kind, 0, 7, 9, keccak256(content), qc_view)
    return SignedVote(vote, signer, sign(PAIR.secret, DOMAIN.digest(vote)))


def is_signed(vote: SignedVote) -> bool:
    return is_signature_valid(PAIR.public, DOMAIN.digest(vote.vote), vote.signature)


def written(proof: Equivocation) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(encode_evidence(proof, GENESIS, "core-0", PAIR.public, 1_700_000_000_000))
    return found


@pytest.mark.parametrize("kind", list(VoteType)[:5])
def test_a_true_proof_holds(kind: VoteType) -> None:
    proof = Equivocation(signed(b"one", kind), signed(b"other", kind))
    found = decode_evidence(json.dumps(written(proof)).encode())
    assert check_evidence(found, is_signed) == proof
    assert (found.validator, found.name) == (2, "core-0")


def test_one_lie_has_one_name() -> None:
    proof = Equivocation(signed(b"one"), signed(b"other"))
    again = Equivocation(signed(b"other"), signed(b"third"))
    assert evidence_name(proof) == evidence_name(again) == "prepare-of-2-epoch-0-view-7-height-9.json"


CHANGES: list[tuple[str, dict[str, Any]]] = [
    ("the first signature", {"first": {"signature": "0x" + "11" * 64}}),
    ("the second signature", {"second": {"signature": "0x"}}),
    ("do not contradict", {"second": {"view": 8}}),
    ("do not contradict", {"second": {"type": "COMMIT"}}),
    ("no evidence", {"second": {"type": 1}}),
    ("no vote", {"first": {"type": "NOTHING"}}),
    ("no vote", {"first": {"hash": "0x00"}}),
    ("no evidence", {"first": {"hash": "0xzz"}}),
    ("no evidence", {"validator": 256}),
    ("no evidence", {"kind": "other"}),
    ("no evidence", {"more": 1}),
]


@pytest.mark.parametrize(("cause", "change"), CHANGES)
def test_what_was_changed_proves_nothing(cause: str, change: dict[str, Any]) -> None:
    content = written(Equivocation(signed(b"one"), signed(b"other")))
    for key, value in change.items():
        content[key] = content[key] | value if isinstance(value, dict) else value
    with pytest.raises(InvalidEvidence, match=cause):
        check_evidence(decode_evidence(json.dumps(content).encode()), is_signed)


def test_two_votes_that_are_the_same_prove_nothing() -> None:
    content = written(Equivocation(signed(b"one"), signed(b"one")))
    with pytest.raises(InvalidEvidence, match="do not contradict"):
        check_evidence(decode_evidence(json.dumps(content).encode()), is_signed)


def test_a_long_file_is_not_read() -> None:
    with pytest.raises(InvalidEvidence, match="at most"):
        decode_evidence(b" " * (EVIDENCE_BYTES_MAX + 1))


@given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode))
def test_any_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(InvalidEvidence):
        decode_evidence(data)
