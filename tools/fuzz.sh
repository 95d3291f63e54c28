#!/bin/sh
# Build the fuzzers with clang, ASan and UBSan, and run each for so long:
#   tools/fuzz.sh [SECONDS] [NAME...]      60 seconds; dataset onnx picture state
# They begin with tests/corpus/NAME (and tests/pictures); what they learn is kept
# in build-fuzz/corpus, what they find in build-fuzz/found.
set -eu
cd "$(dirname "$0")/.."

seconds=${1:-60}
[ $# = 0 ] || shift
[ $# != 0 ] || set -- dataset onnx picture state
cmake -S . -B build-fuzz -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo \
    -DCMAKE_C_COMPILER=clang -DNASH_FUZZ=ON \
    -DNASH_SANITIZE=address,undefined,fuzzer-no-link >/dev/null
for name in "$@"; do
    cmake --build build-fuzz --target "fuzz_$name" >/dev/null
    learnt=build-fuzz/corpus/$name
    mkdir -p "$learnt" build-fuzz/found
    seeds=tests/corpus/$name
    [ "$name" != picture ] || seeds=tests/pictures
    echo "fuzz_$name for $seconds s"
    nice "build-fuzz/tests/fuzz_$name" -max_total_time="$seconds" -timeout=20 \
        -rss_limit_mb=2048 -print_final_stats=1 -verbosity=0 \
        -artifact_prefix="build-fuzz/found/$name-" "$learnt" "$seeds"
done
