#!/usr/bin/env bash
# Installs the JavaScript clients that tests/compat drives, where Node.js is present.
set -euo pipefail

folder=tests/compat
[ -f "$folder/package-lock.json" ] || exit 0
if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
    echo "note: Node.js is not installed, the tests of its clients are skipped" >&2
    exit 0
fi
stamp=.stamps/node-clients
wanted="$(node --version) $(sha256sum "$folder/package-lock.json")"
if [ -d "$folder/node_modules" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ]; then exit 0; fi
mkdir -p .stamps
rm -f "$stamp"
(cd "$folder" && npm ci --no-audit --no-fund --loglevel=error)
printf '%s' "$wanted" > "$stamp"
