"""Which chain id an alliance may have. It stops a transaction for one chain from being replayed on another."""

import secrets

from hansa.alliance.artefact import public_chain_ids
from hansa.alliance.errors import PublicChainId

DEV_CHAIN_ID = 31_337  # what contract test-suites expect of a development chain
_RANDOM_FROM = 10**8  # the public ones are mostly below
_RANDOM_TO = 2**31  # fits every client's integers


def draw_chain_id() -> int:
    """A random private chain id, none of a public network."""
    while True:
        chain_id = _RANDOM_FROM + secrets.randbelow(_RANDOM_TO - _RANDOM_FROM)
        if chain_id not in public_chain_ids():
            return chain_id


def check_chain_id(chain_id: int, dev: bool) -> None:
    """Check that no public network has this id; 31337 is kept for development.

    Raises
    ------
    PublicChainId: it has.
    """
    if chain_id == DEV_CHAIN_ID:
        name = None if dev else "every developer's test chain"
    else:
        name = public_chain_ids().get(chain_id)
    if name is not None:
        raise PublicChainId(
            f"chain id {chain_id} is that of {name}", "leave chain_id out to draw a private one", chain_id=chain_id
        )
