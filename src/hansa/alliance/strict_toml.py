"""Typed reading of our TOML files: an unknown key is an error that names the nearest one and where it stands."""

import difflib
import re
import tomllib
from types import UnionType
from typing import Any, TypeVar, get_args

import msgspec

from hansa.alliance.errors import InvalidAllianceFile

Model = TypeVar("Model", bound=msgspec.Struct)

_UNKNOWN = re.compile(r"Object contains unknown field `(?P<key>[^`]*)`")
_AT = re.compile(r" - at `\$(?P<path>[^`]*)`$")
_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d+|\.\.\.)\]")
_HEADER = re.compile(r"^\s*(\[\[?)\s*([A-Za-z0-9_.\"\- ]+?)\s*\]\]?\s*(#.*)?$")
_SYNTAX = re.compile(r"\(at line (\d+), column (\d+)\)")


def decode_toml(text: str, model: type[Model], file: str) -> Model:
    """Read `text` as a `model`.

    Parameters
    ----------
    text: the whole file.
    model: a msgspec Struct with `forbid_unknown_fields`.
    file: its name, for the message only.

    Raises
    ------
    InvalidAllianceFile: bad syntax, an unknown key (with the nearest known one), a missing key or a wrong value.
    """
    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        found = _SYNTAX.search(str(error))
        line, column = (int(found[1]), int(found[2])) if found else (0, 0)
        raise InvalidAllianceFile(
            f"{_place(file, line, column)}{_SYNTAX.sub('', str(error)).strip()}",
            "mend the TOML syntax there",
            file=file, line=line, column=column,
        ) from None  # fmt: skip
    try:
        return msgspec.convert(tree, model, strict=True)
    except msgspec.ValidationError as error:
        raise _explained(str(error), text, model, file) from None


def _explained(message: str, text: str, model: type[msgspec.Struct], file: str) -> InvalidAllianceFile:
    """Turn msgspec's message into one with a position and the nearest name."""
    at = _AT.search(message)
    path = [step[0] or step[1] for step in _STEP.findall(at["path"])] if at else []
    cause = _AT.sub("", message)
    hint = "see `hansa init --draft` for a file with every key"
    unknown = _UNKNOWN.search(message)
    if unknown:
        key = unknown["key"]
        known = _fields_at(model, path)
        near = difflib.get_close_matches(key, known, n=1, cutoff=0.4)
        cause = f"unknown key `{key}`"
        hint = f"did you mean `{near[0]}`?" if near else f"known keys here: {', '.join(known)}"
        path = [*path, key]
    line, column = _locate(text, path)
    return InvalidAllianceFile(f"{_place(file, line, column)}{cause}", hint, file=file, line=line, column=column)


def _place(file: str, line: int, column: int) -> str:
    return f"{file}:{line}:{column}: " if line else f"{file}: "


def _fields_at(model: Any, path: list[str]) -> list[str]:
    """The key names that the struct reached by `path` knows."""
    for step in path:
        if step.isdigit() or step == "...":
            continue
        fields = {field.encode_name: field.type for field in msgspec.structs.fields(model)}
        model = _struct_in(fields[step])
        if model is None:
            return []
    return [field.encode_name for field in msgspec.structs.fields(model)]


def _struct_in(annotation: Any) -> Any:
    """The struct inside `tuple[X, ...]`, `X | None` or X itself; None where there is none."""
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        return annotation
    if isinstance(annotation, UnionType) or get_args(annotation):
        for part in get_args(annotation):
            found = _struct_in(part)
            if found is not None:
                return found
    return None


def _locate(text: str, path: list[str]) -> tuple[int, int]:
    """Line and column (from 1) of the key at `path`; (0, 0) when it stands nowhere (a missing key, a default)."""
    table: list[str] = []
    counts: dict[str, int] = {}
    best = (0, 0)
    for number, line in enumerate(text.splitlines(), start=1):
        header = _HEADER.match(line)
        if header:
            table = _table_path(header[2], header[1] == "[[", counts)
            if table == path[: len(table)]:
                best = (number, line.index("[") + 1)
            continue
        key = line.split("=", 1)[0].strip().strip('"')
        if "=" in line and _same([*table, *key.split(".")], path):
            return number, len(line) - len(line.lstrip()) + 1
    return best


def _table_path(name: str, is_array: bool, counts: dict[str, int]) -> list[str]:
    """The path of a table header, with the running index of every array of tables on the way."""
    steps: list[str] = []
    parts = [part.strip().strip('"') for part in name.split(".")]
    for depth, part in enumerate(parts):
        steps.append(part)
        label = ".".join(steps)
        if is_array and depth == len(parts) - 1:
            counts[label] = counts.get(label, -1) + 1
        if label in counts:
            steps.append(str(counts[label]))
    return steps


def _same(found: list[str], path: list[str]) -> bool:
    """Whether `found` is `path` or the key that holds it inline; msgspec writes `[...]` for any index."""
    if len(found) > len(path):
        return False
    return all(a == b or b == "..." for a, b in zip(found, path, strict=False))
