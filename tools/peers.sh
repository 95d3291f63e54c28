#!/bin/sh
# Install what tests compare with beside Debian's packages: onnxruntime for Node
# and for browsers, the pinned version, into build/peers. The former's install
# script would fetch a GPU library; the CPU's is in the package. A test skips
# itself where this failed.
set -eu
cd "$(dirname "$0")/.."

version=1.17.3
dir=build/peers

installed()
{
    sed -n 's/^ *"version": "\(.*\)",*$/\1/p' \
        "$dir/node_modules/$1/package.json" 2>/dev/null || true
}
[ "$(installed onnxruntime-node)" != $version ] ||
    [ "$(installed onnxruntime-web)" != $version ] || exit 0

mkdir -p "$dir"
if ! npm install --prefix "$dir" --ignore-scripts --no-save --no-audit \
    --no-fund --loglevel=error onnxruntime-node@$version \
    onnxruntime-web@$version >"$dir/npm.log" 2>&1; then
    tail -n 5 "$dir/npm.log" >&2
    echo "peers: npm could not install onnxruntime $version; its tests are" \
        "skipped" >&2
fi
