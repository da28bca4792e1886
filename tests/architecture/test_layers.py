"""Imports point downwards, siblings never meet, and there is no cycle."""

from tests.architecture.sources import Module, imports_of, judge, module_names, modules, ranks

SDK_RANK_MAX = 1  # the client library shall be able to leave the house one day


def room_of(target: str) -> str:
    parts = target.split(".")
    return parts[1] if len(parts) > 1 else ""


def may_import(module: Module, target_room: str) -> bool:
    if target_room in ("", module.room):
        return True
    if module.room == "":
        return False
    own, other = ranks()[module.room], ranks()[target_room]
    return other <= SDK_RANK_MAX if module.room == "sdk" else other < own


def test_every_room_has_a_rank() -> None:
    rooms = {module.room for module in modules() if module.room}
    assert rooms <= ranks().keys(), f"give a rank in pyproject.toml to: {sorted(rooms - ranks().keys())}"


def test_imports_point_downwards() -> None:
    found = {}
    for module in modules():
        for entry in imports_of(module):
            if not entry.target.startswith("hansa"):
                continue
            native_type = entry.typing_only and entry.target == "hansa._native"
            if not native_type and not may_import(module, room_of(entry.target)):
                found[f"{module.relative}:{entry.target}"] = f"line {entry.line} imports upwards or sideways"
    judge("layers", found)


def test_imports_stand_at_the_top_of_a_module() -> None:
    """Only the command line imports inside functions: there it keeps start-up short."""
    found = {}
    for module in modules():
        for entry in imports_of(module):
            if entry.lazy and module.room != "cli":
                found[f"{module.relative}:{entry.target}"] = f"line {entry.line} imports inside a function"
    judge("lazy imports", found)


def test_there_is_no_import_cycle() -> None:
    graph = {
        module.name: {e.target for e in imports_of(module) if not e.typing_only and e.target in module_names()}
        for module in modules()
    }
    done: set[str] = set()
    for start in sorted(graph):
        path: list[str] = []
        walk(graph, start, path, done)


def walk(graph: dict[str, set[str]], name: str, path: list[str], done: set[str]) -> None:
    assert name not in path, "import cycle: " + " -> ".join([*path[path.index(name) :], name])
    if name in done:
        return
    path.append(name)
    for target in sorted(graph.get(name, set())):
        if target != name:
            walk(graph, target, path, done)
    path.pop()
    done.add(name)
