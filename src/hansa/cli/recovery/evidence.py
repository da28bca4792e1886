"""Checking proofs of lies against genesis.json, for whoever was shown one."""

from pathlib import Path

from hansa.alliance.files import read_public
from hansa.cli.setup import genesis_hash_of
from hansa.consensus.errors import InvalidEvidence
from hansa.consensus.evidence import EvidenceFile, check_evidence, decode_evidence
from hansa.consensus.signer import VoteDomain
from hansa.consensus.values import SignedVote
from hansa.crypto.suite import Suite, is_signature_valid, keccak256
from hansa.node.assemble import GROUP
from hansa.node.genesis import decode_genesis


def verify_evidence(path: Path, genesis_bytes: bytes) -> EvidenceFile:
    """Return what a file proves.

    Raises
    ------
    NoAlliance: it cannot be read. InvalidNodeConfig: genesis.json is malformed.
    InvalidEvidence: it proves nothing, or nothing about a validator of this genesis.
    """
    found = decode_evidence(read_public(path))
    genesis = decode_genesis(genesis_bytes)
    genesis_hash = genesis_hash_of(genesis_bytes)
    if bytes.fromhex(found.genesis_hash[2:]) != genesis_hash:
        raise InvalidEvidence("it is about another alliance", "compare genesis.json")
    public_key = bytes.fromhex(found.public_key[2:])
    keys = genesis.public_keys()
    if found.first.epoch == 0 and (found.validator >= len(keys) or keys[found.validator] != public_key):
        raise InvalidEvidence(f"the key it names is not validator {found.validator}'s key in genesis.json")
    domain = VoteDomain(genesis_hash, keccak256(GROUP), Suite.STANDARD, keccak256)

    def is_signed(signed: SignedVote) -> bool:
        return is_signature_valid(public_key, domain.digest(signed.vote), signed.signature)

    check_evidence(found, is_signed)
    return found


def tell_evidence(found: EvidenceFile) -> str:
    """One sentence for people."""
    one, other = found.first, found.second
    where = f"view {one.view}" if one.type == "VIEW_CHANGE" else f"block {one.height}, view {one.view}"
    who = f"{found.name} (validator {found.validator})"
    told = f"{who} signed two {one.type} votes for {where}: {one.hash}, {other.hash}"
    if one.epoch:
        told += f"; genesis.json does not know the keys of epoch {one.epoch}: was {found.public_key} its key then?"
    return told
