"""The consensus key in a file: one line of hex, readable by its owner alone."""

from pathlib import Path

from hansa.consensus.signer import Signer, VoteDomain
from hansa.consensus.vote_log import BirthRecord, birth_preimage
from hansa.crypto.errors import InvalidKey
from hansa.crypto.suite import KeyPair, is_signature_valid, keccak256, key_pair, sign
from hansa.io.errors import UnusableKeyFile
from hansa.io.private_files import read_private

EPOCH = 0


def load_consensus_key(path: Path, expected_public: bytes) -> KeyPair:
    """Read a consensus key and check that it is the one genesis knows.

    Parameters
    ----------
    expected_public: 33 bytes, this validator's public key in genesis.

    Raises
    ------
    UnusableKeyFile: missing, readable by others, malformed, or another validator's.
    """
    pair = read_consensus_key(path)
    if pair.public != expected_public:
        raise UnusableKeyFile(f"{path} is another validator's key than genesis.json names", "put the right key there")
    return pair


def read_consensus_key(path: Path) -> KeyPair:
    """Read a consensus key, whosever it is.

    Raises
    ------
    UnusableKeyFile: missing, readable by others, or malformed.
    """
    try:
        return key_pair(bytes.fromhex(read_private(path).decode("ascii").strip().removeprefix("0x")))
    except (ValueError, InvalidKey) as error:
        raise UnusableKeyFile(f"{path} holds no consensus key", "restore it from your backup") from error


def open_signer(pair: KeyPair, index: int, domain: VoteDomain) -> Signer:
    """A signer that signs with one key in memory in every epoch."""
    return Signer(index, lambda vote: sign(pair.secret, domain.digest(vote)))


def sign_birth(pair: KeyPair, genesis_hash: bytes, index: int) -> BirthRecord:
    """The birth record of a validator's vote log, which `hansa init` writes."""
    digest = keccak256(birth_preimage(genesis_hash, index, EPOCH))
    return BirthRecord(1, genesis_hash, index, EPOCH, sign(pair.secret, digest))


def is_birth_signed(birth: BirthRecord, public: bytes) -> bool:
    """Whether a birth record was signed by the holder of `public`."""
    digest = keccak256(birth_preimage(birth.genesis_hash, birth.node, birth.epoch))
    return is_signature_valid(public, digest, birth.signature)
