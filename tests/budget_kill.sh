#!/bin/sh
# What killed processes had spent is on record, for budgets of time: budget_kill.sh PROGRAM
here=$(cd "${0%/*}" && pwd)
# shellcheck source=tests/verbs.sh
. "$here/verbs.sh"
# shellcheck source=tests/small_search.sh
. "$here/small_search.sh"
command -v sqlite3 >/dev/null || { echo "skipped: no sqlite3"; exit 77; }

set -- 0 1 2 3 4 5 6 7 8 9
rm -r data
cifar "$* $* $*"

noted()
{
    sqlite3 run/run.db "SELECT CAST(value AS INTEGER) FROM setting
        WHERE key = 'seconds'" 2>/dev/null || true
}

# killed_after SECONDS COMMAND...: when so many are on record
killed_after()
{
    wanted=$1 tries=0
    shift
    "$@" >out 2>&1 &
    while [ "$(noted)" -lt "$wanted" ] 2>/dev/null || [ -z "$(noted)" ]; do
        tries=$((tries + 1))
        [ $tries -lt 1200 ] || fail "no $wanted s on record: $(noted)"
        sleep 0.1
    done
    kill -KILL $!
    wait $! 2>/dev/null && fail "it was done too early: $(cat out)"
    check_orphans run
}

# The final training has begun by then, and lasts to the end of the budget.
killed_after 15 "$nash" search data -o run --preset smoke --batch 16 \
    --widths 32,64,128 --steps 1 --budget 40s --final-threads 1 \
    --checkpoint-every 2
killed_after 25 "$nash" resume run
expect 0 'best.onnx' "$nash" resume run
[ "$(noted)" -ge 25 ] || fail "what killed processes spent is forgotten"
