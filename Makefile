# Everything one can do here. Each target sets up .venv if needed, and is quick when it is there.

PYTHON ?= python3
UV_VERSION := 0.13.8
BIN := .venv/bin
# A folder of wheels, if one is given: a machine without a GPU gets its CPU build of torch from there.
FIND_LINKS := $(if $(PIP_FIND_LINKS),--find-links $(PIP_FIND_LINKS))
# Compiled once here, because each step that runs in a process of its own would compile again what it imports.
INSTALL := VIRTUAL_ENV=.venv $(BIN)/uv pip install --quiet --compile-bytecode $(FIND_LINKS) --constraints requirements.lock
# Nothing is downloaded at run time, unless a profile asks for a model from a hub.
ifeq ($(filter-out offline,$(TWIN_PROFILE)),)
export HF_HUB_OFFLINE ?= 1
endif
export TOKENIZERS_PARALLELISM ?= false

.DEFAULT_GOAL := help
.PHONY: help twin ui test lint format bench lock browser clean

help:  ## Show this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "make %-8s %s\n", $$1, $$2}'

.venv/.installed: pyproject.toml setup.cfg requirements.lock
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "twin_assets needs Python 3.11 or newer: make PYTHON=python3.11")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	$(INSTALL) --editable .
	@touch $@

.venv/.dev: .venv/.installed
	$(INSTALL) --editable '.[dev]'
	@touch $@

twin: .venv/.installed  ## Build the whole graph for a sample author (AUTHOR=mira-voss)
	$(BIN)/twin build $(or $(AUTHOR),mira-voss)

ui: .venv/.installed  ## Serve the Dagster UI (port 3000) and the MLflow UI (port 5000)
	$(BIN)/twin ui

test: .venv/.dev browser  ## Run every test, the browser's included
	$(BIN)/pytest --numprocesses logical --maxprocesses 4 --no-loadscope-reorder

lint: .venv/.dev  ## Check style, import rules and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: .venv/.dev  ## Format the code
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

bench: .venv/.dev  ## Measure, as ratios within one run
	PYTHONWARNINGS=ignore $(BIN)/python -m benchmarks

# Torch is resolved afresh from the CPU wheel in PIP_FIND_LINKS, so that no CUDA package gets into the lockfile. Triton is
# left to torch: its CUDA builds ask for one version, and liger-kernel for any.
lock: .venv/.installed  ## Resolve requirements.lock anew (needs PIP_FIND_LINKS with a CPU wheel of torch)
	sed -i '/^torch==/d' requirements.lock
	$(BIN)/uv pip compile pyproject.toml --all-extras --python-version 3.11 --quiet $(FIND_LINKS) \
	  --no-emit-find-links --no-emit-index-url --no-emit-package triton --custom-compile-command 'make lock' -o requirements.lock
	sed -i 's/^torch==\([0-9.]*\)+cpu/torch==\1/' requirements.lock

browser:
	@command -v chromium >/dev/null || { \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; \
	  then apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium >/dev/null; \
	  else echo "No chromium found: the browser test will be skipped. Install it to run the test."; fi; }

clean:  ## Remove what runs, tests and tools have written; .venv stays
	rm -rf .twin build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .coverage
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +
