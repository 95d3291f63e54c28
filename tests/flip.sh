#!/bin/sh
# nash search --auto-flip: flip.sh PROGRAM
here=$(cd "${0%/*}" && pwd)
# shellcheck source=tests/verbs.sh
. "$here/verbs.sh"
# shellcheck source=tests/small_search.sh
. "$here/small_search.sh"

# sided ROW0 ROW1 ROW2 I: a class has a row of its own, like "oooo####", and an
# image its greys for o and #
sided()
{
    case $(($4 % 3)) in 0) row=$1 ;; 1) row=$2 ;; *) row=$3 ;; esac
    printf %s "$row$row$row$row$row$row$row$row" |
        tr 'o#' "\\$(printf %03o $(($4 % 20)))\\$(printf %03o $((150 + $4 % 100)))"
}

# search RUN OPTIONS...
search()
{
    run=$1
    shift
    "$nash" search data -o "$run" "$@" --preset smoke --widths 8,8 --batch 16 \
        --pad 0 --start-epochs 20 --seed 5 --final-threads 1 --auto-flip yes
}

# left and right are classes of their own
set_of 90 train sided 'oooo####' '####oooo' 'oooooooo'
set_of 30 t10k sided 'oooo####' '####oooo' 'oooooooo'
expect 0 'training uses no mirror images' search sided
grep -q 'one look' out && fail "mirror images, though it never saw any"
grep -q '^30 of 30 test images equal training images' out ||
    fail "repeated test images are not counted: $(cat out)"
sqlite3 sided/run.db "DELETE FROM setting WHERE key = 'finished';
    DELETE FROM choice WHERE step > 0; DELETE FROM outcome WHERE step > 0"
cp sided/best.onnx before.onnx
expect 0 'result' "$nash" resume sided
cmp sided/best.onnx before.onnx || fail "resumed, it decides otherwise"

# whoever says it knows better
expect 0 'result' search told --flip yes
grep -q 'mirror images: ' out && fail "--flip yes is doubted"
grep -q '^result, 2 looks ' out || fail "the result looks once"

# they are not
set_of 90 train sided 'oo####oo' '##oooo##' 'oooooooo'
set_of 30 t10k sided 'oo####oo' '##oooo##' 'oooooooo'
expect 0 'training uses both' search symmetric
grep -q '^result, 2 looks ' out || fail "the result looks once"

# who has learned nothing cannot tell, and who learns it later is asked later
expect 0 ' of them; training uses no mirror images so far (--flip yes does)' \
    "$nash" search data \
    -o ignorant --preset smoke --batch 16 --threads 1 --final-threads 1 \
    --start-epochs 0 --steps 0 --auto-flip yes
later()
{
    "$@" --preset smoke --widths 8,8 --batch 16 --pad 0 --seed 5 \
        --final-threads 1 --auto-flip yes --start-epochs 0 --steps 2 \
        --epochs 200 --final-epochs 3
}
expect 0 'training uses no mirror images so far' \
    later "$nash" search data -o later
grep -q 'training uses both$' out || fail "it is not asked again: $(cat out)"
grep -q '^result, 2 looks ' out || fail "the result looks once"
later exec "$nash" search data -o again >/dev/null 2>&1 &
pid=$!
while ! ls again/candidates/0001-* >/dev/null 2>&1; do sleep 0.05; done
kill -KILL $pid
wait $pid && fail "a killed search ends with 0"
expect 0 'training uses both' "$nash" resume again
cmp later/best.onnx again/best.onnx || fail "resumed, it decides otherwise"
