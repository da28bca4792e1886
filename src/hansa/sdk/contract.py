"""Calls of contracts from words, and words from their answers. The native core encodes (alloy); this is its door."""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

import msgspec

from hansa import _native
from hansa.sdk.errors import InvalidCall

Result = TypeVar("Result")

_ERROR_SELECTOR = bytes.fromhex("08c379a0")  # Error(string), what a plain revert with a reason returns
_PANIC_SELECTOR = bytes.fromhex("4e487b71")  # Panic(uint256)


class AbiParameter(msgspec.Struct, frozen=True):
    """An argument, an output, or a component of a tuple; what else compilers write is not read."""

    type: str
    name: str = ""
    indexed: bool = False
    components: "tuple[AbiParameter, ...]" = ()


class AbiEntry(msgspec.Struct, frozen=True):
    """A function, an event, a constructor."""

    type: str
    name: str = ""
    inputs: tuple[AbiParameter, ...] = ()
    outputs: tuple[AbiParameter, ...] = ()


class Artefact(msgspec.Struct, frozen=True):
    """A compiled contract: what it can be asked, and the code that makes it."""

    name: str
    abi: tuple[AbiEntry, ...]
    bytecode: bytes


class _Linked(msgspec.Struct, frozen=True):
    """Foundry's form of the code."""

    object: str


class _File(msgspec.Struct, frozen=True):
    """What our own, Foundry's and Hardhat's files have in common."""

    abi: tuple[AbiEntry, ...]
    bytecode: str | _Linked
    name: str = ""
    contractName: str = ""  # noqa: N815 - Hardhat's spelling


def encode_call(signature: str, arguments: list[str]) -> bytes:
    """Selector and arguments of `name(types)` with arguments as text: numbers, 0x…, lists `[1,2]`, tuples `(1,true)`.

    Raises
    ------
    InvalidCall: the signature or an argument does not fit.
    """
    return _checked(_native.abi_encode_call, signature, arguments)


def encode_deployment(artefact: Artefact, arguments: list[str]) -> bytes:
    """Creation code with the constructor's arguments behind it.

    Raises
    ------
    InvalidCall: an argument does not fit, or there is no code.
    """
    if not artefact.bytecode:
        raise InvalidCall(f"{artefact.name} has no creation code", "an interface cannot be deployed")
    inputs = next((entry.inputs for entry in artefact.abi if entry.type == "constructor"), ())
    types = _types(inputs)
    return artefact.bytecode + _checked(_native.abi_encode_arguments, types, arguments)


def decode_output(signature: str, data: bytes) -> list[Any]:
    """What `name(types)(outputs)` returned; numbers as decimal text.

    Raises
    ------
    InvalidCall: the bytes are no such outputs.
    """
    return list(json.loads(_checked(_native.abi_decode_output, signature, data)))


def function_signature(artefact: Artefact, name: str, count: int) -> str:
    """`name(types)(outputs)` of the function with that many arguments.

    Raises
    ------
    InvalidCall: there is none; the hint lists what there is.
    """
    functions = [entry for entry in artefact.abi if entry.type == "function"]
    for entry in functions:
        if entry.name == name and len(entry.inputs) == count:
            return f"{name}{_types(entry.inputs)}{_types(entry.outputs)}"
    same_name = [f"{name}{_types(entry.inputs)}" for entry in functions if entry.name == name]
    hint = ", ".join(same_name or sorted({entry.name for entry in functions}))
    raise InvalidCall(f"{artefact.name} has no function {name} with {count} arguments", f"it has: {hint}")


def event_signatures(artefact: Artefact) -> dict[bytes, tuple[str, str]]:
    """Name and signature of every event by its 32-byte first topic.

    Raises
    ------
    InvalidCall: an event of the ABI has a type that is none.
    """
    events: dict[bytes, tuple[str, str]] = {}
    for entry in artefact.abi:
        if entry.type == "event":
            inputs = [_type(i) + (" indexed " if i.indexed else " ") + i.name for i in entry.inputs]
            signature = f"{entry.name}({', '.join(inputs)})"
            events[_checked(_native.abi_event_topic, signature)] = (entry.name, signature)
    return events


def decode_log(signature: str, topics: list[bytes], data: bytes) -> dict[str, Any]:
    """The named parameters of a log.

    Raises
    ------
    InvalidCall: the log is not of that event.
    """
    return dict(json.loads(_checked(_native.abi_decode_log, signature, topics, data)))


def decode_events(artefact: Artefact, logs: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """The named parameters of the events in a receipt's logs, by the event's name; the last where one comes twice. What
    the artefact does not name is passed over.

    Raises
    ------
    InvalidCall: a log is not of the event that it claims to be.
    """
    known = event_signatures(artefact)
    events: dict[str, dict[str, Any]] = {}
    for log in logs:
        topics = [bytes.fromhex(topic[2:]) for topic in log["topics"]]
        if topics and topics[0] in known:
            name, signature = known[topics[0]]
            events[name] = decode_log(signature, topics, bytes.fromhex(log["data"][2:]))
    return events


def argument_text(argument: Any) -> str:
    """A number, an address or bytes as encode_call takes them."""
    return "0x" + argument.hex() if isinstance(argument, bytes) else str(argument)


def revert_reason(data: bytes) -> str:
    """What a contract said when it reverted, as far as its bytes tell."""
    try:
        if data[:4] == _ERROR_SELECTOR:
            return str(decode_output("error()(string)", data[4:])[0])
        if data[:4] == _PANIC_SELECTOR:
            return f"panic {int(decode_output('panic()(uint256)', data[4:])[0]):#x}"
    except InvalidCall:
        pass
    return f"custom error 0x{data[:4].hex()}" if data else "no reason given"


def parse_artefact(data: bytes, file: str) -> Artefact:
    """Read a compiled contract in our own, Foundry's or Hardhat's layout (abi + bytecode).

    Raises
    ------
    InvalidCall: it is none.
    """
    try:
        parsed = msgspec.json.decode(data, type=_File)
        code = parsed.bytecode.object if isinstance(parsed.bytecode, _Linked) else parsed.bytecode
        name = parsed.name or parsed.contractName or file.rsplit("/", 1)[-1].removesuffix(".json")
        return Artefact(name, parsed.abi, bytes.fromhex(code.removeprefix("0x")))
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        cause = f"{file} is no compiled contract: {error}"
        raise InvalidCall(cause, 'it needs "abi" and "bytecode", libraries linked') from None


def _types(parameters: tuple[AbiParameter, ...]) -> str:
    return "(" + ",".join(_type(parameter) for parameter in parameters) + ")"


def _type(parameter: AbiParameter) -> str:
    """The canonical type; a tuple's components in its place."""
    if parameter.type.startswith("tuple"):
        return _types(parameter.components) + parameter.type.removeprefix("tuple")
    return parameter.type


def _checked(function: Callable[..., Result], *arguments: Any) -> Result:
    try:
        return function(*arguments)
    except _native.NativeError as error:
        _, message, hint = error.args
        first, *rest = message.splitlines()  # the coder points at the place in lines of its own: its verdict comes last
        raise InvalidCall(f"{first} {rest[-1]}" if rest else first, hint) from None
