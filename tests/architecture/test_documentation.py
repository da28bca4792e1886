"""Every public name is documented and typed, and *Raises* tells the truth."""

import ast
import re

from tests.architecture.sources import Function, Module, judge, modules

OWN_BUGS = {
    "AssertionError",
    "CancelledError",
    "NotImplementedError",
    "RuntimeError",
    "StopIteration",
    "SystemExit",
    "KeyboardInterrupt",
}


def public_functions(module: Module) -> list[tuple[str, Function]]:
    """Public functions, and public methods of public classes."""
    found: list[tuple[str, Function]] = []
    for node in module.tree.body:
        if isinstance(node, Function) and not node.name.startswith("_"):
            found.append((node.name, node))
        elif isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            methods = (m for m in node.body if isinstance(m, Function) and not m.name.startswith("_"))
            found += [(f"{node.name}.{m.name}", m) for m in methods]
    return found


def test_modules_say_what_they_are() -> None:
    silent = {
        module.relative: "no docstring"
        for module in modules()
        if ast.get_docstring(module.tree) is None and module.path.read_text().strip()
    }
    judge("module docstrings", silent)


def test_public_names_are_documented() -> None:
    found = {}
    for module in modules():
        named: list[tuple[str, Function | ast.ClassDef]] = list(public_functions(module))
        named += [(n.name, n) for n in module.tree.body if isinstance(n, ast.ClassDef) and not n.name.startswith("_")]
        for name, node in named:
            if ast.get_docstring(node) is None and not is_override(node) and not is_one_return(name, node):
                found[f"{module.relative}:{name}"] = "public and without a docstring"
    judge("docstrings", found)


def is_override(node: Function | ast.ClassDef) -> bool:
    """A method that only fulfils a documented interface carries @override."""
    return any(ast.unparse(decorator).split(".")[-1] in {"override", "overload"} for decorator in node.decorator_list)


def is_one_return(name: str, node: Function | ast.ClassDef) -> bool:
    """A method that is one `return` says all there is to say; its class is documented."""
    return "." in name and len(node.body) == 1 and isinstance(node.body[0], ast.Return)


def raised_names(function: Function) -> set[str]:
    """Classes that the function itself raises by name; nested functions are left out."""
    names: set[str] = set()
    pending: list[ast.AST] = list(function.body)
    while pending:
        node = pending.pop()
        if isinstance(node, Function | ast.Lambda | ast.ClassDef):
            continue
        if isinstance(node, ast.Raise) and node.exc is not None:
            called = node.exc.func if isinstance(node.exc, ast.Call) else node.exc
            name = ast.unparse(called).split(".")[-1]
            if name[:1].isupper() and name not in OWN_BUGS:
                names.add(name)
        pending.extend(ast.iter_child_nodes(node))
    return names


def test_raises_is_complete() -> None:
    found = {}
    for module in modules():
        for name, function in public_functions(module):
            text = ast.get_docstring(function) or ""
            told = re.search(r"Raises\b(.*)", text, re.DOTALL)
            missing = sorted(n for n in raised_names(function) if not told or not re.search(rf"\b{n}\b", told[1]))
            if missing:
                found[f"{module.relative}:{name}"] = f"raises {', '.join(missing)} without saying so under Raises"
    judge("raises", found)
