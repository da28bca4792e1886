"""Checking proofs of lies against genesis.json and a node's record of epochs, for whoever was shown one."""

from collections.abc import Sequence
from pathlib import Path

from hansa._native import NativeError, epoch_keys
from hansa.alliance.files import read_public
from hansa.cli.recovery.healing import unreadable
from hansa.cli.setup import genesis_hash_of
from hansa.consensus.errors import InvalidEvidence
from hansa.consensus.evidence import EvidenceFile, check_evidence, decode_evidence
from hansa.consensus.signer import VoteDomain
from hansa.consensus.values import SignedVote
from hansa.crypto.suite import Suite, is_signature_valid, keccak256
from hansa.node.assemble import GROUP
from hansa.node.genesis import decode_genesis


def verify_evidence(path: Path, genesis_bytes: bytes, data: Path) -> EvidenceFile:
    """Return what a file proves.

    Parameters
    ----------
    data: a node's data folder, whose record of epochs proves from genesis on whose keys were good when.

    Raises
    ------
    NoAlliance: it cannot be read. InvalidNodeConfig: genesis.json is malformed.
    LedgerUnreadable: the record of epochs does not hold.
    InvalidEvidence: it proves nothing, or nothing about a validator of that epoch.
    """
    found = decode_evidence(read_public(path))
    genesis_hash = genesis_hash_of(genesis_bytes)
    if bytes.fromhex(found.genesis_hash[2:]) != genesis_hash:
        raise InvalidEvidence("it is about another alliance", "compare genesis.json")
    public_key = bytes.fromhex(found.public_key[2:])
    epoch = found.first.epoch
    keys = _keys_of_epoch(data, genesis_bytes, epoch)
    if found.validator >= len(keys) or keys[found.validator] != public_key:
        raise InvalidEvidence(f"the key it names is not validator {found.validator}'s key in epoch {epoch}")
    domain = VoteDomain(genesis_hash, keccak256(GROUP), Suite.STANDARD, keccak256)

    def is_signed(signed: SignedVote) -> bool:
        return is_signature_valid(public_key, domain.digest(signed.vote), signed.signature)

    check_evidence(found, is_signed)
    return found


def _keys_of_epoch(data: Path, genesis_bytes: bytes, epoch: int) -> Sequence[bytes | None]:
    if epoch == 0:
        return decode_genesis(genesis_bytes).public_keys()
    try:
        keys = epoch_keys(str(data), genesis_bytes, epoch)
    except NativeError as error:
        raise unreadable(error) from None
    if keys is None:
        raise InvalidEvidence(
            f"{data} does not know the keys of epoch {epoch}",
            "name the folder of a node that has been in that epoch: --data NODE/data",
        )
    return keys


def tell_evidence(found: EvidenceFile) -> str:
    """One sentence for people."""
    one, other = found.first, found.second
    where = f"view {one.view}" if one.type == "VIEW_CHANGE" else f"block {one.height}, view {one.view}"
    who = f"{found.name} (validator {found.validator})"
    return f"{who} signed two {one.type} votes for {where}: {one.hash}, {other.hash}"
