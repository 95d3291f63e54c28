#!/bin/sh
# nash show and report from the outside: show_verbs.sh PROGRAM
# shellcheck source=tests/verbs.sh
. "${0%/*}/verbs.sh"

cifar "0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9"
expect 0 'report' "$nash" search data -o run --preset smoke --steps 1 \
    --neighbours 3 --widths 4,6,8 --batch 16 --seed 3 --jobs 1 \
    --threads 1 --final-threads 1 --max-memory 1G

# a model
expect 0 'global_pool_13' "$nash" show run/start.onnx
expect 0 '16 layers, 10 classes' "$nash" show run/start.onnx
expect 0 ', test_loss ' "$nash" show run/best.onnx
grep '^nash.scores: ' out | grep -q '[{"]\|\.\.\.$' &&
    fail "scores are hard to read: $(cat out)"
expect 0 '"graph_hash"' "$nash" show --json run/best.onnx
expect 0 'graph.svg' "$nash" show run/best.onnx --svg graph.svg
grep -q '^<svg .*http://www.w3.org/2000/svg' graph.svg || fail "no drawing"

# a run
expect 0 'Every attempt' "$nash" show run
[ "$(head -1 out)" = 'cifar10, preset smoke, seed 3: finished' ] ||
    fail "not the run's state: $(head -1 out)"
grep -q '^What was changed' out || fail "no changes: $(cat out)"
expect 0 '"state": "finished"' "$nash" show run --json
expect 0 'unmorphed' "$nash" show run
expect 0 'Test error of the result' "$nash" show run
grep -q '^Test loss of the result: [0-9]*\.[0-9]*$' out ||
    fail "no test loss: $(cat out)"
expect 0 '"kind": "final"' "$nash" show run --json
expect 0 'lineage.svg' "$nash" show run --svg lineage.svg
grep -q '<g class="n-won"' lineage.svg || fail "no winner in the lineage"

# a stranger's record does not reach the terminal
cp -r run strange
sqlite3 strange/run.db "UPDATE setting SET value = 'x' || char(27) || '[31m'
        WHERE key = 'preset';
    INSERT INTO setting VALUES ('ensemble_test_error', '0.0625');
    UPDATE morphism SET text = char(27) || '[2J';
    UPDATE outcome SET status = 'NASH_ECHILD', message = char(7) || 'bell'
        WHERE step = 1 AND child = 0"
expect 0 '?bell' "$nash" show strange
grep -q '^Test error of the ensemble of snapshots: 6.25 %$' out ||
    fail "no ensemble: $(cat out)"
grep -q 'preset x?\[31m' out || fail "not the preset: $(head -1 out)"
grep -q "[$(printf '\007\033')]" out && fail "controls: $(cat out)"

# its page, also without a result
rm run/report.html
expect 0 'run/report.html' "$nash" report run
grep -q 'The resulting network' run/report.html || fail "no network in the page"
mkdir begun
cp run/run.db begun
expect 0 'page.html' "$nash" report begun -o page.html
grep -q 'There is no result yet' page.html || fail "a result from nowhere"

# mistakes
expect 1 'nothing' "$nash" show nothing
expect 1 'run.db' "$nash" show data
expect 1 'run.db' "$nash" report data
expect 1 'data_batch_1.bin' "$nash" show data/data_batch_1.bin
expect 2 'exclude' "$nash" show run --json --svg x.svg
expect 1 '/nowhere/x.svg' "$nash" show run --svg /nowhere/x.svg
expect 1 '/nowhere/x.html' "$nash" report run -o /nowhere/x.html
echo rubbish >begun/best.onnx
expect 1 'begun/best.onnx' "$nash" report begun
expect 2 'MODEL' "$nash" show
