"""What stands in the repository: documents whose links and names resolve, and nothing that belongs to one machine."""

import ast
import re
from pathlib import Path

import pytest

from tests.architecture.sources import ROOT, functions_of, judge, repository_files

LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
# `path/to/file.py:function` or `path/to/file.rs:function`, as ARCHITECTURE.md and the docs name places in the code.
PLACE = re.compile(r"`((?:[\w.-]+/)*[\w.-]+\.(?:py|rs|toml|md|sh|vy|json|lock|yml)|Makefile|\.ci/run)(?::([\w.]+))?`")
RUST_ITEM = r"\b(?:fn|struct|enum|trait|const|type|mod)\s+{name}\b"
FOREIGN = {
    # Nothing is fetched from a named host but Rust's installer, which `make up` tells people of.
    "a foreign host": re.compile(
        r"https?://(?!sh\.rustup\.rs|www\.apache\.org)(?!(?:[\w-]+\.)*example\b)[\w-]+(?:\.[\w-]+)*\.[a-z]{2,}"
    ),
    "a path of one machine": re.compile(r"/(?:work|home|root|Users)/[a-z]"),
}
WITHOUT_LIMIT = {"Cargo.lock", "package-lock.json"}
# Written by `hansa init`, `hansa node join` and nodes.
RUN_TIME_FILES = {
    "alliance.toml", "node.toml", "signer.toml", "hansa.toml", "genesis.json", "members.json", "epoch.json",
}  # fmt: skip


def texts() -> list[tuple[Path, str]]:
    found = []
    for path in repository_files():
        if path.name in WITHOUT_LIMIT or path.suffix in {".png", ".so", ".bin"} or path == Path(__file__).resolve():
            continue
        try:
            found.append((path, path.read_text()))
        except UnicodeDecodeError:
            continue
    return found


def documents() -> list[tuple[Path, str]]:
    return [(path, text) for path, text in texts() if path.suffix == ".md"]


def test_the_repository_knows_no_machine() -> None:
    found = {}
    for path, text in texts():
        for what, pattern in FOREIGN.items():
            if match := pattern.search(text):
                line = text.count("\n", 0, match.start()) + 1
                found[f"{path.relative_to(ROOT).as_posix()}:{line}"] = f"{what}: {match[0]}"
    judge("foreign", found)


def test_links_resolve() -> None:
    broken = []
    for path, text in documents():
        for target in LINK.findall(text):
            if re.match(r"[a-z]+:", target) or target.startswith("#"):
                continue
            name, _, anchor = target.partition("#")
            aim = (path.parent / name).resolve()
            if not aim.exists():
                broken.append(f"{path.relative_to(ROOT)}: {target}")
            elif anchor and aim.suffix == ".md" and anchor not in anchors(aim):
                broken.append(f"{path.relative_to(ROOT)}: {target} (no such heading)")
    assert not broken, broken


def anchors(document: Path) -> set[str]:
    headings = re.findall(r"^#+ +(.*)$", document.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def test_named_files_and_functions_exist() -> None:
    """A place such as `node/replica.py:step` is sought from the root, in the package, in native and beside the page."""
    missing = []
    for document, text in documents():
        for name, item in PLACE.findall(text):
            if Path(name).name in RUN_TIME_FILES or name.endswith(".public.json"):
                continue
            bases = (ROOT, ROOT / "src/hansa", ROOT / "src", ROOT / "native", ROOT / "tests", document.parent)
            files = [base / name for base in bases if (base / name).is_file()]
            if "/" not in name:
                files = files or [path for path in repository_files() if path.name == name]
            if not files:
                missing.append(f"{document.relative_to(ROOT)}: {name} does not exist")
            elif item and not any(defines(file, item) for file in files):
                missing.append(f"{document.relative_to(ROOT)}: {name} has no {item}")
    assert not missing, "\n" + "\n".join(missing)


def test_documents_cited_in_code_exist() -> None:
    """A comment cites a page by its name, such as rules.md 2.2, or by its path from the root."""
    pages = {path.name for path, _ in documents()} | {path.relative_to(ROOT).as_posix() for path, _ in documents()}
    missing = {}
    for path, text in texts():
        if path.suffix in {".py", ".rs", ".vy", ".sh"}:
            for name in set(re.findall(r"(?<![\w/.*])((?:[\w-]+/)*[\w-]+\.md)\b", text)) - pages:
                missing[f"{path.relative_to(ROOT).as_posix()}:{name}"] = "no such page"
    judge("cited documents", missing)


def defines(file: Path, item: str) -> bool:
    text = file.read_text()
    if file.suffix == ".rs":
        return all(re.search(RUST_ITEM.format(name=re.escape(part)), text) for part in item.split("."))
    if file.suffix != ".py":
        return item in text
    tree = ast.parse(text)
    names = {name for name, _ in functions_of(tree)}
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names |= {target.id for target in targets if isinstance(target, ast.Name)}
    return item in names


@pytest.mark.parametrize(
    "name", ["README.md", "ARCHITECTURE.md", "STYLE.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"]
)
def test_the_documents_of_the_house_exist(name: str) -> None:
    assert (ROOT / name).is_file()


def test_the_readme_is_one_page() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 60


def test_style_names_the_test_of_each_rule() -> None:
    """Every rule of STYLE.md, a table row or a list item, names the test file or the tool that enforces it."""
    rows = [line for line in (ROOT / "STYLE.md").read_text().splitlines() if re.match(r"\| (?!rule|---)", line)]
    silent = [row for row in rows if not re.search(r"`(?:test_\w+|ruff|mypy|rustfmt|clippy|review)", row)]
    assert rows and not silent, silent
    assert len((ROOT / "STYLE.md").read_text().splitlines()) <= 200


def test_decisions_are_numbered_without_gaps() -> None:
    numbers = sorted(int(path.name[:4]) for path in (ROOT / "docs/decisions").glob("[0-9]*.md"))
    assert numbers == list(range(1, len(numbers) + 1))
