#!/bin/sh
# nash train, eval and predict from the outside: train_verbs.sh PROGRAM
# shellcheck source=tests/verbs.sh
. "${0%/*}/verbs.sh"

cifar "0 1 2 3 4 5 6 7 8 9 0 1"
start="start data --widths 4,6,8 --batch 16 --threads 1 --pad 0 --seed 3"

expect 0 'val error' "$nash" train $start --epochs 12 -o a.onnx
expect 0 'epoch  12 of 12' "$nash" train $start --epochs 12 -o b.onnx
cmp a.onnx b.onnx || fail "two equal trainings give two files"
expect 0 '"val_error"' "$nash" train $start --epochs 4 --seed 4 --json \
    --snapshots 2 -o c.onnx
expect 0 '"val_error"' "$nash" train $start --epochs 4 --seed 4 --json \
    --snapshots 1 -o c.onnx
[ -e c.snapshot-2.onnx ] && fail "an older training's snapshots stay"
expect 0 '"val_error"' "$nash" train $start --epochs 4 --seed 4 --json \
    --snapshots 2 -o c.onnx
cmp -s c.onnx c.snapshot-2.onnx && fail "a snapshot claims validation scores"
expect 0 '"val_images": 0' "$nash" train a.onnx data --reinit --epochs 0 \
    --val-share 0 --json -o d.onnx

# stopped, a training leaves its own snapshots alone, none of an earlier one
expect 0 'k.onnx: ' "$nash" train $start --epochs 3 --snapshots 3 -o k.onnx
"$nash" train $start --epochs 50050 --cycle 50 --cycle-growth 1000 \
    --snapshots 2 -o k.onnx >/dev/null 2>stopped &
pid=$!
while kill -0 $pid 2>/dev/null && [ -e k.snapshot-3.onnx ]; do sleep 0.05; done
kill -TERM $pid
wait $pid && fail "a stopped training ends with 0"
grep -q 'k.onnx is not written, but its snapshots so far are' stopped ||
    fail "nothing of snapshots: $(cat stopped)"
[ "$(ls k.snapshot-*)" = k.snapshot-1.onnx ] ||
    fail "snapshots of two trainings: $(ls k.snapshot-*)"

# going on with a network that has seen all images, or some
learned='has learned from images that are to validate it'
expect 0 'all.onnx: ' "$nash" train $start --epochs 0 --val-share 0 -o all.onnx
expect 0 "all.onnx $learned" "$nash" train all.onnx data --epochs 0 -o x.onnx
expect 0 "a.onnx $learned" "$nash" train a.onnx data --epochs 0 \
    --seed 9 -o x.onnx
for rest in "a.onnx data --seed 3" "all.onnx data --reinit" \
    "all.onnx data --val-share 0"; do
    expect 0 'x.onnx: ' "$nash" train $rest --epochs 0 --threads 1 -o x.onnx
    grep -q "$learned" out && fail "train $rest says so, too"
done
rm x.onnx

# what is drawn anew is drawn as a new network is
weights() {
    "$nash" show --json "$1" | grep model_hash
}
drawn="--whiten yes --identity-init yes --epochs 0"
expect 0 'w.onnx: ' "$nash" train $start $drawn -o w.onnx
expect 0 'again.onnx: ' "$nash" train w.onnx data --reinit --seed 3 $drawn \
    --threads 1 -o again.onnx
[ "$(weights w.onnx)" = "$(weights again.onnx)" ] ||
    fail "--reinit does not whiten as a new network does"
expect 0 'plain.onnx: ' "$nash" train w.onnx data --reinit --seed 3 \
    --epochs 0 --threads 1 -o plain.onnx
[ "$(weights w.onnx)" = "$(weights plain.onnx)" ] &&
    fail "--reinit whitens unasked"
expect 2 'drawn anew' "$nash" train a.onnx data --whiten yes -o x.onnx

# --preset trains as a search does its result
settings() {
    grep -a -o '{"images":[^}]*}' "$1" || fail "$1 has no settings"
}
for preset in fast demo paper smoke; do
    rm -rf run
    expect 0 'run/best.onnx' "$nash" search data -o run --preset $preset \
        --budget none --steps 0 --start-epochs 0 --final-epochs 2 --flip yes \
        --widths 4,6,8 --seed 3 --final-threads 1
    expect 0 'p.onnx: ' "$nash" train start data --widths 4,6,8 --seed 3 \
        --preset $preset --epochs 2 --val-share 0 --threads 1 -o p.onnx
    [ "$(settings p.onnx)" = "$(settings run/best.onnx)" ] ||
        fail "$preset: $(settings p.onnx), but $(settings run/best.onnx)"
    for model in p.onnx run/best.onnx; do
        "$nash" show $model | grep -c averages || true
    done | uniq | grep -c . | grep -qx 1 || fail "$preset: other looks"
