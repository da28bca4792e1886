"""Tests and tools import only what there is: the type checker reads the package alone, and slow tests run seldom."""

import ast
from functools import cache
from pathlib import Path

from tests.architecture.sources import ROOT, repository_files

HOMES = {"hansa": ROOT / "src", "tests": ROOT}


@cache
def names_in(path: Path) -> frozenset[str]:
    """What a module defines or imports, anywhere in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                names.add(node.name)
            case ast.Name(ctx=ast.Store()):
                names.add(node.id)
            case ast.Import() | ast.ImportFrom():
                names |= {alias.asname or alias.name.partition(".")[0] for alias in node.names}
    return frozenset(names)


def has(module: str, name: str) -> bool:
    """Whether a module of ours has a name, or a package has it as a module."""
    place = HOMES[module.partition(".")[0]].joinpath(*module.split("."))
    source = place / "__init__.py" if place.is_dir() else place.with_suffix(".py")
    if any(place.joinpath(name).with_suffix(suffix).exists() for suffix in ("", ".py", ".pyi")):
        return True
    return (source.exists() and name in names_in(source)) or source.with_suffix(".pyi").exists()


def test_what_is_imported_is_there() -> None:
    missing = []
    for path in repository_files():
        if path.suffix != ".py" or path.is_relative_to(ROOT / "src"):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.partition(".")[0] in HOMES:
                absent = [alias.name for alias in node.names if not has(node.module, alias.name)]
                missing += [f"{path.relative_to(ROOT)}:{node.lineno}: {node.module}.{name}" for name in absent]
    assert not missing
