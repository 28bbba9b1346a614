# The workflow, in order. `make help` lists it; each target sets up what it needs.
PYTHON ?= python3
CONFIG ?= configs/v1.yaml
OUT ?= data
WORKERS ?=
ARGS ?=

VENV := .venv
RUN := $(VENV)/bin/python
READY := $(VENV)/.ready
BUILD := $(RUN) -m generator build $(if $(WORKERS),--workers $(WORKERS))
SMOKE := build/smoke

.DEFAULT_GOAL := help
.PHONY: help setup dataset smoke test test-all lint bench clean

help:
	@echo "make dataset [CONFIG=$(CONFIG)] [OUT=$(OUT)] [WORKERS=n] [ARGS=--no-checks]"
	@echo "             build both configs, then manifests, statistics and card"
	@echo "make smoke   the same at small size in $(SMOKE), loaded through load_dataset"
	@echo "make test    the tests; make test-all adds the slow ones"
	@echo "make lint    style and types"
	@echo "make bench   benchmarks, which print ratios"
	@echo "make clean   remove $(VENV) and build; data stays"

setup: $(READY)

# Made anew from the pins whenever they change. The stamp comes last: a set-up that failed is done again.
$(READY): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	  { echo "error: Python 3.11 or newer is needed, $(PYTHON) is $$($(PYTHON) --version 2>&1 | head -n 1); use make PYTHON=..." >&2; exit 1; }
	@echo "setting up $(VENV), once"
	@$(PYTHON) -m venv --clear $(VENV) >&2
	@$(RUN) -m pip install -qq --disable-pip-version-check --requirement requirements.txt
	@$(RUN) -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $(READY)

dataset: $(READY)
	@$(BUILD) --config "$(CONFIG)" --out "$(OUT)" $(ARGS)

smoke: $(READY)
	@$(BUILD) --config configs/smoke.yaml --out $(SMOKE) $(ARGS)
	@HF_HOME=build/huggingface $(RUN) examples/load.py $(SMOKE)

test: $(READY)
	@$(RUN) -m pytest -q -m "not slow" $(ARGS)

test-all: $(READY)
	@$(RUN) -m pytest -q $(ARGS)

lint: $(READY)
	@$(RUN) -m ruff check .
	@$(RUN) -m ruff format --check .
	@$(RUN) -m mypy

bench: $(READY)
	@$(RUN) benchmarks/codegen.py $(ARGS)
	@$(RUN) benchmarks/compile.py

clean:
	rm -rf $(VENV) build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
