# `make demo` and `make test` are all a fresh machine needs; `make help` lists the rest.
SHELL := /bin/bash
PYTHON ?= python3
WORKERS ?= 2
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
SERIES := $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)
CONSTRAINTS := $(wildcard constraints-$(SERIES).txt)
WHEELS := $(wildcard wheels-$(SERIES)-$(shell uname -s)-$(shell uname -m).txt)
# libclang-rt-dev: the sanitizers and the fuzzer, which clang only recommends
PACKAGES := chromium clang cmake gcc gcc-arm-none-eabi libclang-rt-dev picolibc-arm-none-eabi qemu-system-arm
# First and by itself, so that an index that offers a CPU build is asked before anything pulls in a GPU's.
TORCH ?= torch==2.13.0
H5PY := h5py==3.16.0
# of twenty thousand files a few thousand are ever imported: each is compiled when it is
QUIETLY := --quiet --disable-pip-version-check --no-compile

# hundreds of processes import the same modules: what one compiled the others read, also where the shell forbids it
unexport PYTHONDONTWRITEBYTECODE
export OMP_NUM_THREADS := 1
export OPENBLAS_NUM_THREADS := 1

.DEFAULT_GOAL := help
.PHONY: help setup packages venv demo picture docs test lint format style types layers bench-sync bench-accuracy bench-accuracy-quick bench-edge bench-live bench-images bench-knee check-install clean

help: ## show this list
	@grep -hE '^[a-z][a-z-]*:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 14

setup: $(STAMP) ## make .venv and install grfkit and its test tools into it (done by the others where needed)

venv: setup

$(STAMP): pyproject.toml $(CONSTRAINTS) $(WHEELS)
	@$(PYTHON) -c 'import sys; ok = (3, 10) <= sys.version_info[:2] <= (3, 12); sys.exit(0 if ok else \
	  "python is %d.%d, expected 3.10 to 3.12; try: make PYTHON=python3.11 ..." % sys.version_info[:2])'
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    apt-get update -qq </dev/null && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq python3-venv </dev/null; \
	  else echo "the Debian package python3-venv is missing; install it: sudo apt-get install python3-venv" >&2; exit 1; fi; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install $(QUIETLY) $(if $(CONSTRAINTS),-c $(CONSTRAINTS)) '$(TORCH)'
	test -z "$(WHEELS)" || $(BIN)/python -m pip install $(QUIETLY) --no-deps --require-hashes -r $(WHEELS)
	$(BIN)/python -m pip install $(QUIETLY) $(if $(CONSTRAINTS),-c $(CONSTRAINTS)) -e '.[test,train,stats,quantize]'
	# the same trial gives the same bytes from h5py 3.15 on; TensorFlow asks for an older one, and does not use it here
	$(BIN)/python -m pip install $(QUIETLY) --no-deps '$(H5PY)'
	@touch $@

# Debian's packages, where this may install them; else what is missing is said, and tests that need it are skipped.
$(VENV)/.packages: | $(STAMP)
	@if ! command -v dpkg-query >/dev/null; then echo "no Debian here: for all tests have $(PACKAGES)" >&2; exit 0; fi; \
	missing=$$(for p in $(PACKAGES); do dpkg-query -W -f='$${Status}' $$p 2>/dev/null | grep -q '^install ok' || echo $$p; done); \
	if [ -z "$$missing" ]; then touch $@; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
	    -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 $$missing; } \
	    </dev/null >/dev/null && touch $@ || { echo "cannot install" $$missing >&2; test -z "$$CI"; }; \
	else echo "missing, so that some tests are skipped:" $$missing "(sudo apt-get install ...)" >&2; fi

packages: $(VENV)/.packages

demo: $(STAMP) ## simulate a small lab, align it, compare with the truth; train, prove, estimate, quantise (minutes)
	$(BIN)/python tools/demo demo

test: $(STAMP) $(VENV)/.packages ## everything: formatting, lint, types, import layers, tests (the tests also run where lint fails)
	@status=0; \
	$(MAKE) --no-print-directory --keep-going lint || status=1; \
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(PYTEST_ARGS) || status=1; \
	exit $$status

lint: format style types layers ## formatting, lint, types and import layers alone

format: $(STAMP)
	$(BIN)/ruff format --check host tests tools

style: $(STAMP)
	$(BIN)/ruff check --output-format concise host tests tools

types: $(STAMP)
	$(BIN)/mypy

layers: $(STAMP)
	$(BIN)/lint-imports

# What the site needs, and the extras that its executed pages use.
$(VENV)/.docs: $(STAMP)
	$(BIN)/python -m pip install $(QUIETLY) $(if $(CONSTRAINTS),-c $(CONSTRAINTS)) -e '.[docs]'
	$(BIN)/python -m pip install $(QUIETLY) --no-deps '$(H5PY)'
	@touch $@

docs: $(VENV)/.docs ## the documentation site in build/site: pages run, links and spelling checked, warnings are errors (minutes)
	$(BIN)/codespell -I docs/spelling.txt README.md CHANGELOG.md $$(find calibration docs firmware_models host tools -name '*.md' -o -path 'host/*.py')
	$(BIN)/python tools/site_checks.py
	$(BIN)/python -m sphinx -q -E -W --keep-going -j $(WORKERS) -c docs -d build/docs/doctrees -b html . build/site
	$(BIN)/python tools/site_checks.py build/site
	@echo "open build/site/index.html"

picture: demo ## draw docs/aligned.svg anew, from the demo's overground trial
	$(BIN)/python tools/demo/picture.py demo docs/aligned.svg

bench-sync: $(STAMP) ## the alignment benchmark; writes docs/results/sync.md (long)
	$(BIN)/python tools/bench sync

bench-accuracy: $(STAMP) ## the accuracy benchmark; writes docs/results/accuracy.md (hours; goes on where it was stopped)
	$(BIN)/python tools/bench accuracy $(ARGS)

bench-accuracy-quick: $(STAMP) ## its subset for every day (ten minutes)
	$(BIN)/python tools/bench accuracy --quick

bench-edge: $(STAMP) $(VENV)/.packages ## the edge benchmark; writes docs/results/edge.md (an hour; ARGS=--quick: ten minutes)
	$(BIN)/python tools/bench edge $(ARGS)

bench-live: $(STAMP) $(VENV)/.packages ## the live benchmark; writes docs/results/live.md (an hour; ARGS=--quick: some minutes)
	$(BIN)/python tools/bench live $(ARGS)

bench-images: $(STAMP) ## films: pictures to force on rendered walkers; writes docs/results/images.md (an hour; ARGS=--quick: ten minutes)
	$(BIN)/python tools/bench images $(ARGS)

bench-knee: ARGS ?= --quick
bench-knee: $(STAMP) ## do knee alignment and affected side help? writes docs/results/knee_quick.md (ten minutes; ARGS= : all of it, hours)
	$(BIN)/python tools/bench knee $(ARGS)

check-install: ## the wheel with every extra in clean environments of each Python here (an hour; ARGS=--quick: the plain one and quick tests on it, minutes)
	$(PYTHON) tools/check_install.py $(ARGS)

clean: ## remove what make made: .venv, demo, caches
	rm -rf $(VENV) demo build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find host tests tools -name __pycache__ -type d -prune -exec rm -rf {} +
