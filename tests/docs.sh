#!/bin/sh
# Run the command blocks of a page, as a reader would: docs.sh PAGE.md
#
# Every ```sh block runs, in order, in one shell that stops at the first
# failure, in a scratch folder that looks like the checkout (build/, data/ and
# the sources are links; runs/ is fresh). A comment line before a block,
#     <!-- budget: SED-SCRIPT -->
# shortens a long command by editing it; `s/.*//` would empty it and is refused.
set -eu
page=$1
root=$(cd "$(dirname "$0")/.." && pwd)
program=${NASH_PROGRAM:-$root/build/nash}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

mkdir -p "$root/data"
for entry in "$root"/*; do
    case ${entry##*/} in
    build* | runs) ;;
    *) ln -s "$entry" "$scratch/" ;;
    esac
done
mkdir "$scratch/build" "$scratch/runs"
ln -s "$program" "$scratch/build/nash"

awk -v out="$scratch/block" '
    /^<!-- budget: .* -->$/ { edit = $0; sub(/^<!-- budget: /, "", edit); sub(/ -->$/, "", edit) }
    /^```/ && inside { inside = 0; close(file); next }
    /^```sh$/ {
        inside = 1; file = sprintf("%s-%03d.sh", out, ++n)
        printf "" > file
        if (edit != "") { print edit > (file ".sed"); close(file ".sed"); edit = "" }
        next
    }
    inside { print > file }
' "$root/$page"

cd "$scratch"
blocks=0
for block in block-*.sh; do
    [ -e "$block" ] || break
    if [ -e "$block.sed" ]; then
        sed -f "$block.sed" "$block" >edited.sh
        if ! grep -q '[^[:space:]]' edited.sh || cmp -s edited.sh "$block"; then
            echo "$page: the budget of block $block empties it or changes nothing" >&2
            exit 1
        fi
        mv edited.sh "$block"
    fi
    echo "--- $page, block $((blocks + 1))"
    cat "$block"
    echo "---"
    sh -eu "$block"
    blocks=$((blocks + 1))
done
if [ "$blocks" = 0 ]; then
    echo "$page has no command block" >&2
    exit 1
fi
echo "$page: $blocks blocks ran"
