#!/bin/sh
# A disk that is full, or read-only, from any write on: one clear sentence, and
# with room again the search goes on to the same bits and the same record.
# full_disk.sh PROGRAM LIBRARY [STRIDE]: tries every STRIDE-th write
here=$(cd "${0%/*}" && pwd)
library=$(realpath "$2")
# shellcheck source=tests/verbs.sh
. "$here/verbs.sh"
# shellcheck source=tests/small_search.sh
. "$here/small_search.sh"
command -v sqlite3 >/dev/null || { echo "skipped: no sqlite3"; exit 77; }
stride=${3:-1}

# search RUN: four candidates
search()
{
    small "$nash" search data -o "$1" --steps 1 --neighbours 2 --jobs 2 \
        --checkpoint-every 0.001
}

# try RUN ERRNO N ROLE: whether it was cut short, and by that
try()
{
    status=0
    LD_PRELOAD=$library NASH_TEST_FAULT=$2:$3:$4 search "$1" >out 2>&1 ||
        status=$?
    [ $status != 0 ] || return 1
    [ $status = 1 ] || fail "write $3 of the $4 fails: status $status: $(cat out)"
    grep '^nash: ' out | grep -v '^nash: warning: ' >sentence || true
    [ "$(wc -l <sentence)" = 1 ] ||
        fail "write $3 of the $4 fails, without one sentence: $(cat out)"
    grep -q "$words" sentence ||
        fail "write $3 of the $4 fails, and this is said: $(cat sentence)"
}

# go_on RUN: with room again
go_on()
{
    if grep -q 'goes on' out || ! search "$1" >again 2>&1; then
        "$nash" resume "$1" >again 2>&1 || fail "$1: $(cat again)"
    fi
    same whole "$1"
    same_record whole "$1"
}

# every ERRNO ROLE: fail at every write, until none is left
every()
{
    n=0 faults=0
    while try run "$1" $n "$2"; do
        go_on run
        rm -rf run
        n=$((n + stride)) faults=$((faults + 1))
    done
    rm -rf run
    [ $faults -gt 0 ] || fail "no fault happened"
    echo "$me: errno $1 in the $2: $faults faults survived"
}

expect 0 'best.onnx' search whole
words='No space left on device\|is the disk full'
every 28 coordinator
every 28 candidate
words='Read-only file system\|is the disk full or read-only'
every 30 coordinator
every 30 candidate
