"""Who may speak to the API, and how much at once: Host and Origin allow-lists against DNS rebinding, bearer token off
loopback, room for large bodies."""

import hmac
from urllib.parse import urlsplit

from hansa.api.errors import Busy, RequestRefused
from hansa.api.options import BODIES_BYTES_MAX, LOOPBACK_NAMES, ApiOptions

Headers = list[tuple[bytes, bytes]]


class Room:
    """What large bodies take from their first byte to their answer, of all clients together."""

    def __init__(self) -> None:
        self.taken = 0

    def take(self, size: int) -> None:
        """Take `size` bytes more; the taker gives them back by lowering `taken`.

        Raises
        ------
        Busy: all bodies together would take more than BODIES_BYTES_MAX.
        """
        if self.taken + size > BODIES_BYTES_MAX:
            raise Busy("too many large requests are under way", "send it again in a moment")
        self.taken += size


class Guard:
    """Checks requests against one node's options."""

    def __init__(self, options: ApiOptions) -> None:
        self._hosts = frozenset(name.lower() for name in (*LOOPBACK_NAMES, *options.hosts))
        self._bound = options.host.lower()
        self._origins = frozenset(origin.lower().rstrip("/") for origin in options.origins)
        self._token = options.token.encode() if options.token is not None else None

    def check(self, headers: Headers) -> str | None:
        """Let a request pass, or not; returns its origin if a browser sent it.

        Raises
        ------
        RequestRefused: Host, Origin or token.
        """
        host, origin, authorization = _pick(headers)
        self._check_host(host)
        if origin is not None and not self._is_allowed_origin(origin):
            raise RequestRefused(f"the origin {origin[:128]} is not allowed", "add it to the node's allowed origins")
        if self._token is not None:
            shown = authorization.removeprefix(b"Bearer ")
            if not hmac.compare_digest(shown, self._token):
                raise RequestRefused("the bearer token is missing or wrong", "send Authorization: Bearer <token>", 401)
        return origin

    def _check_host(self, host: str | None) -> None:
        name = None if host is None else _host_name(host)
        if name is None or not (name in self._hosts or name == self._bound):
            raise RequestRefused(
                f"the host {str(host)[:128]} is not allowed", "add the name to the node's allowed hosts"
            )

    def _is_allowed_origin(self, origin: str) -> bool:
        if origin.lower() in self._origins:
            return True
        try:
            parts = urlsplit(origin.lower())
        except ValueError:
            return False
        return parts.scheme in ("http", "https") and parts.hostname in LOOPBACK_NAMES


def _pick(headers: Headers) -> tuple[str | None, str | None, bytes]:
    host = origin = None
    authorization = b""
    for name, value in headers:
        if name == b"host":
            host = value.decode("latin-1")
        elif name == b"origin":
            origin = value.decode("latin-1")
        elif name == b"authorization":
            authorization = value
    return host, origin, authorization


def _host_name(host: str) -> str | None:
    try:
        return urlsplit("//" + host).hostname
    except ValueError:
        return None
