# The developer's interface; `make help` lists it. Needs make, a C++17 compiler and Python 3.8 or later with its venv
# module; everything else goes into .venv. Stamps (.venv/.*) record what is done: a second run installs nothing.

PYTHON ?= python3
JOBS ?= $(shell getconf _NPROCESSORS_ONLN)
TEST_PROCESSES ?= $(shell expr $(JOBS) + 2)  # tests often wait
FUZZ_SECONDS ?= 20
WINDOWS_PYTHON ?= 3.12
# Under wine, once: those about behaviours, and vectors.
WINDOWS_ONCE := $(addprefix tests/test_,$(addsuffix .py,windows calls deaths transports names connection message_vectors ring_vectors \
    session_names value_vectors exchange_vectors session_life launch_timeout session_files post_mortem restarts threads launch_arguments \
    value_calls streams command_workers coroutines progress callbacks inputs worker_inputs tsr_vectors))
WINDOWS_BUILD ?= all
FAULTS_MINUTES ?= 10
CLANGXX ?= $(or $(shell command -v clang++),$(lastword $(sort $(wildcard /usr/bin/clang++-*))))

PY := .venv/bin/python
INSTALL := -m pip install --quiet --disable-pip-version-check --no-compile  # what is imported compiles itself
CMAKE = $(shell cat .venv/.cmake)
# Beside other targets of one make, all share its $(JOBS) processes.
PARALLEL = $(if $(findstring jobserver,$(MAKEFLAGS)),,-j $(JOBS))
HEADERS = $(shell find cpp/include -name '*.h')
CXX_WARNINGS := -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wsign-conversion
# What the thread sanitizer is to look at; tests/test_cpp_units.py runs the same.
THREADED_TESTS := $(addprefix unit_,system process transport host surface)
# What sessions do in several threads; the tests with a C++ host run under the thread sanitizer.
THREADED_SESSIONS := $(addprefix tests/test_,$(addsuffix .py,cpp_talks cpp_owners calls streams callbacks progress inputs threads deadlines deaths \
    supervision output_callbacks))
# clang has no C++ library for Windows of its own.
MINGW_HEADERS = $(addprefix $(shell x86_64-w64-mingw32-g++-posix -print-file-name=include/c++),/ /x86_64-w64-mingw32)
FUZZERS := $(patsubst fuzz/%.cpp,build/fuzz/%,$(wildcard fuzz/*.cpp))

# Hosts started here run their workers in .venv.
export TR_PYTHON := $(abspath $(PY))

.PHONY: help demo test test-windows test-windows-once test-windows-all macos bench stress faults lint format vectors build without-sessions sanitized sanitizers environments ready-to-test \
    test-compat fuzz clean
.DELETE_ON_ERROR:

help:  ## List these targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 20

demo: .venv/.torch build/plain/.configured  ## Show a worker with PyTorch at work, from C++ and from Python
	$(CMAKE) --build build/plain --target demo
	build/plain/bin/demo
	$(PY) examples/python/demo.py

test: .venv/.dev $(foreach build,plain no-session address thread,build/$(build)/.configured)  ## Run every test (TESTS=... for some)
	+$(MAKE) --no-print-directory -j $(JOBS) --output-sync=line ready-to-test
	export TR_TEST_CPP_BUILD=build/plain TR_TEST_UNIT_BUILDS="build/address build/thread" TR_TEST_PYTHONS="$$(cat .venv-workers/pythons.json)"; \
	$(PY) -m pytest $(if $(TESTS),$(TESTS),-n $(TEST_PROCESSES) --dist worksteal)

test-compat: .venv/.dev .venv-compat/.torch build  ## Run the tests with PyTorch 1.12 in the workers
	TR_TEST_WORKER_PYTHON="$(abspath .venv-compat/bin/python)" $(PY) -m pytest $(TESTS)

test-windows: .venv/.base .venv/.cmake  ## Run the tests on a Windows Python, under wine (TESTS=... for some)
	$(PY) tools/wine.py $(WINDOWS_PYTHON)
	$(MAKE) --no-print-directory build/windows/.configured
	$(CMAKE) --build build/windows --target $(WINDOWS_BUILD) -j $(JOBS)
	$(if $(CLANGXX),$(CLANGXX) --target=x86_64-w64-mingw32 -fsyntax-only $(addprefix -isystem,$(MINGW_HEADERS)) \
	    $(CXX_WARNINGS) -Werror -std=c++17 -Icpp/include cpp/src/*.cpp)
	TR_TEST_DRIVER=build/windows/bin/driver.exe TR_TEST_CPP_BUILD=build/windows TR_TEST_UNIT_BUILDS=build/windows \
	    $(PY) tools/wine.py $(WINDOWS_PYTHON) -m pytest --basetemp=build/wine/tmp $(or $(TESTS),-n 2 --dist worksteal)

# The first failure ends it, so that one that runs out of time has none. A test that fails is tried once more, and the summary says so:
# now and then wine takes seconds for what takes milliseconds.
test-windows-once: export WINDOWS_MINUTES ?= 20
test-windows-once:  ## Run a choice under wine, each test with one host and one transport, for WINDOWS_MINUTES at most
	$(MAKE) --no-print-directory test-windows TESTS="-x --reruns 1 -rR --once $(WINDOWS_ONCE)" \
	    WINDOWS_BUILD="driver guest_message guest_ring guest_value guest_exchange"

test-windows-all: export TESTS := -n 3 --dist worksteal --reruns 1 -rR
test-windows-all:  ## Run all tests on Windows Pythons, old and new, under wine
	$(MAKE) --no-print-directory test-windows WINDOWS_PYTHON=3.12
	$(MAKE) --no-print-directory test-windows WINDOWS_PYTHON=3.8

macos: export ZIG_GLOBAL_CACHE_DIR := $(abspath build/zig/cache)
macos: build/zig/ziglang/zig .venv/.cmake  ## Compile the C++ programs for macOS, on any system
	for target in aarch64-macos x86_64-macos; do \
	    $(MAKE) --no-print-directory build/$$target/.configured && \
	    $(CMAKE) --build build/$$target --target headers_alone unit_tests guests examples -j $(JOBS) || exit 1; \
	done

bench: .venv/.torch build/plain/.configured  ## Measure, each figure beside its limit
	$(CMAKE) --build build/plain --target benchmarks -j $(JOBS)
	$(PY) benchmarks/run.py build/plain/bin/bench

# Not a part of `make test`: such a host takes long to build. One with a report ends with a status that fails its test.
# Left out: what is dropped of the output of a host that is a second behind, as this one may be.
sanitizers: .venv/.dev build/thread/.configured  ## Run sessions of a C++ host under the thread sanitizer (TESTS=... for some)
	$(CMAKE) --build build/thread --target guest_talks guest_owners driver -j $(JOBS)
	TR_TEST_CPP_BUILD=build/thread TR_TEST_DRIVER=build/thread/bin/driver $(PY) -m pytest -n $(JOBS) \
	    -k "cpp and not a_little_slow_misses_nothing" $(or $(TESTS),$(THREADED_SESSIONS))

stress: .venv/.base  ## A million calls around the moment of falling asleep
	cd tests && TR_STRESS_CALLS=1000000 $(abspath $(PY)) test_wakeups.py

faults: .venv/.dev build/plain/.configured  ## Kill workers and hosts at random for FAULTS_MINUTES
	$(CMAKE) --build build/plain --target driver -j $(JOBS)
	TR_TEST_DRIVER="$(abspath build/plain/bin/driver)" $(PY) tests/faults_run.py --minutes $(FAULTS_MINUTES)

lint: .venv/.dev build/plain/.configured  ## Check style and types
	$(PY) -m ruff check
	$(PY) -m ruff format --check
	$(PY) -m pyright
	$(PY) -m pyright -p tools/pyright-darwin.json
	$(PY) -m pyright -p tools/pyright-windows.json
	$(PY) -m mypy
	find cpp tests examples benchmarks fuzz -name '*.h' -o -name '*.cpp' | xargs .venv/bin/clang-format --dry-run -Werror
	.venv/bin/clang-tidy --quiet build/plain/cpp/headers/surface_tech_renaissance_h.cpp -- $(CXX_WARNINGS) -std=c++17 -Icpp/include

format: .venv/.dev  ## Put the sources into the form that lint wants
	$(PY) -m ruff format
	find cpp tests examples benchmarks fuzz -name '*.h' -o -name '*.cpp' | xargs .venv/bin/clang-format -i

fuzz: .venv/.dev $(if $(CLANGXX),$(FUZZERS))  ## Fuzz the parsers, FUZZ_SECONDS each; the C++ ones need clang++
	for fuzzer in fuzz/fuzz_*.py; do $(PY) $$fuzzer --seconds $(FUZZ_SECONDS) || exit 1; done
	for fuzzer in $(if $(CLANGXX),$(notdir $(FUZZERS))); do \
	    vectors=spec/vectors/$${fuzzer#fuzz_}; \
	    mkdir -p build/fuzz/$$fuzzer-corpus; \
	    build/fuzz/$$fuzzer -max_total_time=$(FUZZ_SECONDS) -artifact_prefix=build/fuzz/$$fuzzer- \
	        build/fuzz/$$fuzzer-corpus $$(ls -d $$vectors/valid $$vectors/invalid 2>/dev/null) || exit 1; \
	done

clean:  ## Remove all that make made, the environments too
	rm -rf build .venv .venv-workers .venv-compat

# ---- The parts of `make test`

vectors: .venv/.base
	$(PY) spec/vectors/make_tsr_vectors.py --check
	$(PY) spec/vectors/make_message_vectors.py --check
	$(PY) spec/vectors/make_ring_vectors.py --check
	$(PY) spec/vectors/make_value_vectors.py --check

ready-to-test: lint vectors build without-sessions sanitized environments

build: build/plain/.configured  ## Build the C++ programs
	+$(CMAKE) --build build/plain $(PARALLEL) --target guests examples benchmarks headers_alone surface_alone two_forms

# A debug build: that it compiles is the point, and the optimiser takes time.
without-sessions: build/no-session/.configured
	+$(CMAKE) --build build/no-session $(PARALLEL)

# The unit tests are run like this only, once; what is optimised is run by the driver.
sanitized: build/address/.configured build/thread/.configured
	+$(CMAKE) --build build/address $(PARALLEL) --target unit_tests
	+$(CMAKE) --build build/thread $(PARALLEL) --target $(THREADED_TESTS)

# After lint, because pyright reads what is installed.
environments: | lint
	$(MAKE) --no-print-directory .venv/.torch .venv-workers/pythons.json

build/no-session/.configured: OPTIONS = -DTR_BUILD_PYTHON_SESSION=OFF -DCMAKE_BUILD_TYPE=Debug
build/windows/.configured: OPTIONS = -DCMAKE_TOOLCHAIN_FILE=tools/mingw.cmake -DTR_BUILD_BENCHMARKS=OFF
build/address/.configured: OPTIONS = -DTR_SANITIZE="address;undefined" -DCMAKE_BUILD_TYPE=Debug
build/thread/.configured: OPTIONS = -DTR_SANITIZE="thread" -DCMAKE_BUILD_TYPE=Debug
build/%-macos/.configured: OPTIONS = -DCMAKE_TOOLCHAIN_FILE=tools/zig.cmake -DTR_TARGET=$* -DTR_ZIG=$(abspath build/zig/ziglang/zig) \
    -DCMAKE_BUILD_TYPE=Debug -DTR_BUILD_BENCHMARKS=OFF
build/%/.configured: .venv/.cmake CMakeLists.txt cpp/CMakeLists.txt $(wildcard cpp/*.cmake)
	mkdir -p $(@D)
	cd $(@D) && $(CMAKE) -S $(CURDIR) -B . $(OPTIONS)  # there, because a check of CMake leaves a file in the current folder
	touch $@

build/zig/ziglang/zig: | .venv/.base
	$(PY) $(INSTALL) --target build/zig ziglang==0.13.0

build/fuzz/%: fuzz/%.cpp $(HEADERS)
	mkdir -p $(@D)
	$(CLANGXX) -std=c++17 -g -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -Icpp/include $< -o $@

# ---- Environments

.venv/.created:
	$(PYTHON) tools/environment.py .venv
	touch $@

# No build isolation: when pyproject.toml changes later, what is already installed is not fetched again.
.venv/.base: pyproject.toml .venv/.created
	$(PY) $(INSTALL) hatchling
	$(PY) $(INSTALL) --no-build-isolation --editable .
	touch $@

.venv/.dev: .venv/.base
	$(PY) $(INSTALL) --no-build-isolation --editable ".[dev]"
	touch $@

.venv/.torch: | .venv/.base
	$(PY) $(INSTALL) torch || { \
	    echo "PyTorch cannot be installed for $$($(PY) --version) here; pip says above why."; \
	    echo "With another interpreter: make clean && make demo PYTHON=/path/to/python3"; exit 1; }
	$(PY) -c "import torch"  # compiles what is needed of it, a fraction
	touch $@

.venv/.cmake: | .venv/.base
	$(PY) tools/cmake.py > $@

.venv-workers/pythons.json: | .venv/.base
	$(PY) tools/worker_environments.py .venv-workers

.venv-compat/.torch: | .venv/.base
	$(PY) tools/environment.py .venv-compat "$$($(PY) tools/interpreters.py --oldest)"
	.venv-compat/bin/python $(INSTALL) --editable . "torch==1.12.1" "numpy<2"
	touch $@
