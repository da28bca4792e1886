#!/usr/bin/env bash
# Coverage-guided fuzzing of one decoder: fuzz.sh TARGET [SECONDS]. A name that both languages have is the core's;
# python/TARGET is the other one. Inputs that reach something new go into the corpus that the tests replay, shortest
# first, as far as there is room. Targets of the core run under libFuzzer, which the pinned stable compiler instruments
# by flags of LLVM; those in Python under Atheris. An input that fails is kept in fuzz-findings and named by the program.
set -euo pipefail
cd "$(dirname "$0")/.."

target=${1:?fuzz.sh TARGET [SECONDS]; targets: native/fuzz/src/lib.rs and tests/fuzz/targets.py}
seconds=${2:-60}
name=${target#python/}
work=fuzz-findings/$target
mkdir -p "$work/inputs" "$work/found"

if [ "$name" = "$target" ] && grep -q "(\"$name\"," native/fuzz/src/lib.rs; then
    corpus=tests/fuzz/corpus/$name.hex
    coverage="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4
        -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table
        -Cllvm-args=-sanitizer-coverage-trace-compares"
    triple=$(rustc -vV | sed -n 's/^host: //p')
    RUSTFLAGS=$coverage cargo build --locked -p hansa-fuzz --features libfuzzer --target "$triple" --target-dir target/fuzz
    fuzz() { HANSA_FUZZ_TARGET=$name "target/fuzz/$triple/debug/hansa-fuzz" "$@"; }
else
    corpus=tests/fuzz/corpus_python/$name.hex
    tools/make_venv.sh .venv-fuzz requirements-fuzz.lock src
    fuzz() { PYTHONPATH=src:. .venv-fuzz/bin/python tools/fuzz_python.py "$name" "$@"; }
fi

.venv-dev/bin/python tools/fuzz_corpus.py unpack "$corpus" "$work/inputs"
fuzz "$work/found" "$work/inputs" -max_total_time="$seconds" -max_len=4096 -reduce_inputs=1 -artifact_prefix="$work/" -print_final_stats=1
.venv-dev/bin/python tools/fuzz_corpus.py pack "$corpus" "$work/found"
