#!/bin/sh
# nash search, resume and candidate from the outside: search_verbs.sh PROGRAM
here=$(cd "${0%/*}" && pwd)
# shellcheck source=tests/verbs.sh
. "$here/verbs.sh"
# shellcheck source=tests/small_search.sh
. "$here/small_search.sh"

# every verb says what it takes
for verb in fetch data search resume train eval predict morph show report \
    bench candidate; do
    expect 0 "usage: nash $verb " "$nash" $verb --help
done

# how many candidates of its two steps a run keeps
kept() { find "$1"/candidates/000[12]-* -name trained.onnx | wc -l; }

# search RUN OPTIONS...
search()
{
    run=$1
    shift
    small "$nash" search data -o "$run" "$@"
}

# a whole search, twice, and once with its candidates one after another
expect 0 'a/best.onnx' search a --jobs 2
grep -q '^step 1: candidate .* wins (least loss)$' out ||
    fail "the winner without a reason: $(cat out)"
grep -q '^1-0 .* parameters  .* MACs  1 epoch in ' out ||
    fail "no line for a candidate: $(cat out)"
grep -q '^starting network ' out || fail "no summary: $(cat out)"
grep -q '0 failed; [0-9.]* GFLOP in ' out || fail "no cost: $(cat out)"
grep -q '^result, one look ' out && grep -q '^result, 6 looks ' out ||
    fail "the result is not judged by one look and by all: $(cat out)"
[ -s a/report.html ] || fail "no report"
[ -s a/candidates/0000-00/trained.onnx ] || fail "the start's weights are gone"
[ "$(kept a)" = 2 ] || fail "losers are kept"
expect 0 '"test_images": 30' search b --jobs 1 --json --keep-all
same a b
[ "$(kept b)" = 6 ] || fail "--keep-all keeps not all"
expect 0 'test images' "$nash" eval a/best.onnx data
expect 0 'two ways, and their mirror images, which takes 6 times as many' \
    "$nash" show a/best.onnx
grep -q '"test_error"' a/best.onnx || fail "the result does not say its error"
grep -qF "$dir" a/best.onnx && fail "a path is in the result"

# interrupted once by a signal and once by force, then resumed
expect 0 'best.onnx' search whole --epochs 150
small exec "$nash" search data -o torn --epochs 150 >/dev/null 2>stopped &
pid=$!
while ! ls torn/candidates/0001-* >/dev/null 2>&1; do sleep 0.05; done
expect 1 'is in use by process' "$nash" resume torn
expect 0 'preset smoke, seed 5: running' "$nash" show torn
kill -TERM $pid
wait $pid && fail "a stopped search ends with 0"
grep -q "'nash resume torn' goes on" stopped || fail "no hint: $(cat stopped)"
expect 0 "; 'nash resume torn' goes on" "$nash" show torn
head -1 out | grep -q ', preset smoke, seed 5: stopped in step [12]; ' ||
    fail "not the run's state: $(cat out)"
grep -q '^[12]-[0-2] .* - *- *not finished$' out ||
    fail "unfinished candidates have a cost: $(cat out)"
"$nash" resume torn >/dev/null 2>&1 &
pid=$!
while ! ls torn/candidates/0002-* >/dev/null 2>&1; do sleep 0.05; done
kill -KILL $pid
wait $pid 2>/dev/null || true
expect 0 'best.onnx' "$nash" resume torn
same whole torn
expect 0 'torn is finished' "$nash" resume torn

# the ablations, snapshots, and a network to start from
expect 0 'wins (largest within 1.5 % of the least error)' search tied \
    --tie 0.015 --criterion error
expect 0 'result' search random --strategy random --flip no
grep -q '^result, 3 looks ' out || fail "mirror images, though it never saw any"
expect 0 'ensemble of 2 snapshots' search snapshots --final-epochs 4 \
    --snapshots 2
expect 0 'result' "$nash" search data -o ablation --preset smoke --batch 16 \
    --final-threads 1 --inherit no --schedule constant --init a/best.onnx \
    --steps 1
"$nash" search data -o learned --preset smoke --steps 0 --start-epochs 0 \
    --final-epochs 0 --init a/best.onnx >out 2>&1 ||
    fail "--init: $(cat out)"
grep -q 'a/best.onnx has learned from images that are to' out ||
    fail "no word of images that the network has learned"
expect 0 'result' search baseline --steps 0
expect 0 'Every attempt' "$nash" show baseline
grep -q '^What was changed' out && fail "nothing was changed: $(cat out)"
expect 0 'result' search hidden --steps 0 --cutout 4 --final-cutout 4
expect 0 'result' search scratch --final-inherit no
cmp -s scratch/best.onnx a/best.onnx && fail "--final-inherit changes nothing"

# with a standard descriptor closed, nothing is said into the run's files
search mute --steps 0 >/dev/null 2>&- || fail "no search without standard error"
grep -qa judging mute/lock mute/run.db && fail "progress in the run's files"
search deaf --steps 0 >/dev/null 2>&1 <&- || fail "no search without input"
same mute deaf
status=0
search full --steps 0 2>out >&- || status=$?
[ $status = 1 ] && grep -q 'standard output cannot be written' out ||
    fail "without standard output: status $status, $(cat out)"
grep -qa 'test error' full/lock full/run.db && fail "results in the run's files"

