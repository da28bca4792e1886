"""`signer.toml`: one validator's signer process. Parsed once, here."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from hansa.alliance.errors import InvalidAllianceFile, NoAlliance
from hansa.alliance.files import read_text
from hansa.alliance.layout import NodeFolder
from hansa.alliance.strict_toml import decode_toml
from hansa.node.errors import InvalidNodeConfig


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
    InvalidNodeConfig: missing or malformed.
    """
    path = folder.signer_config
    try:
        return decode_toml(read_text(path), SignerConfig, str(path))
    except InvalidAllianceFile as error:
        raise InvalidNodeConfig(error.cause, error.hint, **error.data) from error
    except NoAlliance as error:
        raise InvalidNodeConfig(error.cause, "name a signer's folder made by `hansa node standby`") from error
