"""The Rust crates: one knows Python, and they depend on one another in one direction."""

import tomllib

from tests.architecture.sources import NATIVE


def manifests() -> dict[str, dict[str, object]]:
    return {path.parent.name: tomllib.loads(path.read_text()) for path in sorted(NATIVE.glob("*/Cargo.toml"))}


def test_only_the_binding_crate_knows_python() -> None:
    knowing = [name for name, manifest in manifests().items() if "pyo3" in str(manifest.get("dependencies", {}))]
    assert knowing == ["py"]


def test_no_crate_depends_on_the_binding_crate() -> None:
    dependants = [name for name, manifest in manifests().items() if "hansa-py" in str(manifest)]
    assert dependants == ["py"]


def test_every_crate_takes_the_common_lints() -> None:
    without = [name for name, manifest in manifests().items() if manifest.get("lints") != {"workspace": True}]
    assert not without, f"[lints] workspace = true is missing in: {without}"


def test_every_crate_says_what_it_is() -> None:
    silent = [
        name
        for name in manifests()
        if not next(iter((NATIVE / name / "src" / "lib.rs").read_text().splitlines()), "").startswith("//!")
    ]
    assert not silent, f"src/lib.rs begins without //! in: {silent}"
