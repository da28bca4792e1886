"""What can go wrong while an alliance is described, founded or read.

HansaError
├── InvalidInput  ← InvalidAllianceFile, InvalidPublicPart
├── Refused       ← PublicChainId, NotLoopback
├── NotFound      ← NoAlliance, MissingPart, NoSuchMember
└── Conflict      ← FolderTaken, PartsDisagree
"""

from hansa.errors import Conflict, InvalidInput, NotFound, Refused


class InvalidAllianceFile(InvalidInput):
    """A TOML file of ours cannot be read; `data` holds file, and line and column where known."""

    code = "ALLIANCE-1"


class InvalidPublicPart(InvalidInput):
    """A public part is malformed, or one of its proofs does not verify."""

    code = "ALLIANCE-2"


class PublicChainId(Refused):
    """The chain id belongs to a public network: a transaction signed for one could be replayed on the other."""

    code = "ALLIANCE-3"


class FolderTaken(Conflict):
    """What is to be created exists already; nothing was changed."""

    code = "ALLIANCE-4"


class PartsDisagree(Conflict):
    """Public parts describe different alliances, or claim the same identity."""

    code = "ALLIANCE-5"


class MissingPart(NotFound):
    """An organisation of the alliance has not handed in its public part."""

    code = "ALLIANCE-6"


class NoAlliance(NotFound):
    """The folder holds no alliance."""

    code = "ALLIANCE-7"


class NoSuchMember(NotFound):
    """No organisation, node or user of that name is in the alliance."""

    code = "ALLIANCE-8"


class NotLoopback(Refused):
    """A development alliance may only listen on this machine: its keys are known to everybody."""

    code = "ALLIANCE-9"
