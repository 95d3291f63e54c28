# Two commands for people: `make demo` and `make test`. Both install what they
# need, build, and can be run again at once.

.PHONY: all demo test bench bench-children lint install uninstall clean setup

# What a command says is shown only if it fails.
quiet = log=$$(mktemp); $(1) >$$log 2>&1 || { cat $$log; rm -f $$log; exit 1; }; rm -f $$log

all: setup
	@echo "building nash"
	@$(call quiet, cmake --preset release)
	@$(call quiet, cmake --build build --target nash_program nash)

setup:
	@tools/setup.sh build

# A real search on CIFAR-10; BASELINE=1 also trains the starting network for
# as many operations as the whole search took.
demo: all
	@tools/demo.sh

test: all
	@tools/setup.sh test
	@tools/peers.sh
	@echo "building the tests"
	@$(call quiet, cmake --build build)
	ctest --test-dir build --output-on-failure -j 2

# Training steps beside PyTorch (python3-torch) and the chip's peak.
bench: all
	@$(call quiet, cmake --build build --target peak)
	@/usr/bin/python3 bench/steps.py $(BENCH)

# What a search's children cost besides: surgery, starts, judging, memory.
bench-children: all
	@$(call quiet, cmake --build build --target peak children)
	@/usr/bin/python3 bench/children.py $(BENCH)

lint:
	@tools/setup.sh build lint
	@tools/lint.sh

# Below /usr/local, or PREFIX; DESTDIR goes before either.
install: all
	cmake --install build $(if $(PREFIX),--prefix "$(PREFIX)")

# What the last installation put there, and its directories if that was all.
uninstall:
	@test -f build/install_manifest.txt || \
	    { echo "uninstall: nothing was installed from here" >&2; exit 1; }
	@sed 's|^|$(DESTDIR)|' build/install_manifest.txt | xargs -d '\n' rm -fv
	@sed -n 's|^\(.*/nash\)/[^/]*$$|$(DESTDIR)\1|p' \
	    build/install_manifest.txt | sort -u | \
	    xargs -d '\n' rmdir --ignore-fail-on-non-empty

clean:
	rm -rf build build-dev build-clang build-asan build-tsan build-cov build-fuzz
