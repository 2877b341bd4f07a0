# All a developer types. Needs Python >= 3.11 and make; every target first sees to it that .venv matches requirements.lock.
# Once .venv stands, nothing here needs a network but `lock`. JOBS: test processes at once, one more than there are cores,
# since many tests wait for another process.

PYTHON ?= python3
JOBS   ?= 3
ARGS   ?=
SECONDS ?= 15
SEED    ?= 1
SEEDS   ?= 10000
START   ?= 501

VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.set-up
PYTEST := $(BIN)/python -m pytest

# The tests start hundreds of processes. Without kept byte code each would compile all that it imports anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-console test-all check check-source lint types imports spelling schemas coverage docs faults simulate soak fuzz bench bench-quick test-material lock clean

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(STAMP)  ## the virtual environment, from requirements.lock

# --require-hashes refuses every package that is not the locked one. The project itself follows without dependencies
# and without build isolation: its build backend stands in the lock like everything else.
$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo 'Python 3.11 or later is needed: make PYTHON=/path/to/python3.11 ...' >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps --editable .
	@touch $@

demo: $(STAMP)  ## two gateways exchange sample declarations; exit 0 only if all is as it should be
	$(BIN)/gateway demo $(ARGS)

test: $(STAMP)  ## the test suite; ARGS='-k retry' goes to pytest
	$(PYTEST) -n $(JOBS) --dist loadfile --no-loadscope-reorder $(ARGS)

test-console: $(STAMP)  ## the console in a real browser (needs Debian's chromium); pictures go to build/screenshots
	$(PYTEST) -m console tests/acceptance $(ARGS)

# One run for all: a browser of its own at the end would keep one core idle.
test-all: $(STAMP)
	$(PYTEST) -n $(JOBS) --dist loadfile --no-loadscope-reorder -m '' $(ARGS)

check: check-source test-all  ## everything CI runs

# None of these uses more than one core, so two go on beside each other.
check-source: $(STAMP)
	+$(MAKE) --no-print-directory --jobs=2 --output-sync=target fuzz types lint imports spelling schemas

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)
	$(BIN)/mypy

imports: $(STAMP)
	$(BIN)/lint-imports --no-cache

spelling: $(STAMP)
	$(BIN)/codespell

schemas: $(STAMP)
	$(BIN)/python wco_schemas/generate.py --check
	$(BIN)/python wco_schemas/many_items.py --check

# Tracing every branch takes a quarter longer, and no figure of it is judged yet: not part of check.
coverage: $(STAMP)  ## the test suite again, with branch coverage
	$(MAKE) --no-print-directory test ARGS='--cov --cov-report=term:skip-covered $(ARGS)'

docs: $(STAMP)  ## rewrite the generated parts of docs/ (error catalogue, lifecycle diagram)
	$(BIN)/python docs/generate.py

faults: $(STAMP)  ## the long forms of the fault tests
	$(PYTEST) tests/faults --long $(ARGS)

simulate: $(STAMP)  ## simulate two gateways from SEEDS=10000 seeds, beginning with START=501; python -m tests.simulation --seed N replays one
	$(BIN)/python -m tests.simulation --seeds $(SEEDS) --start $(START)

soak: $(STAMP)  ## twenty minutes under load: memory at four fifths of what a node can do, and overload
	$(PYTEST) tests/faults/test_overload.py --long $(ARGS)

fuzz: $(STAMP)  ## fuzz the parsers, SECONDS=15 for each, SEED=0 begins elsewhere; what crashes one is kept in build/fuzz
	$(BIN)/python -m tests.fuzz --seconds $(SECONDS) --seed $(SEED)

# Figures, never a verdict: docs/performance.md says how they are taken.
bench: $(STAMP)  ## measure every row with longer rounds; writes build/bench.json
	$(BIN)/python -m tests.benchmarks --rounds 6 --messages 2000 --floor-messages 4096 \
	  --waiting 1000000 --restart 100000 $(ARGS)

bench-quick: $(STAMP)  ## measure the floor and the whole line in turn, about two minutes; writes build/bench.json
	$(BIN)/python -m tests.benchmarks $(ARGS)

# Real messages and vectors do not live in this repository; without the folder this fails instead of passing empty.
test-material: $(STAMP)  ## GATEWAY_MATERIAL=DIR: the tests over real messages and vectors; prints what it counted
	@test -n "$(GATEWAY_MATERIAL)" || { echo 'GATEWAY_MATERIAL=DIR is needed: the folder with the real messages' >&2; exit 1; }
	@test -d "$(GATEWAY_MATERIAL)" || { echo 'GATEWAY_MATERIAL: there is no folder $(GATEWAY_MATERIAL)' >&2; exit 1; }
	GATEWAY_MATERIAL="$(abspath $(GATEWAY_MATERIAL))" $(PYTEST) -n $(JOBS) --dist worksteal tests/material $(ARGS)

lock: $(STAMP)  ## make requirements.lock again from pyproject.toml (needs uv and a package index)
	uv pip compile pyproject.toml --universal --extra dev --generate-hashes \
	  --no-header --no-annotate --no-emit-index-url --output-file requirements.lock $(ARGS)

clean:  ## remove what was made, the virtual environment included
	rm -rf $(VENV) build dist demo-data .coverage .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
