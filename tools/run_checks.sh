#!/usr/bin/env bash
# Everything that must hold, in the order in which it fails soonest. Prints each phase with the seconds it took; all
# phases run even when an earlier one failed, so that one run tells everything. Pytest's summary comes last.
set -uo pipefail

failed=()

phase() { # name, command…
    local name=$1 start=$SECONDS
    shift
    printf '\n== %s: %s\n' "$name" "$*"
    if "$@"; then
        printf '== %s: ok, %d s\n' "$name" $((SECONDS - start))
    else
        printf '== %s: FAILED, %d s\n' "$name" $((SECONDS - start))
        failed+=("$name")
        return 1
    fi
}

phase environments make --no-print-directory environments || exit 1
phase native make --no-print-directory native || exit 1
phase lint-python make --no-print-directory lint-python
phase lint-rust make --no-print-directory lint-rust
phase rust make --no-print-directory test-rust
[ ${#failed[@]} -eq 0 ] || printf '\nfailed so far: %s\n' "${failed[*]}"

printf '\n== python: %s\n' "pytest"
if ! .venv-dev/bin/python -m pytest; then failed+=(python); fi
if [ ${#failed[@]} -gt 0 ]; then
    printf 'failed phases: %s\n' "${failed[*]}" >&2
    exit 1
fi
