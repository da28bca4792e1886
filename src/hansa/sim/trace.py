"""What happened, one aligned line for each event, and one hash over all lines."""

import hashlib
from collections import deque

import msgspec

LINES_MAX = 400
TUPLE_ITEMS_SHOWN = 8


class Trace:
    """Keeps the last lines and hashes all of them."""

    def __init__(self) -> None:
        self.lines: deque[str] = deque(maxlen=LINES_MAX)
        self._hash = hashlib.blake2b(digest_size=16)

    def add(self, now_us: int, who: str, what: str, value: object) -> None:
        """Add one event."""
        line = f"{now_us / 1000:11.3f} ms  {who:<4} {what:<5} {describe(value)}"
        self.lines.append(line)
        self._hash.update(line.encode())

    def digest(self) -> str:
        """Return the hash of all lines so far."""
        return self._hash.hexdigest()


def describe(value: object) -> str:
    """Return a value in one line: type name and fields, hashes by their first bytes."""
    if isinstance(value, bytes):
        return value[:4].hex() or "-"
    if isinstance(value, tuple):
        more = f" +{len(value) - TUPLE_ITEMS_SHOWN}" if len(value) > TUPLE_ITEMS_SHOWN else ""
        return "(" + " ".join(describe(item) for item in value[:TUPLE_ITEMS_SHOWN]) + more + ")"
    if isinstance(value, msgspec.Struct):
        fields = (describe(getattr(value, name)) for name in value.__struct_fields__)
        return f"{type(value).__name__}[{' '.join(fields)}]"
    return str(value)
