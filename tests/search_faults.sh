#!/bin/sh
# What happens to searches besides being killed: search_faults.sh PROGRAM
here=$(cd "${0%/*}" && pwd)
# shellcheck source=tests/verbs.sh
. "$here/verbs.sh"
# shellcheck source=tests/small_search.sh
. "$here/small_search.sh"
command -v sqlite3 >/dev/null || { echo "skipped: no sqlite3"; exit 77; }

# search RUN OPTIONS...
search()
{
    small "$nash" search data --steps 1 -o "$@"
}

# launcher NAME: a script for --launcher, its text from standard input
launcher()
{
    { echo '#!/bin/sh'; cat; } >"$1"
    chmod +x "$1"
}

# said RUN STEP CHILD: what its record says about a candidate
said()
{
    sqlite3 "$1/run.db" \
        "SELECT status, message FROM outcome WHERE step = $2 AND child = $3"
}

expect 0 'best.onnx' search whole --jobs 2

# killed each time, as for memory: an outcome, and the search goes on
launcher kill-one <<'EOF'
case "$*" in *0001-00) kill -KILL $$ ;; esac
exec "$@"
EOF
expect 0 'it is started again' search killed --launcher "$dir/kill-one"
said killed 1 0 | grep -q 'NASH_ECHILD|.*signal 9 .*memory.*tried 5 times' ||
    fail "killed: $(said killed 1 0)"
[ "$(said killed 1 1)" = 'NASH_OK|' ] || fail "$(said killed 1 1)"

# no memory to be had: the program says so, or dies; an outcome either way
launcher starve-one <<'EOF'
case "$*" in *0001-00) ulimit -v 60000 ;; esac
exec "$@"
EOF
expect 0 'best.onnx' search starved --launcher "$dir/starve-one"
case $(said starved 1 0) in
NASH_OK* | '') fail "starved: $(said starved 1 0)" ;;
esac

# hanging each time
launcher hang-one <<'EOF'
case "$*" in *0001-00) exec sleep 600 ;; esac
exec "$@"
EOF
expect 0 'said nothing' search hung --launcher "$dir/hang-one" \
    --candidate-timeout 2
said hung 1 0 | grep -q 'longer than the timeout' || fail "$(said hung 1 0)"

# a loss that is not a number
expect 1 'not finite' search diverged --lr-start 1e3 --momentum 0.999 \
    --start-epochs 100

# stopped twice, as by Ctrl-C (which a script's background jobs ignore), while
# candidates do not listen: over at once, and resumed
launcher deaf <<'EOF'
case "$*" in *0001-*) trap '' TERM; exec sleep 15 ;; esac
exec "$@"
EOF
small exec "$nash" search data -o twice --steps 1 --jobs 2 \
    --launcher "$dir/deaf" >out 2>&1 &
pid=$!
while ! [ -e twice/candidates/0001-01/log ]; do sleep 0.05; done
kill -TERM $pid
sleep 0.5
kill -0 $pid || fail "the first signal does not wait for candidates"
kill -TERM $pid
status=0
wait $pid || status=$?
[ $status = 1 ] || fail "stopped twice: status $status"
touch twice/best.onnx.1.tmp # as one leaves that is killed while it writes
expect 0 'best.onnx' "$nash" resume twice --launcher ''
[ ! -e twice/best.onnx.1.tmp ] || fail "a temporary file is left in the run"
same whole twice
same_record whole twice

# stopped in the middle of a training, long before its next state is due
small exec "$nash" search data -o kept --steps 0 --start-epochs 4000 \
    --final-epochs 0 >out 2>&1 &
pid=$!
while ! [ -e kept/candidates/0000-00/log ]; do sleep 0.05; done
sleep 1
kill -TERM $pid
wait $pid || true
[ -e kept/candidates/0000-00/state.safetensors ] ||
    fail "what was trained before the stop is lost: $(cat out)"
expect 0 'best.onnx' "$nash" resume kept
grep -q 'going on after epoch' kept/candidates/0000-00/log ||
    fail "resumed, it begins anew: $(cat kept/candidates/0000-00/log)"

# stopped while the result is judged, which waits for its images here
launcher block <<'EOF'
case "$*" in *0002-00) ;; *) exec "$@" ;; esac
"$@"
status=$?
mv data/t10k-labels-idx1-ubyte labels
mkfifo data/t10k-labels-idx1-ubyte
exit $status
EOF
: >out # which the search may be slow to do itself
small exec "$nash" search data -o judged --steps 1 --launcher "$dir/block" \
    >out 2>&1 &
pid=$!
while ! grep -q 'judging on the test images' out; do sleep 0.05; done
sleep 0.2
kill -TERM $pid
status=0
wait $pid || status=$?
[ $status = 1 ] && grep -q "hint: 'nash resume judged' goes on" out ||
    fail "stopped while judging: status $status, $(cat out)"
mv labels data/t10k-labels-idx1-ubyte
expect 0 'best.onnx' "$nash" resume judged --launcher ''
same whole judged
same_record whole judged

