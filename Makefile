# Two commands for people: `make demo` and `make test`. Both install what they
# need, build, and can be run again at once.

NASH := build/nash

.PHONY: all demo test bench lint install clean setup

all: setup
	@cmake --preset release >build.log 2>&1 || { cat build.log; exit 1; }
	@cmake --build --preset release
	@rm -f build.log

setup:
	@tools/setup.sh build

# A real search on CIFAR-10; BASELINE=1 also trains the starting network for
# as many operations as the whole search took.
demo: all
	@tools/demo.sh

test: all
	@tools/setup.sh test
	@tools/peers.sh
	ctest --test-dir build --output-on-failure

bench: all
	@bench/run.sh

lint:
	@tools/setup.sh build lint
	@tools/lint.sh

install: all
	cmake --install build

clean:
	rm -rf build build-dev build-asan build-tsan build-cov
