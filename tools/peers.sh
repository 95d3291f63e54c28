#!/bin/sh
# Install what tests compare with beside Debian's packages: onnxruntime, the
# pinned version, into build/peers. Its install script would fetch a GPU
# library; the CPU's is in the package. A test skips itself where this failed.
set -eu
cd "$(dirname "$0")/.."

name=onnxruntime-node
version=1.17.3
dir=build/peers

installed=$(sed -n 's/^ *"version": "\(.*\)",*$/\1/p' \
    "$dir/node_modules/$name/package.json" 2>/dev/null || true)
[ "$installed" != "$version" ] || exit 0

mkdir -p "$dir"
if ! npm install --prefix "$dir" --ignore-scripts --no-save --no-audit \
    --no-fund --loglevel=error "$name@$version" >"$dir/npm.log" 2>&1; then
    tail -n 5 "$dir/npm.log" >&2
    echo "peers: npm could not install $name $version; its test is skipped" >&2
fi
