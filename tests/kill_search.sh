#!/bin/sh
# A search whose processes are killed at random moments gives the same bits and
# the same record as one that is left alone: kill_search.sh PROGRAM [KILLS [SEED]]
#
# The coordinator, a candidate or all of them get SIGKILL, with 1, 2 and 4 jobs
# in turn, after up to half the time that a whole search takes, until so many
# kills have been survived and the last search is over.
here=$(cd "${0%/*}" && pwd)
# shellcheck source=tests/verbs.sh
. "$here/verbs.sh"
# shellcheck source=tests/small_search.sh
. "$here/small_search.sh"
command -v sqlite3 >/dev/null || { echo "skipped: no sqlite3"; exit 77; }
wanted=${2:-10}
seed=${3:-$$}
echo "$me: $wanted kills, seed $seed"

# begin RUN JOBS: in the background, as $pid; goes on where there is a run
begin()
{
    if grep -qs begun-or-more "$1.state"; then
        "$nash" resume "$1" --jobs "$2" --checkpoint-every 0.05 >"$1.out" 2>&1 &
    else
        small exec "$nash" search data -o "$1" --epochs 40 --start-epochs 40 \
            --final-epochs 60 --jobs "$2" --checkpoint-every 0.05 \
            >"$1.out" 2>&1 &
    fi
    pid=$!
}

# the candidates that a coordinator runs
children() { pgrep -P "$pid" || true; }

count() { kills=$((kills + 1)); }

kill_coordinator()
{
    kill -KILL "$pid" 2>/dev/null && count
    wait "$pid" 2>/dev/null || true
    if [ -e "$run/start.onnx" ]; then
        sqlite3 "$run/run.db" "SELECT 'begun-or-more' FROM setting LIMIT 1" \
            >"$run.state" 2>/dev/null || true
    fi
    begin "$run" "$jobs"
}

kill_candidate()
{
    for victim in $(children); do
        choose 2
        if [ "$chosen" = 0 ] && kill -KILL "$victim" 2>/dev/null; then
            count
        fi
    done
}

kill_all()
{
    victims=$(children)
    # shellcheck disable=SC2086
    kill -KILL $victims 2>/dev/null || true
    kill_coordinator
}

# leave_alone RUN: until it is over
leave_alone()
{
    wait "$pid" || fail "$1: $(cat "$1.out")"
    check_orphans "$1"
    same whole "$1"
    same_record whole "$1"
    left=$(find "$1" -name '*.tmp' -o -name 'state.safetensors*' | head)
    [ -z "$left" ] || fail "$1: a crash left $left"
}

kills=0 number=0
run=whole jobs=1
began=$(date +%s%3N)
begin whole 1
wait $pid || fail "$(cat whole.out)"
took=$(($(date +%s%3N) - began)) # milliseconds
while [ $kills -lt "$wanted" ]; do
    number=$((number + 1))
    run=run-$number jobs=$((1 << number % 3))
    begin "$run" "$jobs"
    while kill -0 "$pid" 2>/dev/null && [ $kills -lt "$wanted" ]; do
        choose $((took / 2))
        sleep "$(printf '%d.%03d' $((chosen / 1000)) $((chosen % 1000)))"
        kill -0 "$pid" 2>/dev/null || break
        choose 3
        case $chosen in
        0) kill_coordinator ;;
        1) kill_candidate ;;
        2) kill_all ;;
        esac
    done
    leave_alone "$run"
    echo "$me: $run with $jobs jobs: $kills kills survived"
    rm -rf "$run"
done
