#!/bin/sh
# A real search on CIFAR-10, from nothing. Called by `make demo`.
#   BASELINE=1      also train the starting network for as many operations as
#                   the whole search took
#   SEED=N          another seed
#   DEMO_OPTIONS    further options of `nash search`, to make it shorter
# An interrupted demo is resumed; a finished one is kept, and the next gets a
# directory of its own.
set -eu
cd "$(dirname "$0")/.."
nash=build/nash
data=data/cifar10
seed=${SEED:-0}
options=${DEMO_OPTIONS:-}

$nash fetch cifar10 -o $data

n=1
# setting RUN KEY: what its record says
setting() {
    $nash show "$1" --json 2>/dev/null |
        sed -n "s/^ *\"$2\": \"\(.*\)\",*$/\1/p" | head -n 1
}

while [ "$(setting "runs/demo-$n" finished)" = yes ]; do n=$((n + 1)); done
run=runs/demo-$n
if [ -n "$(setting "$run" engine)" ]; then
    echo "resuming $run"
    $nash resume "$run"
else
    # shellcheck disable=SC2086
    $nash search $data -o "$run" --preset demo --seed "$seed" $options
fi

[ "${BASELINE:-0}" = 1 ] || exit 0

# The search's PFLOP, in epochs of the starting network over all 50,000 images
# (6 x MACs: forward, data gradient and weight gradient, two operations each).
epochs=$($nash show "$run" --json | awk -F'[:,]' '
    $1 ~ /"pflop"/ { sum += $2 }
    $1 ~ /"macs"/ && !macs { macs = $2 }
    END { n = int(sum * 1e15 / (6 * macs * 50000) + 0.5); print n < 1 ? 1 : n }')
echo
echo "baseline: the starting network, trained for the same PFLOP: $epochs epochs"
recipe=
for key in alternate_flip batch bias_rate clip_norm focus identity_init \
    label_smoothing lookahead lr_end mirror momentum muon nesterov pad shift \
    warmup weight_decay whiten widths; do
    recipe="$recipe --$(echo $key | tr _ -) $(setting "$run" $key)"
done
# shellcheck disable=SC2086
$nash train start $data -o "$run/baseline.onnx" --epochs "$epochs" \
    --val-share 0 --seed "$seed" --lr-start "$(setting "$run" final_lr_start)" $recipe
$nash eval "$run/baseline.onnx" $data
