.DEFAULT_GOAL := help

PYTHON ?= python3
N ?= 200
SECONDS ?= 3600
BIN := .venv/bin
INSTALLED := .venv/.installed

.PHONY: help demo test envoy-test packaging-test bench fleet oracle check format clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-16s%s\n", $$1, $$2 }' Makefile

demo: $(INSTALLED) ## a mesh on this machine: real Envoys, real requests (ARGS="--seconds 30")
	$(BIN)/pilothouse demo $(ARGS)

test: $(INSTALLED) ## every test but the packaging ones, those with a real Envoy included
	$(BIN)/pytest $(ARGS)

envoy-test: $(INSTALLED) ## only the tests that drive a real Envoy
	$(BIN)/pytest -m envoy $(ARGS)

packaging-test: $(INSTALLED) ## build the distributions and import them beside other packages (minutes)
	$(BIN)/pytest -m packaging $(ARGS)

bench: $(INSTALLED) ## beside go-control-plane, on this machine; needs Go (ARGS="--quick", "--help")
	$(BIN)/python -m benchmarks.run $(ARGS)

fleet: $(INSTALLED) ## N real Envoys, changes and restarts (N=200; ARGS="--rounds 20")
	$(BIN)/python -m benchmarks.fleet $(N) $(ARGS)

oracle: $(INSTALLED) ## search for a client that differs from a fresh translation, with new seeds (SECONDS=3600)
	end=$$(($$(date +%s) + $(SECONDS))); while [ $$(date +%s) -lt $$end ]; do \
	    HYPOTHESIS_PROFILE=long $(BIN)/pytest -q --timeout=0 --hypothesis-show-statistics tests/oracle $(ARGS) || exit 1; done

check: $(INSTALLED) ## what must pass before a change lands
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/pytest $(ARGS)

format: $(INSTALLED) ## format the code and sort its imports
	$(BIN)/ruff check --select I --fix-only .
	$(BIN)/ruff format .

clean: ## remove everything that can be made again
	rm -rf .venv build dist xds/pilothouse/_pb .*_cache .hypothesis

# Installed anew only where what decides the environment or the generated messages has changed.
$(INSTALLED): pyproject.toml hatch_build.py $(wildcard protos/*)
	test -x $(BIN)/pip || $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev,demo]'
	@touch $@