done
rm -r run
expect 0 'p.onnx: ' "$nash" train start data --pad 3 --preset fast --mirror no \
    --epochs 0 -o p.onnx --lr-start 0.2
settings p.onnx | grep -q '"lr_start":0.2,.*"pad":3,' ||
    fail "a preset overrides what is given"
expect 0 'averages over each image as it is and shifted' "$nash" show p.onnx
expect 0 '48 x 30 x 30' "$nash" show p.onnx
expect 0 'n.onnx: ' "$nash" train a.onnx data --flip no --epochs 0 \
    --val-share 0 -o n.onnx
expect 0 'p.onnx: ' "$nash" train n.onnx data --preset fast --epochs 0 \
    --val-share 0 -o p.onnx
settings p.onnx | grep -q '"flip":false' ||
    fail "a preset mirrors what must not be mirrored"
expect 0 'v.onnx: 1.9 M parameters, 206 M' "$nash" train vgg data --preset fast --epochs 0 \
    -o v.onnx

# a network that looks at mirror images, and one that no longer does
expect 0 'm.onnx: ' "$nash" train a.onnx data --epochs 0 --val-share 0 \
    --threads 1 --mirror yes -o m.onnx
expect 0 'averages over each image and its mirror image' "$nash" show m.onnx
expect 0 'once.onnx: ' "$nash" train m.onnx data --epochs 0 --val-share 0 \
    --threads 1 --mirror no -o once.onnx
[ "$(weights once.onnx)" = "$(weights a.onnx)" ] || fail "another network"
expect 0 's.onnx: ' "$nash" train m.onnx data --epochs 0 --val-share 0 \
    --threads 1 --shift yes -o s.onnx
expect 0 'two ways, and their mirror images, which takes 6 times' \
    "$nash" show s.onnx
[ "$("$nash" eval --json s.onnx data | grep '"loss"')" = \
    "$("$nash" eval --json --mirror --shift a.onnx data | grep '"loss"')" ] ||
    fail "its own looks are other ones than those asked for"

expect 0 'on 12 test images' "$nash" eval a.onnx data
cp -r data few
head -c $((9 * 3073)) data/test_batch.bin >few/test_batch.bin
expect 0 ' % (9 of 10 classes), loss' "$nash" eval a.onnx few
expect 0 'the mean of 9 of 10 classes' "$nash" search few -o run --steps 0 \
    --preset smoke --start-epochs 0 --final-epochs 0 --widths 4,6,8 \
    --threads 1 --final-threads 1
expect 0 'on 60 train images' "$nash" eval --part train --mirror a.onnx data
expect 0 'ensemble' "$nash" eval a.onnx c.snapshot-1.onnx data
expect 0 'half.onnx: ' "$nash" train start data --size 16 --widths 4,6,8 \
    --batch 16 --threads 1 --epochs 1 -o half.onnx
expect 0 'ensemble' "$nash" eval a.onnx half.onnx data
grep onnx out | sort >after
expect 0 'ensemble' "$nash" eval half.onnx a.onnx data
grep onnx out | sort | cmp - after || fail "networks of two sizes, two orders"
expect 0 '"images": 12,' "$nash" eval --json a.onnx data
for key in error loss balanced_error per_class models; do
    grep -q "\"$key\":" out || fail "eval --json has no $key"
done

