"""Votes and certificates: what validators sign, and what a quorum of signatures proves.

A digest binds genesis, group, suite and type, so that a signature is good in one place only.
"""

import struct
from enum import IntEnum
from typing import Annotated

import msgspec

from hansa.types.epoch import NODES_MAX, EpochFacts
from hansa.types.order import U64, Hash, OrderBlock

VALIDATORS_MAX = 100  # that vote in one epoch
SIGNATURE_BYTES_MAX = 4096
VOTE_DOMAIN = b"hansa/vote/1"
_VOTE = struct.Struct(">BQQQQ32s")

Signature = Annotated[bytes, msgspec.Meta(max_length=SIGNATURE_BYTES_MAX)]
Index = Annotated[int, msgspec.Meta(ge=0, lt=NODES_MAX)]
Signatures = Annotated[tuple[tuple[Index, Signature], ...], msgspec.Meta(max_length=VALIDATORS_MAX)]


class VoteType(IntEnum):
    """What a vote says."""

    PROPOSE = 0  # the leader's signature under a PRE-PREPARE
    PREPARE = 1
    COMMIT = 2
    SEAL = 3  # under the sealed header; free of views
    VIEW_CHANGE = 4
    REJOIN = 5  # into the own vote log only: the beginning and the end of a quarantine


class Vote(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What is signed.

    PROPOSE, PREPARE, COMMIT: view, height and order hash; qc_view = 0.
    SEAL: height and sealed header hash; view = qc_view = 0.
    VIEW_CHANGE: `view` is the view asked for; (qc_view, height, hash) is the key of the voter's highest QC.
    REJOIN: height 0 = votes may be missing from this log; else the QC from which on voting begins anew.
    """

    type: VoteType
    epoch: U64
    view: U64
    height: U64
    hash: Hash
    qc_view: U64 = 0


class SignedVote(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A vote with the validator that signed it."""

    vote: Vote
    signer: Index
    signature: Signature  # 64 bytes in the standard suite


class QuorumCertificate(msgspec.Struct, frozen=True, array_like=True, tag_field="kind", tag=1):
    """A quorum's signatures under one vote: PREPARE = QC, SEAL = block certificate. An epoch's root needs none."""

    type: VoteType
    epoch: U64
    view: U64
    height: U64
    hash: Hash
    signatures: Signatures  # ascending by signer

    def key(self) -> tuple[int, int]:
        """Return (view, height), by which QCs are ordered."""
        return (self.view, self.height)

    def vote(self) -> Vote:
        """Return the vote that every signer signed."""
        return Vote(self.type, self.epoch, self.view, self.height, self.hash)


class TimeoutCertificate(msgspec.Struct, frozen=True, array_like=True, tag_field="kind", tag=2):
    """A quorum of VIEW-CHANGEs for `view` or above, with the highest QC that any of them names."""

    epoch: U64
    view: U64
    votes: Annotated[tuple[SignedVote, ...], msgspec.Meta(max_length=VALIDATORS_MAX)]  # ascending by signer
    high_qc: QuorumCertificate


class SealedHead(msgspec.Struct, frozen=True, array_like=True):
    """One sealed block, as ordering sees it.

    An epoch ends on demand: the execution of some block schedules the end, which is known after that block and every
    later one. The state after the last block says who keeps the chain next.
    """

    height: U64
    sealed_hash: Hash  # header hash
    order_hash: Hash
    block: OrderBlock
    epoch_end: int | None = None  # the epoch's last height, as known in the state after this block
    next_epoch: EpochFacts | None = None  # of the epoch's last block: what holds above it


class VoteRecord(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One line of the vote log."""

    signed: SignedVote
    context: bytes  # an encoded VoteContext, or empty


class VoteContext(msgspec.Struct, frozen=True, array_like=True):
    """What must be durable together with a vote.

    PREPARE: the base of its view; with the first one of a view also what proves the view.
    COMMIT and VIEW_CHANGE: the highest QC then known. PROPOSE: `proof` of the first block of a view.
    """

    base_height: U64 = 0
    base_hash: bytes = b""  # empty where the base's hash is not known (joined in mid-view)
    proof: QuorumCertificate | TimeoutCertificate | None = None
    high_qc: QuorumCertificate | None = None


class Equivocation(msgspec.Struct, frozen=True, array_like=True):
    """Two votes of one validator that no honest one signs both."""

    first: SignedVote
    second: SignedVote


_CONTEXT_DECODER = msgspec.msgpack.Decoder(VoteContext)
_ENCODER = msgspec.msgpack.Encoder()


def encode_context(context: VoteContext) -> bytes:
    """Return the bytes that stand beside a vote in the vote log."""
    return _ENCODER.encode(context)


def decode_context(data: bytes) -> VoteContext:
    """Return the context of a vote record; empty bytes are the empty context."""
    return _CONTEXT_DECODER.decode(data) if data else VoteContext()


def vote_preimage(genesis_hash: bytes, group_hash: bytes, suite: int, vote: Vote) -> bytes:
    """Return the bytes whose keccak256 a validator signs.

    Parameters
    ----------
    genesis_hash: 32 bytes, of the sealed genesis header. group_hash: 32 bytes, keccak256 of the group's name.
    suite: number of the signature suite, 0 = standard.
    """
    body = _VOTE.pack(vote.type, vote.epoch, vote.view, vote.height, vote.qc_view, vote.hash)
    return b"".join((VOTE_DOMAIN, genesis_hash, group_hash, bytes((suite,)), body))


def genesis_qc(order_hash: bytes, epoch: int = 0, height: int = 0) -> QuorumCertificate:
    """Return the QC of the block that an epoch grows from, which holds by definition."""
    return QuorumCertificate(VoteType.PREPARE, epoch, 0, height, order_hash, ())


def certificate_votes(qc: QuorumCertificate) -> list[SignedVote]:
    """Return the certificate as single votes, in signer order."""
    vote = qc.vote()
    return [SignedVote(vote, signer, signature) for signer, signature in qc.signatures]
