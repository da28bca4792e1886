"""Opening a validator's vote log; where it is lost or damaged, beginning another one in quarantine (rules 1.13)."""

import logging
from pathlib import Path

from hansa.consensus.errors import CorruptVoteLog, LostVoteLog
from hansa.consensus.signer import Signer
from hansa.consensus.validators import ValidatorSet, can_rejoin
from hansa.crypto.suite import KeyPair
from hansa.io.group_commit import explain_disk_error
from hansa.io.key_file import is_birth_signed, sign_birth
from hansa.io.vote_log_file import IsSigned, VoteLogFile, examine_vote_log, open_vote_log, replace_vote_log

log = logging.getLogger("hansa.votes")

VOTES = "votes"
ASIDE = "quarantine"  # below the data folder: what was damaged and may be looked at


def check_votes_before_ledger(data: Path, genesis_hash: bytes, index: int, pair: KeyPair) -> None:
    """Check that no vote log of another chain or node lies where a ledger is to be begun.

    Raises
    ------
    ForeignVoteLog: one does.
    """
    try:
        examine_vote_log(data / VOTES, genesis_hash, index, _signed_by(pair))
    except LostVoteLog:
        return


def open_votes(
    data: Path,
    genesis_hash: bytes,
    validators: ValidatorSet | None,
    index: int,
    pair: KeyPair,
    signer: Signer,
    epoch: int = 0,
) -> VoteLogFile:
    """Open the vote log of a data folder that is locked.

    Parameters
    ----------
    validators: in force, as far as this node knows; None where the ledger is lost too, or is not here: then whether
        the others can take this validator back shows once it has caught up.
    epoch: in force above the ledger's head. signer: this validator's; it is left as it was.

    Raises
    ------
    ForeignVoteLog: it is another chain's or node's.
    LostVoteLog, CorruptVoteLog: it is no use any more, and the others are too few to take this validator back.
    DiskFull, DiskFailed: it cannot be mended or begun.
    """
    folder, is_signed = data / VOTES, _signed_by(pair)
    try:
        return open_vote_log(folder, genesis_hash, index, is_signed)
    except OSError as error:
        raise explain_disk_error(error) from error
    except (LostVoteLog, CorruptVoteLog) as error:
        if validators is not None and not can_rejoin(validators, index):
            raise
        birth, first = sign_birth(pair, genesis_hash, index), signer.begin_quarantine(epoch)
        try:
            moved = replace_vote_log(folder, birth, first, data / ASIDE)
        except OSError as refusal:
            raise explain_disk_error(refusal) from refusal
        where = f"; the old one lies in {moved}" if moved is not None else ""
        log.warning(
            "%s. This node is in quarantine: it serves reads and votes again once the others have moved on%s",
            error.cause,
            where,
            extra={"code": error.code},
        )
    return open_vote_log(folder, genesis_hash, index, is_signed)


def _signed_by(pair: KeyPair) -> IsSigned:
    """Whether a vote log's birth is signed by that key."""
    return lambda birth: is_birth_signed(birth, pair.public)
