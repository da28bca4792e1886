"""Small files, small functions, folders that can be seen at a glance; names that say something."""

import re
from collections import Counter

import pytest

from tests.architecture.sources import NATIVE, PACKAGE, ROOT, functions_of, judge, modules

FILE_LINES_MAX = 500
FUNCTION_LINES_MAX = 60
FOLDER_FILES_MAX = 15
EMPTY_NAMES = {"utils", "util", "helpers", "helper", "manager", "managers", "common", "misc"}
RUST_FUNCTION = re.compile(r"^( *)(?:pub(?:\([a-z: ]+\))? )?(?:const |async |unsafe |extern \"C\" )*fn (\w+)")


def rust_files() -> list[str]:
    return sorted(p.relative_to(ROOT).as_posix() for p in NATIVE.glob("*/**/*.rs") if "target" not in p.parts)


def test_files_are_short() -> None:
    paths = [module.relative for module in modules()] + rust_files()
    lines = {path: len((ROOT / path).read_text().splitlines()) for path in paths}
    judge(
        "file size", {path: f"{n} lines, at most {FILE_LINES_MAX}" for path, n in lines.items() if n > FILE_LINES_MAX}
    )


def test_python_functions_are_short() -> None:
    found = {}
    for module in modules():
        for name, function in functions_of(module.tree):
            first = function.body[0]
            documented = hasattr(first, "value") and isinstance(getattr(first.value, "value", None), str)
            start = first.end_lineno or 0 if documented else function.lineno
            length = (function.end_lineno or 0) - start
            if length > FUNCTION_LINES_MAX:
                found[f"{module.relative}:{name}"] = f"{length} lines, at most {FUNCTION_LINES_MAX}"
    judge("function size", found)


def test_rust_functions_are_short() -> None:
    """rustfmt closes a function by a brace at the indentation of its first line."""
    found = {}
    for path in rust_files():
        lines = (ROOT / path).read_text().splitlines()
        for start, line in enumerate(lines):
            if not (match := RUST_FUNCTION.match(line)):
                continue
            closing = match[1] + "}"
            end = next(
                (
                    i
                    for i in range(start, len(lines))
                    if lines[i] == closing
                    or lines[i].endswith(";")
                    and lines[i].startswith(match[1])
                    and not lines[i].startswith(match[1] + " ")
                ),
                start,
            )
            if end - start + 1 > FUNCTION_LINES_MAX:
                found[f"{path}:{match[2]}"] = f"{end - start + 1} lines, at most {FUNCTION_LINES_MAX}"
    judge("function size (Rust)", found)


@pytest.mark.parametrize("top", [PACKAGE, NATIVE], ids=["python", "rust"])
def test_folders_are_small(top: object) -> None:
    assert isinstance(top, type(ROOT))
    suffixes = {".py", ".rs"}
    count = Counter(
        path.parent.relative_to(ROOT).as_posix()
        for path in top.rglob("*")
        if path.suffix in suffixes and "target" not in path.parts and not path.name.startswith("__")
    )
    rule = f"folder size ({'Python' if top == PACKAGE else 'Rust'})"
    judge(rule, {f: f"{n} files, at most {FOLDER_FILES_MAX}" for f, n in count.items() if n > FOLDER_FILES_MAX})


def test_names_say_something() -> None:
    paths = [module.relative for module in modules()] + [path for path in rust_files() if "/tests/" not in path]
    found = {path: "a name that says nothing" for path in paths if set(re.split(r"[/_.]", path)) & EMPTY_NAMES}
    judge("names", found)