# what goes wrong
expect 1 "'nash resume a' goes on" search a
expect 1 'is not empty' search data
expect 1 'none' "$nash" search none -o x
expect 2 '-o is missing' "$nash" search data
expect 2 "--output is ''" "$nash" search data -o ''
expect 2 '--widths is for new networks' search x --init a/best.onnx
expect 2 'one of fast, paper' "$nash" search data -o x --preset best
expect 2 '--neighbours' search x --neighbours 1
expect 2 '--snapshots is 9' search x --snapshots 9
expect 2 '--max-kernel is 4, expected an odd number' search x --max-kernel 4
expect 2 '--final-cutout is 2, expected at least the 4 of --cutout' search x \
    --cutout 4 --final-cutout 2
expect 2 '--shift does nothing without --pad' search x --pad 0 --shift yes
expect 1 'more than the 0.0 MiB it may have' search y --max-memory 1K
[ ! -e y ] || fail "a network that is too large leaves a directory"
expect 1 'not finite' search z --lr-start 1e3 \
    --momentum 0.999 --start-epochs 100
expect 1 'for validation leaves' search x --val-share 0.001
expect 2 'expected a number above 0' search x --budget 0h
expect 2 'with s, m, min, h, d, PFLOP or epochs after it' search x --budget 60
expect 2 'at most 1e12 s' search x --budget 1e9h
# a sum of times, the last of minutes: 47 of them make it pass 1e12 seconds
for budget in 2h-30 2h30h 30min2h 1h2PFLOP 2PFLOP30 30min15 2h30x 1hh \
    277777777h47; do
    expect 2 "is '$budget', expected" search x --budget $budget
done
for budget in 277777777h46 '1d 2h30min' 0.5h30m1s; do
    expect 1 'more than the 0.0 MiB' search y --budget "$budget" \
        --max-memory 1K
done
expect 1 'the shortest training, with starting and judging, takes' \
    search poor --budget 0.4s
expect 1 'is too small' search poor --budget 1epochs
expect 1 'cut off before it began' "$nash" resume poor
expect 0 'result' search poor --budget 4epochs
expect 1 'holds no run.db' "$nash" resume data
expect 1 'holds no job.json' "$nash" candidate data
# images fewer or smaller than the presets are meant for
setting() {
    "$nash" show --json "$1" | sed -n "s/.*\"$2\": \"\([^\"]*\)\".*/\1/p"
}
none="--threads 1 --widths 4,6,8 --budget none --steps 0 --final-epochs 0"
expect 0 'result' "$nash" search data -o many $none --start-epochs 1
[ "$(setting many epochs) $(setting many cycle)" = "750 250" ] ||
    fail "fast has $(setting many epochs) epochs of 72 images"
[ "$(setting many start_epochs)" = 1 ] || fail "given epochs became more"
[ "$(setting many tie)" = 0 ] ||
    fail "of few images the largest of equals wins, by $(setting many tie)"
[ -z "$(setting many budget_unit)" ] || fail "a budget's unit without one"
[ "$(setting many pad)" = 1 ] || fail "$(setting many pad) pixels of 8 as pad"
expect 0 'result' "$nash" search data -o few $none --start-epochs 1 --cycle 2 \
    --size 16 --tie 0.01
[ "$(setting few tie)" = 0.01 ] || fail "a tie that is given is changed"
[ "$(setting few epochs)" = 3 ] || fail "cosines that are given became more"
[ "$(setting few pad)" = 2 ] || fail "$(setting few pad) pixels of 16 as pad"
expect 0 'result' "$nash" search data -o own $none --start-epochs 1 \
    --size 16x20 --pad 4
[ "$(setting own pad)" = 4 ] || fail "a pad that is given is changed"

# a starting network that suits the budget, unless it is given
small="--threads 1 --final-threads 1 --budget 1e-5PFLOP"
expect 0 'narrower starting network: --widths 16,32,64,80' \
    "$nash" search data -o narrow $small
[ "$(setting narrow widths)" = 16,32,64,80 ] || fail "other widths recorded"
[ "$(setting narrow budget_unit)" = PFLOP ] || fail "no unit of the budget"
expect 0 'result' "$nash" search data -o wide $small --widths 32,32
[ "$(setting wide widths)" = 32,32 ] || fail "widths that are given are changed"

# of many images candidates see a part, and the result all of them
expect 0 'result' "$nash" search data -o part --preset smoke --widths 4,4,6 \
    --batch 16 --steps 1 --climb-images 30 --final-threads 1
[ "$(sqlite3 part/run.db "SELECT DISTINCT images, val_images FROM outcome
    ORDER BY step" | tr '\n' ' ')" = '30|7 90|0 ' ] ||
    fail "not 30 of 72 images: $(sqlite3 part/run.db 'SELECT * FROM outcome')"

# and the caps, below which no morphism brings a network
expect 0 '--max-params, a narrower starting network: --widths 16,32,64,80' \
    "$nash" search data -o capped --threads 1 --budget none --steps 0 \
    --start-epochs 0 --final-epochs 0 --max-params 150k
expect 1 'parameters, more than the 100 of --max-params: --widths' \
    search x --max-params 100
expect 1 'an image, more than the 1.0 k of --max-macs: --widths' \
    search x --max-macs 1k
expect 1 'parameters, more than the 100 of --max-params: --widths' \
    "$nash" search data -o x --preset fast --max-params 100

[ ! -e x ] || fail "a search that was refused leaves a directory"
