"""`signer.toml`: one validator's signer process. Parsed once, here."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from hansa.alliance.errors import InvalidAllianceFile, NoAlliance
from hansa.alliance.files import read_text
from hansa.alliance.layout import NodeFolder
from hansa.alliance.model import is_loopback
from hansa.alliance.strict_toml import decode_toml
from hansa.node.config import parse_address
from hansa.node.errors import InvalidNodeConfig, NotLoopback


class SignerConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole of `signer.toml`."""

    version: Literal[1]
    name: str  # of the validator
    organisation: str
    index: Annotated[int, Meta(ge=0)]
    listen: Annotated[str, Meta(max_length=260)]  # for the validator's own nodes
    dev: bool = False  # loopback only


def load_signer_config(folder: NodeFolder) -> SignerConfig:
    """Read a folder's `signer.toml`.

    Raises
    ------
    InvalidNodeConfig: missing or malformed. NotLoopback: of a development alliance, and others can reach it.
    """
    path = folder.signer_config
    try:
        config = decode_toml(read_text(path), SignerConfig, str(path))
    except InvalidAllianceFile as error:
        raise InvalidNodeConfig(error.cause, error.hint, **error.data) from error
    except NoAlliance as error:
        raise InvalidNodeConfig(error.cause, "name a signer's folder made by `hansa node standby`") from error
    if config.dev and not is_loopback(parse_address(config.listen).host):
        raise NotLoopback(f"{config.listen} can be reached from other machines, and this is a development alliance")
    return config
