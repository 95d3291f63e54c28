# shellcheck shell=sh disable=SC2034,SC2154
# Sourced after verbs.sh: a search that takes seconds, on made images.

# set_of N NAME PICTURE...: N grey images of 8 x 8 in three classes, as IDX in data/;
# `PICTURE... i` writes the pixels of image i
set_of()
{
    many=$1 name=$2
    shift 2
    count=$(printf '\\000\\000\\000\\%03o' "$many")
    {
        printf '\000\000\010\003%b\000\000\000\010\000\000\000\010' "$count"
        i=0
        while [ $i -lt "$many" ]; do
            "$@" $i
            i=$((i + 1))
        done
    } >"data/$name-images-idx3-ubyte"
    {
        printf '\000\000\010\001%b' "$count"
        i=0
        while [ $i -lt "$many" ]; do
            octal=$(printf %03o $((i % 3)))
            printf '%b' "\\0$octal"
            i=$((i + 1))
        done
    } >"data/$name-labels-idx1-ubyte"
}

# painted I: a class has a grey of its own
painted()
{
    printf '%64s' '' | tr ' ' "\\$(printf %03o $((40 + 70 * ($1 % 3) + $1 % 7)))"
}

mkdir data
set_of 90 train painted
set_of 30 t10k painted

# small COMMAND...: with the options of a small search
small()
{
    "$@" --preset smoke --widths 4,4,6 --batch 16 --seed 5 --final-threads 1
}

same() { cmp "$1/best.onnx" "$2/best.onnx" || fail "$1 and $2 differ"; }

# record RUN: all that its database holds, but for timings and how it was run
record()
{
    sqlite3 "$1/run.db" "
        SELECT 'candidate', * FROM candidate;
        SELECT 'morphism', * FROM morphism;
        SELECT 'outcome', step, child, status, message, hex(val_loss),
            hex(val_error), hex(val_balanced_error), val_images, images, pflop
            FROM outcome;
        SELECT 'epoch', step, child, epoch, hex(lr), hex(train_loss),
            hex(train_error), hex(val_loss), hex(val_error),
            hex(val_balanced_error) FROM epoch;
        SELECT 'choice', * FROM choice;
        SELECT 'refusal', * FROM refusal;
        SELECT 'setting', * FROM setting WHERE key NOT IN ('jobs', 'seconds')
            AND key NOT GLOB 'run_*';
        PRAGMA integrity_check;"
}

# same_record ONE OTHER
same_record()
{
    record "$1" >one.txt
    record "$2" >other.txt
    diff one.txt other.txt >difference.txt ||
        fail "the records of $1 and $2 differ: $(head -20 difference.txt)"
}

# no candidate of a run may be left a while after its coordinator is gone
check_orphans()
{
    tries=0
    while pgrep -f "candidate .*$dir/$1/" >/dev/null; do
        tries=$((tries + 1))
        [ $tries -lt 100 ] || fail "an orphan: $(pgrep -fa "$dir/$1/")"
        sleep 0.1
    done
}

# choose N: a random number below N, in $chosen; what $seed says
draws=0
choose()
{
    draws=$((draws + 1))
    chosen=$(awk -v seed="$seed$draws" -v n="$1" \
        'BEGIN { srand(seed); rand(); print int(n * rand()) }')
}
