#!/bin/sh
# A search with a budget of time that is killed ends when its time is up, by the
# decisions it has recorded: budget_kill.sh PROGRAM [KILLS [SECONDS [SEED]]]
#
# Searches of SECONDS, whose coordinator is killed at random moments and resumed
# until the last is finished and so many kills were survived. If KILLS are said,
# time is held to the budget, 5 % more, and for each kill what was not on record
# yet and the start of the next process; otherwise, as in `make test`, it is only
# said, since any machine may be busy.
here=$(cd "${0%/*}" && pwd)
# shellcheck source=tests/verbs.sh
. "$here/verbs.sh"
# shellcheck source=tests/small_search.sh
. "$here/small_search.sh"
command -v sqlite3 >/dev/null || { echo "skipped: no sqlite3"; exit 77; }
wanted=${2:-2}
timed=${2:+yes}
budget=${3:-20}
seed=${4:-$$}
slack=4 # seconds a kill

set -- 0 1 2 3 4 5 6 7 8 9
rm -r data
cifar "$* $* $*"

# ask RUN SQL: not read-only, since a journal may have to be played back
ask() { [ ! -e "$1/run.db" ] || sqlite3 "$1/run.db" "$2" 2>/dev/null || true; }

decisions()
{
    ask "$1" "SELECT key, value FROM setting WHERE key GLOB 'pace_*' ORDER BY key"
}

now_ms() { date +%s%3N; }

# has_begun RUN: whether it can be resumed; before that, nothing is spent
has_begun()
{
    [ -n "$(ask "$1" "SELECT 1 FROM setting WHERE key = 'engine'")" ]
}

# begin RUN: in the background, as $pid; goes on where there is a run
begin()
{
    if has_begun "$1"; then
        "$nash" resume "$1" --checkpoint-every 0.5 >"$1.out" 2>&1 &
    else
        "$nash" search data -o "$1" --preset smoke --batch 16 \
            --widths 32,64,128 --budget "${budget}s" --final-threads 1 \
            --checkpoint-every 0.5 >"$1.out" 2>&1 &
    fi
    pid=$!
}

# check_decisions RUN: what was decided before stays so
check_decisions()
{
    decisions "$1" >"$1.now"
    [ -e "$1.pace" ] || cp "$1.now" "$1.pace"
    comm -23 "$1.pace" "$1.now" | (! grep .) ||
        fail "$1: decisions changed: $(cat "$1.pace" "$1.now")"
    mv "$1.now" "$1.pace"
}

# check_finished RUN MILLISECONDS KILLS: in time, and with a sound record
check_finished()
{
    grep -q 'best.onnx' "$1.out" || fail "$1: $(cat "$1.out")"
    check_orphans "$1"
    check_decisions "$1"
    most=$((budget * 1050 + $3 * slack * 1000))
    [ -z "$timed" ] || [ "$2" -le $most ] || fail "$1: $2 ms with $3 kills, at most $most"
    [ "$(ask "$1" 'PRAGMA integrity_check')" = ok ] || fail "$1: run.db"
    twice=$(ask "$1" "SELECT step, child, epoch FROM epoch
        GROUP BY step, child, epoch HAVING count(*) > 1
        UNION ALL SELECT step, child, -1 FROM outcome
        GROUP BY step, child HAVING count(*) > 1")
    [ -z "$twice" ] || fail "$1: rows that are there twice: $twice"
    rows=$(ask "$1" "SELECT count(*) FROM candidate LEFT JOIN outcome
        USING (step, child) WHERE outcome.status IS NOT 'NASH_OK'")
    [ "$rows" = 0 ] || fail "$1: $rows candidates without an outcome"
    [ "$(ask "$1" "SELECT value FROM setting WHERE key = 'finished'")" = yes ] ||
        fail "$1: not finished"
    left=$(find "$1" -name '*.tmp' -o -name 'state.safetensors*' | head)
    [ -z "$left" ] || fail "$1: a crash left $left"
}

survived=0 number=0
while [ $survived -lt "$wanted" ]; do
    number=$((number + 1)) kills=0 spent=0
    run=run-$number
    most_kills=$((wanted - survived < budget / 5 ? wanted - survived : budget / 5))
    while :; do
        started=$(now_ms)
        begin "$run"
        choose $((budget * 2000 / (most_kills + 1)))
        killer=
        if [ $kills -lt "$most_kills" ]; then
            { sleep "$((chosen / 1000)).$(printf %03d $((chosen % 1000)))"
              kill -KILL $pid 2>/dev/null; } &
            killer=$!
        fi
        status=0
        wait $pid 2>/dev/null || status=$?
        has_begun "$run" && spent=$((spent + $(now_ms) - started))
        [ -z "$killer" ] || kill $killer 2>/dev/null || true
        [ $status != 0 ] || break
        [ $status = 137 ] || fail "$run: status $status: $(cat "$run.out")"
        kills=$((kills + 1))
        [ ! -e "$run/run.db" ] || check_decisions "$run"
    done
    check_finished "$run" $spent $kills
    survived=$((survived + kills))
    echo "$me: $run: $((spent / 1000)) s of $budget with $kills kills," \
        "$(ask "$run" "SELECT value FROM setting
            WHERE key = 'given_up_epochs'") epochs given up"
    rm -rf "$run" "$run".*
done
echo "$me: $survived kills survived, seed $seed"
