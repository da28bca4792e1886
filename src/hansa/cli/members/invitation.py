"""The file that invites an organisation: what it needs to join, and the key that completes the invitation once.

It is a secret until it is used: whoever holds it may join in the guest's place.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from hansa.alliance.errors import InvalidPublicPart
from hansa.alliance.files import read_public, write_private
from hansa.alliance.model import Alliance, Name, is_loopback
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
    rpc: tuple[str, ...]  # members' nodes; may be empty: the guest names one
    expires_at: int  # seconds since 1970


@contextmanager
def reserve_invitation(path: Path) -> Iterator[Callable[[Invitation], None]]:
    """Create the file, readable by its owner alone, before anything is sent; what comes fills it, once.

    Where nothing came, as the body failed, the file is removed again.

    Raises
    ------
    FolderTaken: it exists.
    """
    write_private(path, b"")
    is_filled = False

    def fill(invitation: Invitation) -> None:
        nonlocal is_filled
        with path.open("wb") as file:
            file.write(msgspec.json.encode(invitation) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        is_filled = True

    try:
        yield fill
    finally:
        if not is_filled:
            path.unlink(missing_ok=True)


def addresses_for_guests(alliance: Alliance, own: str) -> tuple[str, ...]:
    """Where a guest may ask: the node asked now, then those that the alliance knows.

    Loopback is left out: on the guest's machine that is somebody else. Only a development alliance is all on one.
    """
    urls = dict.fromkeys([own, *(f"http://{node.rpc}" for _, node in alliance.nodes())])
    return tuple(url for url in urls if alliance.dev or not is_loopback(urlsplit(url).hostname or ""))


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
