"""The file that invites an organisation: what it needs to join, and the key that completes the invitation once.

It is a secret until it is used: whoever holds it may join in the guest's place.
"""

from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from hansa.alliance.errors import InvalidPublicPart
from hansa.alliance.files import read_public, write_private
from hansa.alliance.model import Name
from hansa.alliance.public_part import Hex32
from hansa.io.private_files import check_private


class Invitation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`ORG.invite`."""

    version: Literal[1]
    alliance: str  # alliance.toml as the inviting member has it
    genesis: str  # genesis.json
    organisation: Name
    role: Annotated[str, Meta(max_length=64)]
    proposal: int
    key: Hex32  # may complete the invitation once
    rpc: tuple[str, ...]  # members' nodes
    expires_at: int  # seconds since 1970


def write_invitation(path: Path, invitation: Invitation) -> None:
    """Create the file, readable by its owner alone.

    Raises
    ------
    FolderTaken: it exists.
    """
    write_private(path, msgspec.json.encode(invitation) + b"\n")


def read_invitation(path: Path) -> Invitation:
    """Read the file.

    Raises
    ------
    UnusableKeyFile: missing, or others may read it.
    InvalidPublicPart: it is no invitation.
    """
    check_private(path)
    try:
        return msgspec.json.decode(read_public(path), type=Invitation)
    except msgspec.DecodeError as error:
        raise InvalidPublicPart(
            f"{path} is no invitation: {error}", "ask the inviting member to send it again"
        ) from None
