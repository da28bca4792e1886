"""Evidence in a file: two votes of one validator that no honest one signs both, for people to keep, show and check.

JSON, so that it can be read without this program: what was signed stands in plain fields, and whoever has genesis.json
can compute the digests (docs/consensus.md) and check both signatures.
"""

from collections.abc import Callable
from typing import Annotated, Literal

import msgspec

from hansa.consensus.errors import InvalidEvidence
from hansa.consensus.pbft.tally import is_contradiction
from hansa.consensus.values import SIGNATURE_BYTES_MAX, Equivocation, Index, SignedVote, Vote, VoteType
from hansa.types.order import HASH_BYTES, U64

EVIDENCE_BYTES_MAX = 64 * 1024
Hex = Annotated[str, msgspec.Meta(max_length=2 + 2 * SIGNATURE_BYTES_MAX, pattern="^0x([0-9a-f]{2})*$")]


class EvidenceVote(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One signed vote; `Vote` says what its fields mean."""

    type: str  # name of a VoteType
    epoch: U64
    view: U64
    height: U64
    hash: Hex  # 32 bytes
    qc_view: U64
    signature: Hex


class EvidenceFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one file says."""

    kind: Literal["equivocation"]
    version: Literal[1]
    genesis_hash: Hex  # 32 bytes
    validator: Index
    name: Annotated[str, msgspec.Meta(max_length=256)]  # of the validator, as the writer knew it
    public_key: Hex  # its consensus key
    seen_ms: U64  # Unix time
    first: EvidenceVote
    second: EvidenceVote


_DECODER = msgspec.json.Decoder(EvidenceFile)


def encode_evidence(proof: Equivocation, genesis_hash: bytes, name: str, public_key: bytes, seen_ms: int) -> bytes:
    """Return the content of a file.

    Parameters
    ----------
    genesis_hash: 32 bytes. public_key: of the validator that signed both, 33 bytes. seen_ms: Unix milliseconds.
    """
    found = EvidenceFile(
        kind="equivocation",
        version=1,
        genesis_hash=_hex(genesis_hash),
        validator=proof.first.signer,
        name=name,
        public_key=_hex(public_key),
        seen_ms=seen_ms,
        first=_tell_vote(proof.first),
        second=_tell_vote(proof.second),
    )
    return msgspec.json.format(msgspec.json.encode(found), indent=2) + b"\n"


def evidence_name(proof: Equivocation) -> str:
    """Return the file's name, the same for the same lie whenever it is seen."""
    vote = proof.first.vote
    kind = vote.type.name.lower().replace("_", "-")
    return f"{kind}-of-{proof.first.signer}-epoch-{vote.epoch}-view-{vote.view}-height-{vote.height}.json"


def decode_evidence(data: bytes) -> EvidenceFile:
    """Read a file.

    Raises
    ------
    InvalidEvidence: it is too long or not of this form.
    """
    if len(data) > EVIDENCE_BYTES_MAX:
        raise InvalidEvidence(f"the file has {len(data)} bytes, evidence at most {EVIDENCE_BYTES_MAX}")
    try:
        return _DECODER.decode(data)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise InvalidEvidence(f"the file is no evidence: {error}") from error


def check_evidence(found: EvidenceFile, is_signed: Callable[[SignedVote], bool]) -> Equivocation:
    """Return the proof if it holds.

    Parameters
    ----------
    is_signed: whether a vote's signature is by that validator's key, in that chain.

    Raises
    ------
    InvalidEvidence: an honest validator may have signed both votes, or a signature does not hold.
    """
    first, second = (_read_vote(vote, found.validator) for vote in (found.first, found.second))
    if not is_contradiction(first, second):
        raise InvalidEvidence("the two votes do not contradict each other")
    for which, signed in (("first", first), ("second", second)):
        if not is_signed(signed):
            raise InvalidEvidence(f"the {which} signature is not by validator {found.validator} of this alliance")
    return Equivocation(first, second)


def _tell_vote(signed: SignedVote) -> EvidenceVote:
    vote = signed.vote
    kind, signature = vote.type.name, _hex(signed.signature)
    return EvidenceVote(kind, vote.epoch, vote.view, vote.height, _hex(vote.hash), vote.qc_view, signature)


def _read_vote(told: EvidenceVote, signer: int) -> SignedVote:
    kind = VoteType.__members__.get(told.type)
    digest = bytes.fromhex(told.hash[2:])
    if kind is None or len(digest) != HASH_BYTES:
        raise InvalidEvidence(f"{told.type[:32]!r} with a hash of {len(digest)} bytes is no vote")
    vote = Vote(kind, told.epoch, told.view, told.height, digest, told.qc_view)
    return SignedVote(vote, signer, bytes.fromhex(told.signature[2:]))


def _hex(data: bytes) -> str:
    return "0x" + data.hex()
