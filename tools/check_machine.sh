#!/usr/bin/env bash
# Says what this machine lacks to build Hansa, with the command that installs each; `check_machine.sh test` asks for
# what the tests need as well. Exit 0: all there.
set -euo pipefail

purpose=${1:-product}
python=${PYTHON:-python3}
missing=0

lacks() { # what, command
    printf 'missing: %s\n         install it with:  %s\n' "$1" "$2" >&2
    missing=1
}

packages() { # the system's way of installing Debian, Fedora or Arch package names
    if command -v apt-get >/dev/null; then echo "sudo apt-get install -y $1"
    elif command -v dnf >/dev/null; then echo "sudo dnf install -y $2"
    elif command -v pacman >/dev/null; then echo "sudo pacman -S --needed $3"
    else echo "your system's package manager ($1)"; fi
}

[ "$(uname -sm)" = "Linux x86_64" ] || echo "note: Hansa is tested on Linux x86-64 only, this is $(uname -sm)" >&2

if ! command -v "$python" >/dev/null; then
    lacks "Python 3.11 or newer ($python)" "$(packages 'python3 python3-venv' python3 python)"
elif ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    lacks "Python 3.11 or newer ($python is $("$python" -V 2>&1))" \
        "$(packages 'python3.11 python3.11-venv' python3.11 python), then make PYTHON=python3.11"
elif ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    lacks "Python's venv module" "$(packages "python$version-venv" python3 python)"
fi

command -v cc >/dev/null || lacks "a C compiler (cc)" "$(packages build-essential 'gcc glibc-devel' base-devel)"

rust_install="curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh"
if command -v cargo >/dev/null; then
    wanted=$(sed -n 's/^channel = "\([0-9.]*\)"/\1/p' rust-toolchain.toml)
    if ! found=$(cargo --version 2>/dev/null | cut -d' ' -f2) || [ -z "$found" ]; then
        lacks "the Rust toolchain $wanted" "rustup toolchain install $wanted --profile minimal -c rustfmt -c clippy"
    elif [ "$(printf '%s\n%s\n' "$wanted" "$found" | sort -V | head -1)" != "$wanted" ]; then
        lacks "Rust $wanted or newer (cargo is $found)" "$rust_install"
    fi
elif [ "$purpose" = product ]; then
    echo "note: Rust is not installed; the build fetches one for itself. To install it: $rust_install" >&2
else
    lacks "Rust" "$rust_install"
fi

exit "$missing"
