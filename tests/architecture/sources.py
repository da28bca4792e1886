"""The repository as the architecture tests see it: parsed modules, their imports, the listed exceptions."""

import ast
import subprocess
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "hansa"
NATIVE = ROOT / "native"
BUILT = {"target", "node_modules", "__pycache__", "hansa-demo", "bench-results"}

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Module:
    """One Python file of the package."""

    name: str  # dotted, e.g. hansa.node.runtime
    path: Path
    tree: ast.Module

    @property
    def room(self) -> str:
        """The folder or file directly below the package; empty for the package itself."""
        parts = self.name.split(".")
        return parts[1] if len(parts) > 1 else ""

    @property
    def relative(self) -> str:
        return self.path.relative_to(ROOT).as_posix()


@dataclass(frozen=True, slots=True)
class Import:
    """One import statement's target, resolved to a module where it names one of ours."""

    target: str
    line: int
    lazy: bool  # inside a function
    typing_only: bool  # under `if TYPE_CHECKING`


@cache
def ranks() -> dict[str, float]:
    """Room -> rank, from pyproject.toml."""
    table: dict[str, float] = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hansa"]["layers"]
    return table


@cache
def modules() -> tuple[Module, ...]:
    """Every module of the package, by name."""
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found.append(Module(name, path, ast.parse(path.read_text(), str(path))))
    return tuple(found)


@cache
def module_names() -> frozenset[str]:
    """Names that an import can mean, the native extension included."""
    return frozenset(module.name for module in modules()) | {"hansa._native"}


def imports_of(module: Module) -> Iterator[Import]:
    """All imports of a module, those inside functions and under TYPE_CHECKING marked."""
    yield from _walk_imports(module, module.tree, lazy=False, typing_only=False)


def _walk_imports(module: Module, node: ast.AST, lazy: bool, typing_only: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (Import(alias.name, child.lineno, lazy, typing_only) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            base = _base_of(module, child)
            for alias in child.names:
                whole = f"{base}.{alias.name}"
                yield Import(whole if whole in module_names() else base, child.lineno, lazy, typing_only)
        else:
            inner = lazy or isinstance(child, Function)
            guarded = typing_only or (isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test))
            yield from _walk_imports(module, child, inner, guarded)


def _base_of(module: Module, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    package = module.name.split(".")
    if module.path.name != "__init__.py":
        package = package[:-1]
    package = package[: len(package) - node.level + 1]
    return ".".join([*package, *([node.module] if node.module else [])])


def functions_of(tree: ast.AST, prefix: str = "") -> Iterator[tuple[str, Function]]:
    """Every function and method with its qualified name, nested ones included."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, Function):
            yield prefix + node.name, node
            yield from functions_of(node, f"{prefix}{node.name}.")
        elif isinstance(node, ast.ClassDef):
            yield from functions_of(node, f"{prefix}{node.name}.")
        else:
            yield from functions_of(node, prefix)


@cache
def repository_files() -> tuple[Path, ...]:
    """Files that belong to the repository: tracked, or new and not ignored. Outside git: all but what is built."""
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if listing.returncode == 0:
        names = sorted(name for name in listing.stdout.decode().split("\0") if name)
        return tuple(ROOT / name for name in names if (ROOT / name).is_file())
    return tuple(
        path
        for path in sorted(ROOT.rglob("*"))
        if path.is_file() and not any(p in BUILT or p.startswith(".") for p in path.relative_to(ROOT).parts[:-1])
    )


@cache
def exceptions(rule: str) -> dict[str, str]:
    """Place -> reason of what one rule does not hold for."""
    listed = tomllib.loads((ROOT / "tests/architecture/exceptions.toml").read_text()).get("exception", [])
    return {entry["place"]: entry["reason"] for entry in listed if entry["rule"] == rule}


def judge(rule: str, found: dict[str, str]) -> None:
    """Fail on every finding that is no listed exception, and on every listed exception that is not found.

    Parameters
    ----------
    found: place -> what is wrong there.
    """
    allowed = exceptions(rule)
    wrong = [
        f"{place}: {what}"
        for place, what in sorted(found.items())
        if not any(fnmatchcase(place, pattern) for pattern in allowed)
    ]
    stale = [
        f"{pattern}: listed in exceptions.toml for '{rule}', no longer needed"
        for pattern in allowed
        if not any(fnmatchcase(place, pattern) for place in found)
    ]
    assert not wrong + stale, "\n" + "\n".join(wrong + stale)
