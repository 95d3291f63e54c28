#!/bin/sh
# nash search --auto-flip: flip.sh PROGRAM
here=$(cd "${0%/*}" && pwd)
# shellcheck source=tests/verbs.sh
. "$here/verbs.sh"

# sided N NAME A B C: N grey images of 8 x 8 in three classes, as IDX in data/,
# a row of a class like "oooo####", the # bright by 8 and 200 in turn
sided()
{
    count=$(printf '\\000\\000\\000\\%03o' "$1")
    {
        printf '\000\000\010\003%b\000\000\000\010\000\000\000\010' "$count"
        i=0
        while [ $i -lt "$1" ]; do
            case $((i % 3)) in 0) row=$3 ;; 1) row=$4 ;; *) row=$5 ;; esac
            bright=$(printf %03o $((150 + i % 100)))
            printf %s "$row$row$row$row$row$row$row$row" |
                tr 'o#' "\\$(printf %03o $((i % 20)))\\$bright"
            i=$((i + 1))
        done
    } >"data/$2-images-idx3-ubyte"
    {
        printf '\000\000\010\001%b' "$count"
        i=0
        while [ $i -lt "$1" ]; do
            printf '%b' "\\0$(printf %03o $((i % 3)))"
            i=$((i + 1))
        done
    } >"data/$2-labels-idx1-ubyte"
}

# search RUN OPTIONS...
search()
{
    run=$1
    shift
    "$nash" search data -o "$run" "$@" --preset smoke --widths 8,8 --batch 16 --pad 0 \
        --start-epochs 20 --seed 5 --final-threads 1 --auto-flip yes
}

mkdir data

# left and right are classes of their own
sided 90 train 'oooo####' '####oooo' 'oooooooo'
sided 30 t10k 'oooo####' '####oooo' 'oooooooo'
expect 0 'training uses no mirror images' search sided
grep -q 'one look' out && fail "mirror images, though it never saw any"
sqlite3 sided/run.db "DELETE FROM setting WHERE key = 'finished';
    DELETE FROM choice WHERE step > 0; DELETE FROM outcome WHERE step > 0"
cp sided/best.onnx before.onnx
expect 0 'result' "$nash" resume sided
cmp sided/best.onnx before.onnx || fail "resumed, it decides otherwise"

# whoever says it knows better
expect 0 'result' search told --flip yes
grep -q 'mirror images: ' out && fail "--flip yes is doubted"
grep -q '^result, mirror image too ' out || fail "the result looks once"

# they are not
rm -r data/*
sided 90 train 'oo####oo' '##oooo##' 'oooooooo'
sided 30 t10k 'oo####oo' '##oooo##' 'oooooooo'
expect 0 'training uses both' search symmetric
grep -q '^result, mirror image too ' out || fail "the result looks once"
