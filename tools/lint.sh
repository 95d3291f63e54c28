#!/bin/sh
# Format, layers, shell scripts, and three static analysers over our own code.
set -eu
cd "$(dirname "$0")/.."
sources=$(git ls-files 'src/*.[ch]' 'include/*.h' 'cli/*.[ch]' 'tests/*.[ch]' 'bench/*.[ch]')
units=$(git ls-files 'src/*.c' 'cli/*.c')

echo "lint: clang-format"
# shellcheck disable=SC2086
clang-format --dry-run -Werror $sources

echo "lint: layers"
tools/check-layers.sh

echo "lint: shellcheck"
git ls-files '*.sh' '.ci/run' | xargs shellcheck -x -S warning

cmake --preset dev >/dev/null
cmake --build --preset dev

echo "lint: cppcheck"
# shellcheck disable=SC2086
cppcheck --quiet --std=c11 --error-exitcode=1 --inline-suppr \
    --enable=warning,portability --suppress=missingIncludeSystem \
    --suppress=unmatchedSuppression --suppress=internalAstError \
    --suppress=invalidFunctionArg -Iinclude -Isrc -j 2 $units

echo "lint: clang-tidy"
# shellcheck disable=SC2086
printf '%s\n' $units | xargs -P 2 -n 1 clang-tidy --quiet -p build-dev 2>/dev/null
