#!/usr/bin/env bash
# Installs the product into .venv: its locked packages, then Hansa itself with the native core in release mode.
# Nothing happens when no source changed since the last time.
set -euo pipefail

tools/make_venv.sh .venv requirements.lock

stamp=.stamps/product
wanted=$PWD\ $(find src native Cargo.toml Cargo.lock pyproject.toml rust-toolchain.toml requirements.lock README.md -type f \
    ! -name '*.so' ! -name '*.pyc' ! -name '.native.tmp' ! -path 'native/*/tests/*' -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum)
if [ -x .venv/bin/hansa ] && [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ]; then exit 0; fi

echo "building Hansa: the native core in release mode (minutes on first use, seconds after small changes)" >&2
rm -f "$stamp"
# pip moves the old files away before it writes new ones, so a running node keeps the code it was started with.
if ! .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --force-reinstall .; then
    command -v cargo >/dev/null || echo "Rust is missing and could not be fetched; install it with:" \
        "curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh" >&2
    exit 1
fi
printf '%s' "$wanted" > "$stamp"
