#!/bin/sh
# install.sh SOURCE: what `make install` would run. Nothing is installed here.
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
