#!/bin/sh
# install.sh SOURCE: what `make install` would run, and what a command that
# fails leaves. Nothing is installed here.
set -eu
cd "$1"
unset MAKEFLAGS PREFIX

fail()
{
    echo "install.sh: $*" >&2
    exit 1
}

make -n install PREFIX="/opt/my nash" |
    grep -qx 'cmake --install build --prefix "/opt/my nash"' ||
    fail "PREFIX is not passed on"
make -n install | grep -qx 'cmake --install build *' ||
    fail "an installation without PREFIX is not where CMake puts it"

# a command that fails is shown, and its log goes
logs=$(mktemp -d)
printf 'include Makefile\nbroken:\n\t@$(call quiet, ls /nowhere)\n' \
    >"$logs/broken.mk"
TMPDIR=$logs make -f "$logs/broken.mk" broken >"$logs/said" 2>&1 &&
    fail "a command that fails does not fail"
grep -q '/nowhere' "$logs/said" || fail "what it said is lost"
rm "$logs/broken.mk" "$logs/said"
rmdir "$logs" || fail "its log is left in $logs"
