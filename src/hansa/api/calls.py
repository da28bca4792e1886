"""One JSON-RPC request that Python answers: its text, its parameters, its answer's text."""

from typing import Any

import msgspec

from hansa.api.errors import InvalidParams, rpc_error
from hansa.errors import HansaError

Params = list[Any]


class Call(msgspec.Struct, frozen=True):
    """A request as the native parser accepted it."""

    method: str
    params: Any = None
    id: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


_DECODER = msgspec.json.Decoder(Call)
_ENCODER = msgspec.json.Encoder()


def decode_call(text: bytes) -> Call:
    """Read one request, which the native parser has found to be one.

    Raises
    ------
    InvalidParams: it is none after all.
    """
    try:
        return _DECODER.decode(text)
    except msgspec.ValidationError as error:
        raise InvalidParams(str(error)) from error


def encode_json(value: Any) -> bytes:
    """Encode a result; `msgspec.Raw` parts are copied as they are."""
    return _ENCODER.encode(value)


def order_params(call: Call, names: tuple[str, ...]) -> Params:
    """The parameters in the order of the method table; absent ones at the end are left out.

    Raises
    ------
    InvalidParams: neither an array nor an object, too many, or an unknown name.
    """
    given = call.params
    if given is None:
        return []
    if isinstance(given, list):
        if len(given) > len(names):
            raise InvalidParams(f"too many arguments, want at most {len(names)}")
        return given
    if not isinstance(given, dict):
        raise InvalidParams("params is neither an array nor an object")
    places = {name.lower(): index for index, name in enumerate(names)}
    ordered: Params = [None] * len(names)
    for key, value in given.items():
        place = places.get(key.lower())
        if place is None:
            raise InvalidParams(f"unknown argument {key[:64]}; this method takes: {', '.join(names) or 'none'}")
        ordered[place] = value
    return ordered


def result_text(call: Call, result: bytes) -> bytes:
    """The answer around a result's JSON text; empty for a notification."""
    if call.id is msgspec.UNSET:
        return b""
    return b'{"jsonrpc":"2.0","id":' + bytes(call.id) + b',"result":' + result + b"}"


def error_text(error: HansaError, call: Call | None = None) -> bytes:
    """The answer that tells a failure; empty for a notification."""
    if call is not None and call.id is msgspec.UNSET:
        return b""
    ident = b"null" if call is None else bytes(call.id)  # type: ignore[arg-type]
    return b'{"jsonrpc":"2.0","id":' + ident + b',"error":' + _ENCODER.encode(rpc_error(error)) + b"}"


def parse_quantity(params: Params, index: int, name: str, default: int | None = None, bits: int = 64) -> int:
    """A hex quantity or a plain number of at most `bits` bits.

    Raises
    ------
    InvalidParams: neither, negative, too large, or missing without a default.
    """
    value = params[index] if index < len(params) else None
    if value is None and default is not None:
        return default
    if isinstance(value, str):
        try:
            value = int(value, 16) if value.startswith("0x") else int(value)
        except ValueError:
            value = None
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise InvalidParams(f"invalid argument {index} ({name}): not a quantity")
    if value >> bits:
        raise InvalidParams(f"invalid argument {index} ({name}): more than {bits} bits")
    return value


def parse_bytes(params: Params, index: int, name: str, size: int | None = None) -> bytes:
    """0x-prefixed hex, of `size` bytes if given.

    Raises
    ------
    InvalidParams: no hex, or the wrong length.
    """
    value = params[index] if index < len(params) else None
    if isinstance(value, str) and value.startswith("0x"):
        try:
            data = bytes.fromhex(value[2:])
        except ValueError:
            data = None
        if data is not None and (size is None or len(data) == size):
            return data
    wanted = "hex data" if size is None else f"{size} bytes of hex data"
    raise InvalidParams(f"invalid argument {index} ({name}): not {wanted} with 0x before it")


def parse_word(params: Params, index: int, name: str) -> int:
    """A 256-bit quantity or 32-byte word.

    Raises
    ------
    InvalidParams: not one, or larger.
    """
    return parse_quantity(params, index, name, bits=256)
