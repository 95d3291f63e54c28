#!/bin/sh
# What was taken for what, of as many classes as a matrix has rows for and of
# more: many_classes.sh PROGRAM
# shellcheck source=tests/verbs.sh
. "${0%/*}/verbs.sh"

# bytes: lines of escapes on standard input as what they mean
bytes()
{
    while read -r line; do printf '%b' "$line"; done
}

# part NAME CLASSES EACH: so many grey images of 8 x 8 for each class, every
# class in greys that are near its neighbours'
part()
{
    awk -v classes="$2" -v each="$3" 'BEGIN {
        n = classes * each
        printf "\\0000\\0000\\0010\\0003\\0000\\0000\\0%03o\\0%03o", n / 256,
            n % 256
        print "\\0000\\0000\\0000\\0010\\0000\\0000\\0000\\0010"
        for (i = 0; i < n; i++) {
            for (pixel = 0; pixel < 64; pixel++)
                printf "\\0%03o", 2 * (i % classes) + pixel % 2 + i / classes
            print ""
        }
    }' | bytes >"data/$1-images-idx3-ubyte"
    awk -v classes="$2" -v each="$3" 'BEGIN {
        n = classes * each
        printf "\\0000\\0000\\0010\\0001\\0000\\0000\\0%03o\\0%03o\n", n / 256,
            n % 256
        for (i = 0; i < n; i++)
            printf "\\0%03o\n", i % classes
    }' | bytes >"data/$1-labels-idx1-ubyte"
}

# judged CLASSES: a search that begins and ends, recorded in shown
judged()
{
    rm -rf data run
    mkdir data
    part train "$1" 4
    part t10k "$1" 3
    awk -v n="$1" 'BEGIN { for (k = 0; k < n; k++) print "kind " k }' \
        >data/classes.txt
    expect 0 'result' "$nash" search data -o run --preset smoke --steps 0 \
        --start-epochs 2 --final-epochs 4 --widths 8,8,8 --batch 16 --seed 1 \
        --threads 1 --final-threads 1
    "$nash" show --json run >shown
    "$nash" eval --json --mistakes 1000 run/best.onnx data |
        awk -F '"' '/"class":/ { truth = $4 } /"said":/ { print truth, $4 }' |
        sed 's/kind //g' | sort | uniq -c |
        awk '{ print $2 "," $3 "," $1 }' | sort >wrong
    [ "$(wc -l <wrong)" -gt 50 ] || fail "of $1 classes too few are confused"
}

# recorded KEY: the array of a setting, a row a line
recorded()
{
    sed -n "s/.*\"$1\": \"\(.*\)\".*/\1/p" shown | sed 's/\],\[/\n/g' |
        tr -d '[]'
}

judged 120
grep -q '"test_confusion"' shown && fail "120 classes get a matrix"
recorded test_confusions >list
[ "$(cut -d , -f 3 list | sort -u | wc -l)" -gt 1 ] || fail "nothing to sort"
sort -t , -k 3,3nr -k 1,1n -k 2,2n -c list || fail "the list is not sorted"
sort list | cmp - wrong || fail "the list is not what eval says"
[ "$(recorded test_class_images | tr ',' '\n' | sort | uniq -c)" = \
    "$(printf '%7d 3' 120)" ] || fail "not 3 images a class"
grep -q '<p>[0-9]* of 120 classes have errors' run/report.html ||
    fail "the report has no list of errors"
row=$(head -n 1 list)
truth=${row%%,*}
said=${row#*,}
grep -q "<tr><td>kind $truth</td><td>kind ${said%,*}</td><td>${row##*,} of 3<" \
    run/report.html || fail "the report does not say what is confused"
expect 0 'the 100 of 120 classes with the largest errors' \
    "$nash" eval run/best.onnx data
"$nash" eval run/best.onnx data | awk '/^kind / { print $4 }' >errors
[ "$(wc -l <errors)" -eq 100 ] || fail "not 100 classes are listed"
sort -nr -c errors || fail "the classes are not sorted by error"

judged 100
"$nash" eval run/best.onnx data | awk '/^kind / { print $2 }' >kinds
seq 0 99 | cmp - kinds || fail "not all of 100 classes are listed in order"
grep -q '"test_confusions"' shown && fail "100 classes get a list"
recorded test_confusion | awk -F , '{
    for (k = 1; k <= NF; k++)
        if (k == NR)
            right += $k
        else if ($k)
            print NR - 1 "," k - 1 "," $k
    sum += NF
} END { print sum, right >"counts" }' | sort | cmp - wrong ||
    fail "the matrix is not what eval says"
[ "$(cat counts)" = "10000 $(awk -F , '{ n += $3 } END { print 300 - n }' wrong)" ] ||
    fail "another number of rows, or of what is right: $(cat counts)"
