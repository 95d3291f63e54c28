#!/bin/sh
# Install what a group of tools/packages.txt names, if it is not there yet:
#   tools/setup.sh build [test] [lint]
# Also npm, which data sets and a test peer come through. Asks for root only
# when something is missing.
set -eu
cd "$(dirname "$0")/.."

if ! command -v dpkg-query >/dev/null 2>&1; then
    echo "setup: this is not Debian; what is needed stands in" \
        "tools/packages.txt, and is taken to be there" >&2
    exit 0
fi
wanted=
for group in "$@"; do
    wanted="$wanted $(sed -n "s/^$group  *//p" tools/packages.txt | tr '\n' ' ')"
done
missing=
for package in $wanted; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null |
        grep -q '^install ok installed' || missing="$missing $package"
done
npm=
command -v npm >/dev/null 2>&1 || npm="nodejs npm"
[ -n "$missing$npm" ] || exit 0

# Nothing that is built needs npm, so that a machine whose Node.js is another
# one than Debian's can do without.
without()
{
    [ -z "$missing" ] || exit 1
    echo "setup: without npm, 'nash fetch cifar10' has no way to its images" >&2
    exit 0
}

if ! command -v apt-get >/dev/null 2>&1; then
    echo "setup: apt-get is not here; install these by hand:$missing $npm" >&2
    without
fi
root=
if [ "$(id -u)" != 0 ]; then
    if ! command -v sudo >/dev/null 2>&1; then
        echo "setup: run as root: apt-get install$missing $npm" >&2
        without
    fi
    root=sudo
fi
log=$(mktemp)
trap 'rm -f "$log"' EXIT

install()
{
    echo "installing:" "$@"
    $root env DEBIAN_FRONTEND=noninteractive \
        apt-get -o DPkg::Lock::Timeout=300 install -y --no-install-recommends \
        "$@" >>"$log" 2>&1 && return
    tail -n 20 "$log" >&2
    echo "setup: apt-get could not install:" "$@" >&2
    return 1
}

# An update that fails shows in what cannot be installed then.
$root apt-get update >"$log" 2>&1 || true
# shellcheck disable=SC2086
[ -z "$missing" ] || install $missing
missing=
# shellcheck disable=SC2086
[ -z "$npm" ] || install $npm || without
