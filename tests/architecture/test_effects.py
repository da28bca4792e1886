"""Machines are sans-I/O; broad excepts and slow imports stay where they belong."""

import ast

from tests.architecture.sources import Module, imports_of, judge, modules, ranks

SHELL_RANK = 4  # from here up: sockets, files, clocks, threads
EFFECTFUL = {
    "asyncio", "concurrent", "io", "multiprocessing", "os", "random", "secrets", "select", "selectors", "shutil",
    "signal", "socket", "ssl", "subprocess", "tempfile", "threading", "time", "uvloop", "uvicorn", "websockets",
}  # fmt: skip
CLOCK_CALLS = {"now", "utcnow", "today"}
FILE_METHODS = {"read_text", "write_text", "read_bytes", "write_bytes"}
BROAD_EXCEPTS_MAX = 3
BROAD_EXCEPT_PLACES = ("src/hansa/node/supervise.py", "src/hansa/api/")
ORACLES = {"web3", "eth_account", "eth_keyfile", "eth_abi", "rlp", "requests", "pytest", "hypothesis"}


def protocol_modules() -> list[Module]:
    return [
        module for module in modules() if module.room and ranks()[module.room] < SHELL_RANK and module.room != "sdk"
    ]


def test_protocol_code_imports_no_effects() -> None:
    found = {}
    for module in protocol_modules():
        for entry in imports_of(module):
            if entry.target.split(".")[0] in EFFECTFUL:
                found[f"{module.relative}:{entry.target.split('.')[0]}"] = f"line {entry.line}: effects begin at rank 4"
    judge("effects", found)


def test_protocol_code_reads_no_clock_and_no_file() -> None:
    found = {}
    for module in protocol_modules():
        for node in ast.walk(module.tree):
            if not isinstance(node, ast.Call):
                continue
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            owner = ast.unparse(node.func.value) if isinstance(node.func, ast.Attribute) else ""
            clock = called in CLOCK_CALLS and owner.split(".")[-1] in {"datetime", "date"}
            files = called in FILE_METHODS if owner else called == "open"
            if clock or files:
                found[f"{module.relative}:{called}"] = f"line {node.lineno}: a clock or a file in protocol code"
    judge("clock and files", found)


def test_broad_excepts_are_few_and_in_their_places() -> None:
    broad = []
    for module in modules():
        for node in ast.walk(module.tree):
            if not isinstance(node, ast.ExceptHandler):
                continue
            names = "" if node.type is None else ast.unparse(node.type)
            if node.type is None or {"Exception", "BaseException"} & set(
                names.replace("(", "").replace(")", "").split(", ")
            ):
                broad.append(f"{module.relative}:{node.lineno}")
    elsewhere = [place for place in broad if not place.startswith(BROAD_EXCEPT_PLACES)]
    assert not elsewhere, f"catch what you expect: {elsewhere}"
    assert len(broad) <= BROAD_EXCEPTS_MAX, f"more than {BROAD_EXCEPTS_MAX} broad excepts: {broad}"


def test_the_product_imports_no_test_library() -> None:
    found = {}
    for module in modules():
        for entry in imports_of(module):
            if entry.target.split(".")[0] in ORACLES:
                found[f"{module.relative}:{entry.target}"] = f"line {entry.line}: a test oracle in the product"
    judge("oracles", found)


def test_nothing_is_emitted_in_set_order() -> None:
    """Iterating over a set display or a set() call, in protocol code, gives another order in every process."""
    found = {}
    for module in protocol_modules():
        for node in ast.walk(module.tree):
            loops = [node.iter] if isinstance(node, ast.For | ast.comprehension) else []
            for iterated in loops:
                direct = isinstance(iterated, ast.Set | ast.SetComp)
                called = isinstance(iterated, ast.Call) and getattr(iterated.func, "id", "") in {"set", "frozenset"}
                if direct or called:
                    found[f"{module.relative}:{iterated.lineno}"] = "iterates over a set"
    judge("set order", found)
