#!/bin/sh
# A budget of time counts what killed processes had spent: budget_kill.sh PROGRAM
here=$(cd "${0%/*}" && pwd)
# shellcheck source=tests/verbs.sh
. "$here/verbs.sh"
# shellcheck source=tests/small_search.sh
. "$here/small_search.sh"
command -v sqlite3 >/dev/null || { echo "skipped: no sqlite3"; exit 77; }

set -- 0 1 2 3 4 5 6 7 8 9
rm -r data
cifar "$* $* $*"

# the time is recorded every 5 s, so a kill forgets little more than that
killed=14 budget=40 began=$(date +%s)
timeout -s KILL $killed "$nash" search data -o run --preset smoke --batch 16 \
    --widths 32,64,128 --steps 1 --budget ${budget}s --final-threads 1 \
    --checkpoint-every 2 >out 2>&1 && fail "it was not killed: $(cat out)"
timeout -s KILL $killed "$nash" resume run >out 2>&1 && fail "nor was it now"
check_orphans run
noted=$(sqlite3 run/run.db "SELECT CAST(value AS REAL) FROM setting
    WHERE key = 'seconds'")
expect 0 'best.onnx' "$nash" resume run
took=$(($(date +%s) - began))
awk "BEGIN { exit !($noted >= 14 && $noted <= 2 * $killed) }" ||
    fail "after $((2 * killed)) s, $noted s were on record"
[ $took -le $((budget + 20)) ] ||
    fail "killed twice, a budget of $budget s took $took s"
