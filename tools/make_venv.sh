#!/usr/bin/env bash
# Makes a virtual environment with the packages of a lock file: make_venv.sh FOLDER LOCK [SOURCES].
# SOURCES is put on its import path, so that processes started by tests find the package. Nothing happens when the
# environment was already made from this lock with this Python.
set -euo pipefail

folder=$1 lock=$2 sources=${3:-}
python=${PYTHON:-python3}
stamp=.stamps/$(basename "$folder" | tr -d .)
wanted="$PWD $("$python" -c 'import sys; print(sys.version, sys.base_prefix)' | tr '\n' ' ')$(sha256sum "$lock")"

put_on_path() {
    if [ -n "$sources" ]; then
        realpath "$sources" > "$("$folder/bin/python" -c 'import site; print(site.getsitepackages()[0])')/hansa-sources.pth"
    fi
}

if [ -x "$folder/bin/python" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ]; then
    put_on_path
    exit 0
fi

mkdir -p .stamps
rm -f "$stamp"
# An environment made by another Python is made anew; otherwise only what differs is installed.
if ! [ -x "$folder/bin/python" ] || ! "$folder/bin/python" -c 'import sys' 2>/dev/null ||
    [ "$("$folder/bin/python" -c 'import sys; print(sys.version, sys.base_prefix)')" != \
      "$("$python" -c 'import sys; print(sys.version, sys.base_prefix)')" ]; then
    "$python" -m venv --clear "$folder"
fi
"$folder/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r "$lock"
printf '%s' "$wanted" > "$stamp"
put_on_path
