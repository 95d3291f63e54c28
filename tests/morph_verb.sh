#!/bin/sh
# nash morph from the outside: morph_verb.sh PROGRAM
# shellcheck source=tests/verbs.sh
. "${0%/*}/verbs.sh"

cifar "0 1 2 3 4 5 6 7 8 9 0 1"
"$nash" train start data --widths 4,6,8 --batch 16 --threads 1 --epochs 1 \
    -o m.onnx >out
few="--images 24 --batch 8 --threads 1"

expect 0 'inference  0 (0 of' "$nash" morph m.onnx widen:at=conv_2,factor=4 \
    relu:at=relu_4 add_skip:at=relu_8,from=normalize_1 -o a.onnx $few
grep -qF 'noise images (no --data was given)' out || fail "noise is not told"
grep -qF 'training   0 (0 of' out || fail "exact morphisms deviate: $(cat out)"
grep -q nash.scores m.onnx || fail "the trained parent has no scores"
grep -q nash.scores a.onnx && fail "a child has its parent's scores"
expect 0 '24 augmented training images' "$nash" morph m.onnx \
    deepen:at=relu_4,kernel=5 --data data -o b.onnx $few

# nodes that a morphism has made can be named by the next one, or the next run
expect 0 'concat_skip:at=conv_' "$nash" morph a.onnx conv:at=relu_4 \
    concat_skip:at=conv_20,from=relu_4 -o c.onnx $few

# equal seeds give equal files, others do not
for seed in 1 1 2; do
    expect 0 'inference' "$nash" morph m.onnx --random 6 --seed $seed \
        --kinds all --mode pair --max-macs 32.3M -o "r$seed.onnx" $few
    if [ -f kept ]; then
        [ $seed = 2 ] || cmp kept r1.onnx || fail "equal seeds, unequal files"
        [ $seed = 1 ] || ! cmp -s kept r2.onnx || fail "the seed does nothing"
    fi
    cp "r$seed.onnx" kept
done
expect 0 '"inference": ' "$nash" morph m.onnx --random 3 --json -o j.onnx $few
for key in morphisms params_before macs_before refused training n_images; do
    grep -q "\"$key\":" out || fail "morph --json has no $key"
done
expect 0 'error' "$nash" eval r2.onnx data

# the chances and limits of a search's draws
expect 0 'inference' "$nash" morph m.onnx --random 6 --skip-share 1 -o s.onnx $few
grep -q '^deepen\|^widen' out && fail "not skips alone: $(cat out)"
expect 0 'inference' "$nash" morph m.onnx --random 6 --kinds deepen \
    --max-kernel 1 -o s.onnx $few
[ "$(grep -c '^deepen:.*kernel=1' out)" = 6 ] || fail "larger kernels: $(cat out)"
expect 1 'times as wide as the layers around it, more than the 1 allowed' \
    "$nash" morph m.onnx --random 20 --kinds widen --max-expansion 1 -o x.onnx $few
for share in 0 0.1; do
    expect 0 'inference' "$nash" morph m.onnx --random 20 --kinds deepen \
        --max-share $share -o s.onnx $few
    grep -q '^draws refused: deepen' out && refused=yes || refused=no
    [ "$share $refused" = '0 no' ] || [ "$share $refused" = '0.1 yes' ] ||
        fail "refused with --max-share $share: $refused"
done

expect 1 'relu:at=conv_2 is refused: conv_2 may be negative' \
    "$nash" morph m.onnx widen:at=conv_2 relu:at=conv_2 -o x.onnx $few
expect 1 'none of 1000 draws' "$nash" morph m.onnx --random 1 --max-params 5 \
    -o x.onnx $few
expect 1 'none.onnx' "$nash" morph none.onnx relu:at=relu_4 -o x.onnx
expect 2 'names no node' "$nash" morph m.onnx relu:at=relu_99 -o x.onnx $few
expect 2 '"twist" is no morphism' "$nash" morph m.onnx twist:at=4 -o x.onnx $few
kinds=$(sed -n 's/.*expected one of //p' out | tr -d ,)
case $kinds in conv*deepen) ;; *) fail "not all kinds: $(cat out)" ;; esac
"$nash" morph --help >help
for kind in $kinds; do
    grep -q "^  $kind:at=NODE" help || fail "morph --help has no $kind"
done
expect 2 'nothing to apply' "$nash" morph m.onnx -o x.onnx
expect 2 'are for --random' "$nash" morph m.onnx relu:at=relu_4 --max-share 0.5 \
    -o x.onnx
expect 2 '--max-kernel is 4' "$nash" morph m.onnx --random 1 --max-kernel 4 \
    -o x.onnx
expect 2 '-o is missing' "$nash" morph m.onnx relu:at=relu_4
expect 2 "--kinds has 'twist'" "$nash" morph m.onnx --random 1 \
    --kinds widen,twist -o x.onnx
[ ! -e x.onnx ] || fail "a failure left a file"
echo "morph_verb.sh: all as expected"