# what is wrong: as many as the error says, the most confident first
expect 0 '"mistakes": [' "$nash" eval --json --mistakes 100 a.onnx data
[ "$(grep -c '"image": "test image' out)" = \
    "$(awk '/"error"/ { printf "%.0f", 12 * $2; exit }' out)" ] ||
    fail "not every mistake is listed: $(cat out)"
sed -n 's/^ *"probability": //p' out >sure
sort -rgc sure || fail "mistakes are not sorted: $(cat sure)"
awk '/"class":/ { truth = $2 } /"said":/ && $2 == truth { exit 1 }' out ||
    fail "what is right is listed: $(cat out)"
sed -n 's/.*"image": "test image \(.*\)",/\1/p' out >wrong
expect 0 "2 of $(wc -l <wrong) mistakes, the most confident first" \
    "$nash" eval --mistakes 2 --mistakes-sheet wrong.png a.onnx data
grep -q "^1 .* test image $(head -n 1 wrong)\$" out ||
    fail "another mistake is the first: $(cat out)"
[ "$(grep -c '% *test image' out)" = 2 ] || fail "not two of them: $(cat out)"
expect 0 'wrong.png: ' "$nash" predict a.onnx wrong.png
"$nash" eval --json a.onnx data | grep -q mistakes && fail "mistakes unasked"
right=0
while grep -qx $right wrong; do right=$((right + 1)); done
cp -r data right
tail -c +$((right * 3073 + 1)) data/test_batch.bin | head -c 3073 \
    >right/test_batch.bin
expect 0 'no image is wrong: none.png is not written' \
    "$nash" eval --mistakes 1 --mistakes-sheet none.png a.onnx right
grep -q '^no mistake$' out || fail "it does not say so: $(cat out)"
[ ! -e none.png ] || fail "a sheet of nothing"
expect 2 "--mistakes is '0'" "$nash" eval --mistakes 0 a.onnx data
expect 2 'is for the images of --mistakes' \
    "$nash" eval --mistakes-sheet none.png a.onnx data
expect 1 "--mistakes-sheet is '$dir/none/x.png'" "$nash" eval --mistakes 1 \
    --mistakes-sheet "$dir/none/x.png" a.onnx data

expect 0 'images 6 pixels high, 8 wide' "$nash" data data --size 6x8
expect 2 "--size is '6x'" "$nash" data data --size 6x
expect 0 '60 training images' "$nash" data data --sheet sheet.png
expect 0 'images 32 pixels high, 32 wide' "$nash" data data
expect 0 'sheet.png: ' "$nash" predict a.onnx sheet.png
expect 1 "give its files: data/*" "$nash" predict a.onnx data
"$nash" predict --json a.onnx sheet.png none.png sheet.png >out 2>/dev/null &&
    fail "a file that is not there is no failure"
tr -d ' \n' <out |
    grep -q ']},{"file":"none.png","error":"[^{]*"},{"file":"sheet' ||
    fail "what cannot be read is not in its place: $(cat out)"
expect 1 'did you mean run/best.onnx?' "$nash" eval run data
expect 1 'a larger --val-share' "$nash" train $start --val-share 0.001 -o x.onnx
expect 0 '"probability": ' "$nash" predict --json --top 2 a.onnx sheet.png
expect 1 'none.png' "$nash" predict a.onnx none.png sheet.png
grep -q '^sheet.png: ' out || fail "one bad file keeps the others from predict"

# some of the classes, as pictures, and a folder that is none
for class in 0 1 2; do
    mkdir -p some/train/$class some/test/$class
    cp sheet.png some/train/$class
    cp sheet.png some/test/$class
done
expect 0 '(3 of 10 classes)' "$nash" eval a.onnx some
expect 1 "some has 3 of them; missing: '3', '4', '5', '6', '7' and 2 more" \
    "$nash" train a.onnx some --epochs 0 -o x.onnx
expect 0 'class 0 has only 1 training image' "$nash" data some
grep -q ' 1 training images' out && fail "one image in the plural: $(cat out)"
mv some/train/2 some/train/owl
expect 1 'take --new-head' "$nash" train a.onnx some --epochs 0 -o x.onnx
expect 0 'train/owl is no class of the model' \
    "$nash" eval a.onnx some --part train
grep -q 'on 2 train' out || fail "another number of images: $(cat out)"

# one picture in three classes: two are wrong, and equally so
mv some/test/2 some/test/owl
for class in 0 1 owl; do
    mv some/test/$class/sheet.png "some/test/$class/$(printf 'a\033b').png"
done
expect 0 'some.onnx: ' "$nash" train start some --size 16 --widths 4,6,8 \
    --batch 16 --threads 1 --val-share 0 --epochs 0 -o some.onnx
expect 0 '2 of 2 mistakes' "$nash" eval --mistakes 3 some.onnx some
grep ' some/test/' out | sort -k 5 -c || fail "equals change places: $(cat out)"
expect 0 '2 of 2 mistakes' "$nash" eval --mistakes 3 --part train some.onnx some
grep -q ' some/train/[01]/sheet.png$' out || fail "another part: $(cat out)"
"$nash" eval --mistakes 3 some.onnx some | grep -q "$(printf '\033')" &&
    fail "a file's name reaches the terminal as it is"

# pictures without a test set: what is held out goes by their names
for class in 0 1; do
    mkdir -p photos/$class
    for i in 1 2 3 4 5 6 7 8 9 10; do
        cp sheet.png photos/$class/$i.png
    done
done
expect 0 'photos.onnx: ' "$nash" train start photos --size 16 --widths 4,6,8 \
    --batch 16 --threads 1 --val-share 0 --epochs 0 -o photos.onnx
"$nash" eval --mistakes 20 photos.onnx photos >held 2>said
grep -q 'on 3 held-out images' held || fail "not 15 %: $(cat held)"
grep -q 'trained on other images' said && fail "its own data: $(cat said)"
for i in 11 12 13 14 15; do cp sheet.png photos/1/$i.png; done
expect 0 'photos.onnx was trained on other images, or before these were' \
    "$nash" eval photos.onnx photos
expect 0 'on 25 given images' "$nash" eval --part all photos.onnx photos
expect 0 '"part": "all"' "$nash" eval --json --part all photos.onnx photos
expect 0 'photos.onnx may have learned some' "$nash" train photos.onnx photos \
    --epochs 0 --val-share 0 --threads 1 -o x.onnx
expect 1 'some has test images of its own' \
    "$nash" eval --part all some.onnx some
cp sheet.png photos/stray.png
expect 0 '1 picture is in no class folder and left out (the first: stray' \
    "$nash" data photos
mkdir -p fakes/a fakes/b
echo RIFF >fakes/a/1.png
echo RIFF >fakes/b/1.png
expect 1 'fakes has no training images; left out: fakes/b/1.png is neither' \
    "$nash" data fakes

# what has seen the images that validate it has seen them ever after
expect 0 'seen.onnx: ' "$nash" train a.onnx data --epochs 1 --val-share 0 \
    --threads 1 --batch 16 -o seen.onnx
for _ in 1 2; do
    expect 0 'seen.onnx has learned from images that are to validate it' \
        "$nash" train seen.onnx data --epochs 1 --val-share 0.2 --threads 1 \
        --batch 16 -o again.onnx
    mv again.onnx seen.onnx
done
"$nash" train seen.onnx data --reinit --epochs 1 --val-share 0.2 --threads 1 \
    --batch 16 -o again.onnx 2>said
"$nash" train again.onnx data --epochs 1 --val-share 0.2 --threads 1 \
    --batch 16 -o x.onnx 2>>said
grep -q 'has learned' said && fail "drawn anew, and yet: $(cat said)"
rm x.onnx again.onnx seen.onnx

# an ensemble of networks for other classes
mkdir others
cp data/* others/
printf '%s\n' A B C D E F G H I J >others/batches.meta.txt
expect 0 'x.onnx' "$nash" train start others --widths 4,6,8 --batch 16 \
    --threads 1 --epochs 1 -o x.onnx
expect 1 "x.onnx calls class 0 'A'" "$nash" eval a.onnx x.onnx data
rm x.onnx

expect 2 '-o is missing' "$nash" train start data
expect 2 "--batch is '0'" "$nash" train start data -o x.onnx --batch 0
expect 1 'no?[31mwhere' "$nash" data "$(printf 'no\033[31mwhere')"
expect 2 "--size is '9x'" "$nash" train start data -o x.onnx --size 9x
expect 2 '--per-class is for' "$nash" data data --per-class 3
expect 2 'are for --random' "$nash" morph a.onnx relu:at=relu_4 -o x.onnx \
    --mode pair
expect 2 '--widths' "$nash" train vgg data -o x.onnx --widths 1,2,3
expect 1 '/none is no folder' "$nash" train start data -o "$dir/none/x.onnx"
expect 1 'a folder, expected a file' "$nash" train start data -o data
expect 1 'a folder, expected a file' "$nash" train start data -o x.onnx/
expect 2 "--output is ''" "$nash" train start data -o ''
expect 2 'a whole number from 0' "$nash" train start data -o x --max-memory -1
expect 1 'more than the 1.0 MiB' "$nash" train $start -o x.onnx --max-memory 1M
expect 1 'not finite' "$nash" train $start -o x.onnx --lr-start 1e3 \
    --momentum 0.999 --epochs 100
expect 1 'none.onnx' "$nash" eval none.onnx data
expect 1 'is not a directory' "$nash" eval a.onnx none
hint='start, vgg and resnet9 are names of new networks'
expect 1 "$hint" "$nash" train none.onnx data -o x.onnx
expect 1 'data_batch_1.bin' "$nash" train data/data_batch_1.bin data -o x.onnx
! grep -q "$hint" out || fail "a file that is there is taken for a name"
[ ! -e x.onnx ] || fail "a training that failed leaves a file"
