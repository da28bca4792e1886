"""Why a link ends. Each class is one cause with a stable code.

InvalidFrame, InvalidHello       the peer's bytes are against the rules: close
RefusedPeer                      a stranger, another alliance, another version
PeerSilent, HandshakeTimeout     nothing came in time: close and dial again
"""

from hansa.errors import InvalidInput, Refused, Unavailable


class InvalidFrame(InvalidInput):
    """Bytes that are no frame: bad magic, version, length or checksum."""

    code = "NET-1"


class InvalidHello(InvalidInput):
    """The first frame is not a hello, or its fields are malformed."""

    code = "NET-2"


class RefusedPeer(Refused):
    """The peer is not the validator it should be, or belongs to another alliance or protocol version."""

    code = "NET-3"


class HandshakeTimeout(Unavailable):
    """TLS or the hello was not finished in time."""

    code = "NET-4"


class PeerSilent(Unavailable):
    """Three pings in a row went unanswered."""

    code = "NET-5"


class LaneOverflow(Unavailable):
    """A lane that may not drop anything is full; its link is closed and starts anew."""

    code = "NET-6"


class InvalidSignature(InvalidInput):
    """A peer sent a message whose signature does not hold."""

    code = "NET-7"
