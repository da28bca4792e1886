"""Compile the Vyper contracts to their committed artefacts: `python contracts/build.py [--check] [--vyper PATH]`.

Vyper lives in an environment of its own, because its pins clash with ours. `--check` compares bytes and writes nothing.
"""

import argparse
import hashlib
import json
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
VYPER = ROOT / ".venv-vyper" / "bin" / "vyper"
# Those whose storage others read by slot: their artefact names the slots.
LAID_OUT = HERE / "system"
# Source -> artefact. Both ways one to one; a contract not listed here is not built.
CONTRACTS = {
    HERE / "apps/voucher/VoucherBook.vy": ROOT / "src/hansa/cli/artefacts/voucher_book.json",
    HERE / "bench/BenchToken.vy": ROOT / "src/hansa/bench/artefacts/bench_token.json",
    HERE / "bench/Evidence.vy": ROOT / "src/hansa/bench/artefacts/evidence.json",
    HERE / "bench/SmallBank.vy": ROOT / "src/hansa/bench/artefacts/small_bank.json",
    HERE / "bench/SwapPair.vy": ROOT / "src/hansa/bench/artefacts/swap_pair.json",
    HERE / "bench/Work.vy": ROOT / "src/hansa/bench/artefacts/work.json",
    HERE / "system/Membership.vy": ROOT / "src/hansa/alliance/artefacts/membership.json",
}


def compile_contract(vyper: Path, source: Path) -> bytes:
    """The artefact of one contract: ABI, both codes, the source's digest and the compiler's version."""
    version = _run(vyper, "--version")
    abi, creation, runtime = _run(vyper, "-f", "abi,bytecode,bytecode_runtime", str(source)).splitlines()
    artefact = {
        "version": 1,
        "name": source.stem,
        "compiler": f"vyper {version}",
        "source": source.relative_to(ROOT).as_posix(),
        "source_sha256": hashlib.sha256(source.read_bytes()).hexdigest(),
        "bytecode": creation,
        "runtime_bytecode": runtime,
        "abi": json.loads(abi),
    }
    if source.is_relative_to(LAID_OUT):
        layout = json.loads(_run(vyper, "-f", "layout", str(source)))["storage_layout"]
        artefact["layout"] = {name: {"slot": at["slot"], "slots": at["n_slots"]} for name, at in layout.items()}
    return json.dumps(artefact, indent=1).encode() + b"\n"


def _run(vyper: Path, *arguments: str) -> str:
    result = subprocess.run([vyper, *arguments], capture_output=True, text=True, check=False, cwd=ROOT)
    if result.returncode:
        sys.exit(f"vyper failed on {arguments[-1]}:\n{result.stderr}")
    return result.stdout.strip()


def main() -> int:
    """Build all, or compare all; 1 when an artefact is stale."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare with the committed artefacts, write nothing")
    parser.add_argument("--vyper", type=Path, default=VYPER)
    options = parser.parse_args()
    if not options.vyper.exists():
        sys.exit(f"{options.vyper} is missing: python3 -m venv .venv-vyper && .venv-vyper/bin/pip install vyper==0.4.3")
    stale = []
    for source, target in CONTRACTS.items():
        artefact = compile_contract(options.vyper, source)
        if target.exists() and target.read_bytes() == artefact:
            continue
        stale.append(target)
        if not options.check:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(artefact)
    for target in stale:
        print(f"{'stale' if options.check else 'wrote'} {target.relative_to(ROOT)}")
    return 1 if options.check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
