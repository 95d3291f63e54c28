#!/bin/sh
# Run the command blocks of a page, as a reader would: docs.sh PAGE.md
#
# Every ```sh block runs, in order, in one shell that stops at the first
# failure, in a scratch folder that looks like the checkout (build/, data/ and
# the sources are links; runs/ is fresh; photos/, new/ and new.jpg are made). A comment line before a block,
#     <!-- budget: SED-SCRIPT -->
# shortens a long command by editing it; `s/.*//` would empty it and is refused.
#
# With NASH_PAGE_DATA=made the data sets are small made ones, nothing is fetched,
# and morphisms are checked on fewer images: for builds that are many times
# slower, as under the sanitizers.
set -eu
page=$1
root=$(cd "$(dirname "$0")/.." && pwd)
program=${NASH_PROGRAM:-$root/build/nash}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# grey BYTES K: so many of class K's grey, a little different for each
grey() { printf "%${1}s" '' | tr ' ' "\\$(printf %03o "$2")"; }

# made DIRECTORY: what `nash fetch` leaves, of 100 images a file
made()
{
    mkdir -p "$1/cifar10" "$1/fashion-mnist"
    for file in data_batch_1 data_batch_2 data_batch_3 data_batch_4 \
        data_batch_5 test_batch; do
        i=0
        while [ $i -lt 100 ]; do
            printf "\\$(printf %03o $((i % 10)))"
            grey 3072 $((20 * (i % 10) + i / 10))
            i=$((i + 1))
        done >"$1/cifar10/$file.bin"
    done
    printf '%s\n' airplane automobile bird cat deer dog frog horse ship truck \
        >"$1/cifar10/batches.meta.txt"
    for part in train t10k; do
        i=0
        while [ $i -lt 100 ]; do
            grey 784 $((20 * (i % 10) + i / 10)) >&3
            printf "\\$(printf %03o $((i % 10)))" >&4
            i=$((i + 1))
        done 3>"$scratch/pixels" 4>"$scratch/labels"
        {
            printf '\000\000\010\003\000\000\000\144'
            printf '\000\000\000\034\000\000\000\034'
            cat "$scratch/pixels"
        } >"$1/fashion-mnist/$part-images-idx3-ubyte"
        {
            printf '\000\000\010\001\000\000\000\144'
            cat "$scratch/labels"
        } >"$1/fashion-mnist/$part-labels-idx1-ubyte"
    done
}

# photos DIRECTORY: pictures of two classes, and new ones
photos()
{
    /usr/bin/python3 "$root/tests/photos.py" "$1/photos" 40
    /usr/bin/python3 "$root/tests/photos.py" "$1/new" 4
    cp "$1/new/owl/0.png" "$1/new.jpg"
}

mkdir -p "$root/data"
for entry in "$root"/*; do
    case ${entry##*/} in
    build* | runs) ;;
    *) ln -s "$entry" "$scratch/" ;;
    esac
done
mkdir "$scratch/build" "$scratch/runs"
if [ "${NASH_PAGE_DATA:-}" = made ]; then
    rm "$scratch/data"
    made "$scratch/data"
    cat >"$scratch/build/nash" <<EOF
#!/bin/sh
case \$1 in
fetch) ;;
morph) exec "$program" "\$@" --images 32 ;;
*) exec "$program" "\$@" ;;
esac
EOF
    chmod +x "$scratch/build/nash"
else
    ln -s "$program" "$scratch/build/nash"
fi

photos "$scratch"

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
