# shellcheck shell=sh disable=SC2034
# Sourced by the tests of verbs: a scratch folder that goes away, `nash`, and
# two checks. Call as NAME.sh PROGRAM.
set -eu
nash=$(realpath "$1")
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
me=${0##*/}
cd "$dir"

fail()
{
    echo "$me: $*" >&2
    exit 1
}

# expect STATUS WORDS COMMAND...: it ends with that status and says the words
expect()
{
    wanted=$1 words=$2 status=0
    shift 2
    "$@" >out 2>&1 || status=$?
    [ "$status" = "$wanted" ] || fail "$* ended with $status: $(cat out)"
    grep -qF -- "$words" out || fail "$* does not say '$words': $(cat out)"
}

# cifar LABELS: a set in data/ in CIFAR-10's format, an image per label in every
# file, class k painted in one grey
cifar()
{
    mkdir data
    for file in data_batch_1 data_batch_2 data_batch_3 data_batch_4 \
        data_batch_5 test_batch; do
        for i in $1; do
            printf "\\$(printf %03o "$i")"
            printf '%3072s' '' | tr ' ' "\\$(printf %03o $((20 + 23 * i)))"
        done >"data/$file.bin"
    done
}