# how to run is remembered, where it is not said anew
launcher mark <<'EOF'
echo "$*" >>marks
exec "$@"
EOF
again()
{
    rm -r marks told/candidates/000[12]-*
    sqlite3 told/run.db "DELETE FROM setting WHERE key = 'finished';
        DELETE FROM choice WHERE step > 0; DELETE FROM outcome WHERE step > 0;
        UPDATE setting SET value = 'elsewhere' WHERE key = 'engine'"
    expect 0 'best.onnx' "$nash" resume told "$@"
}
expect 0 'best.onnx' search told --launcher "$dir/mark" --allow-mixed --jobs 1 \
    --checkpoint-every 7 --candidate-timeout 77
[ "$(sqlite3 told/run.db "SELECT key, value FROM setting
    WHERE key GLOB 'run_*' ORDER BY key" | tr '\n' ' ')" = "run_allow_mixed|yes \
run_candidate_timeout|77 run_checkpoint_every|7 run_jobs|1 \
run_launcher|$dir/mark " ] || fail "what was given is not on record"
again
grep -q 'checkpoint-every 7 ' marks || fail "forgotten: $(cat marks)"
again --checkpoint-every 9
grep -q 'checkpoint-every 9 ' marks || fail "not said anew: $(cat marks)"
same whole told

# killed: no orphan, though it was in the middle of a long training
small exec "$nash" search data -o orphaned --start-epochs 100000 >out 2>&1 &
pid=$!
while ! pgrep -f "candidate .*$dir/orphaned/" >/dev/null; do sleep 0.05; done
kill -KILL $pid
wait $pid 2>/dev/null || true
check_orphans orphaned

# stopped, then moved, then copied
small exec "$nash" search data -o here --steps 1 --epochs 30 >out 2>&1 &
pid=$!
while ! [ -e here/candidates/0001-00/job.json ]; do sleep 0.05; done
kill -TERM $pid
wait $pid 2>/dev/null || true
expect 0 'best.onnx' search long --epochs 30
mkdir elsewhere
mv here elsewhere/there
cp -r elsewhere/there copied
cp -r elsewhere/there changed
expect 0 'best.onnx' "$nash" resume elsewhere/there
expect 0 'best.onnx' "$nash" resume copied
same long elsewhere/there
same long copied

# the data set is gone, or another one
mv data gone
expect 1 'data directory' "$nash" resume changed
mkdir data
set_of 93 train painted
set_of 30 t10k painted
expect 1 'have changed since' "$nash" resume changed
rm -r data
mv gone data

# it changes while candidates are trained: the search ends, and goes on when it
# is put back
launcher swap <<'EOF'
case "$*" in *0001-00) cd "$DATA" && cp t10k-labels-idx1-ubyte \
    train-labels-idx1-ubyte && cp t10k-images-idx3-ubyte train-images-idx3-ubyte ;;
esac
exec "$@"
EOF
cp -r data good
export DATA="$dir/data"
expect 1 'have changed since the run began' search swapped --jobs 1 \
    --launcher "$dir/swap"
[ "$(said swapped 1 0)" = '' ] || fail "swapped: $(said swapped 1 0)"
expect 1 'have changed since' "$nash" resume swapped
rm -r data
mv good data
expect 0 'best.onnx' "$nash" resume swapped --launcher ''
same whole swapped
same_record whole swapped

# a newer record, a job of a newer nash, a run that was cut off at its very
# beginning
cp -r whole newer
sqlite3 newer/run.db 'PRAGMA user_version = 99'
expect 1 'newer nash' "$nash" resume newer
expect 1 'newer nash' "$nash" show newer
cp -r whole/candidates/0000-00 candidate
sed -i 's/"format":[^,]*/"format": 99/' candidate/job.json
expect 1 'has format 99' "$nash" candidate candidate
mkdir early
: >early/run.db
: >early/lock
expect 1 'cut off before it began' "$nash" resume early
expect 0 'best.onnx' search early
same whole early

# decisions that cannot have been made, as in a damaged record
expect 0 'best.onnx' search paced --budget 12epochs
for value in 'climb 12 1 0' 'climb 1 1 0' 'climb 2 -1 0' 'final 1 2000000000 0' \
    'climb 2 1 nan' 'climb 2 1 1e300' 'leap 2 1 0' 'climb' ''; do
    rm -rf damaged
    cp -r paced damaged
    sqlite3 damaged/run.db "DELETE FROM setting WHERE key = 'finished';
        DELETE FROM choice WHERE step > 0;
        UPDATE setting SET value = '$value' WHERE key = 'pace_0001'"
    expect 1 "the run's setting 'pace_0001' is not usable" \
        "$nash" resume damaged
done

# the cap on memory does not depend on the jobs
cap() { sqlite3 "$1/run.db" "SELECT value FROM setting WHERE key = 'max_memory'"; }
expect 0 'best.onnx' search alone --jobs 1
[ "$(cap whole)" = "$(cap alone)" ] || fail "$(cap whole), $(cap alone)"

