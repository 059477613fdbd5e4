#!/usr/bin/env bash
# See to a browser for the tests of the report, which skip where there is none. A browser that is there is taken; otherwise Debian's
# and Ubuntu's package is installed where that needs no password. What fails here is said and stops nothing.
set -euo pipefail

say() { printf '[browser] %s\n' "$*"; }

for name in ${GRAPHCORTEX_BROWSER:-} chromium chromium-browser google-chrome google-chrome-stable; do
    if command -v "$name" >/dev/null 2>&1; then
        say "$name is there"
        exit 0
    fi
done
as_root=
if [ "$(id -u)" -ne 0 ]; then
    as_root="sudo -n"
    sudo -n true 2>/dev/null || { say "none is here, and none may be installed without a password; the tests that need one will skip"; exit 0; }
fi
if ! command -v apt-get >/dev/null 2>&1; then
    say "none is here, and there is no apt-get to install one with; the tests that need one will skip"
    exit 0
fi
log=$(mktemp)
trap 'rm -f "$log"' EXIT
say "installing chromium"
if { $as_root apt-get update && $as_root env DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends chromium; } >"$log" 2>&1; then
    say "done: $(chromium --version 2>/dev/null || echo chromium)"
else
    tail -n 5 "$log" | sed 's/^/[browser] | /'
    say "chromium could not be installed; the tests that need one will skip"
fi
