"""What can go wrong with a key or a signature.

HansaError
├── InvalidInput  ← InvalidKey, InvalidKeystore
└── Refused       ← WrongPassword
"""

from hansa.errors import InvalidInput, Refused


class InvalidKey(InvalidInput):
    """Bytes that are no key of the suite."""

    code = "KEY-3"


class InvalidKeystore(InvalidInput):
    """A keystore file that is malformed, or of a kind that is not supported."""

    code = "KEY-4"


class WrongPassword(Refused):
    """The password does not open the keystore."""

    code = "KEY-5"
