# Needs git, make, Python >= 3.10 and Node >= 20 (to build; who installs the wheel needs no Node).
# Every target installs and builds what it needs; .make/ remembers what is done until its sources change.

.DEFAULT_GOAL := help
SHELL := /bin/sh
MAKEFLAGS += --no-print-directory
.DELETE_ON_ERROR:

# The first Python on the PATH that is new enough; choose another with `make PYTHON=python3.12 …`.
ifeq ($(wildcard .venv/pyvenv.cfg),)
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python3.10 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null && command -v $$p && break; done)
PYTHON := $(PYTHON)
endif

BIN := .venv/bin
SYNC := $(if $(filter output-sync,$(.FEATURES)),--output-sync)  # macOS brings a make without it
PYTEST_ARGS ?=
PARALLEL := -n auto --dist loadfile --no-loadscope-reorder

# Node brings its own list of certificate authorities; behind a company's proxy only the system's list is complete.
NODE_EXTRA_CA_CERTS ?= $(firstword $(wildcard /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt))
export NODE_EXTRA_CA_CERTS
export PATH := $(CURDIR)/$(BIN):$(PATH)
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# The packages are installed without byte code: were none written, each of some thousand processes would compile them anew.
unexport PYTHONDONTWRITEBYTECODE
export PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD := 1

# The browser of the browser tests: one that is installed, else Playwright's own.
MLK_CHROMIUM ?= $(shell command -v chromium || command -v chromium-browser || command -v google-chrome)
export MLK_CHROMIUM

FRONT_END := $(shell find src style schema -type f 2>/dev/null) $(wildcard tsconfig*.json)
PACKAGING := pyproject.toml package.json install.json $(wildcard jupyter-config/*/*)

.PHONY: help install demo lab test test-fast test-stacks test-jupyterhub stress soak all format lint types bench bench-kubernetes bench-idle clean check-python check-front-end

help:  ## What can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

install: .make/labextension  ## Everything for working on it: .venv, node_modules, the built extension
	@echo 'Installed. Next: `make demo`, `make lab` or `make test`.'

demo: .make/python  ## Run the example notebook with 2 ranks and watch it
	@$(BIN)/mlk run examples/digits_ddp.ipynb --workers 2
	@echo "Open JupyterLab on it: make lab"

lab: .make/labextension  ## Open JupyterLab on the example, with the panel (PORT=8888, BROWSER=no)
	@exec $(BIN)/python tools/lab.py $(if $(PORT),--port $(PORT)) $(if $(filter no,$(BROWSER)),--no-browser)

test: .make/labextension .make/ui-tests  ## Every check and every test
	@$(MAKE) -j2 $(SYNC) check-python check-front-end
	@$(BIN)/pytest --again $(PARALLEL) $(PYTEST_ARGS)

test-fast: .make/labextension  ## The same without browser and wheel tests
	@$(MAKE) -j2 $(SYNC) check-python check-front-end
	@$(BIN)/pytest --again $(PARALLEL) -m "not browser and not wheel and not slow" $(PYTEST_ARGS)

test-stacks: .make/stacks  ## Train with Lightning, accelerate, Transformers, XGBoost, LightGBM, Ray, Dask and JAX
	@$(BIN)/pytest -m stacks tests/stacks $(PYTEST_ARGS)

test-jupyterhub: .make/jupyterhub  ## Start a real JupyterHub and have idle servers stopped by it
	@$(BIN)/pytest -m jupyterhub tests/realhub $(PYTEST_ARGS)

stress: .make/labextension .make/ui-tests  ## Run tests ten times beside a load, e.g. make stress T=tests/kubernetes N=10
	@test -n "$(T)" || { echo 'Say which tests: make stress T=tests/kubernetes'; exit 1; }
	@$(BIN)/python -m tests.suite.stress --rounds $(or $(N),10) -- -q $(PARALLEL) $(T) $(PYTEST_ARGS)

soak: .make/python  ## Kill, stop and delete jobs for a while and count what a server holds, e.g. make soak MINUTES=10
	@$(BIN)/python -m tests.suite.soak --minutes $(or $(MINUTES),10)

all: format test  ## Format, then test

check-python: .make/python
	@$(BIN)/ruff check -q .
	@$(BIN)/ruff format --check -q . || { echo 'Some Python files are not formatted: run `make format`.'; exit 1; }
	@$(BIN)/mypy
	@$(BIN)/python -m mlk_jupyter.server.openapi --check
	@$(BIN)/lint-imports --no-cache > .make/lint-imports.log 2>&1 || { cat .make/lint-imports.log; exit 1; }
	@echo 'Python: lint, format, types, API document and import contracts are fine.'

check-front-end: .make/node
	@jlpm lint:check
	@jlpm types:check
	@jlpm test
	@echo 'Front end: lint, format, types and unit tests are fine.'

lint: .make/node  ## Lint, formatting, types and import contracts, Python and TypeScript
	@$(MAKE) check-python
	@jlpm lint:check
	@jlpm types:check

format: .make/node  ## Format Python and TypeScript, fix what can be fixed
	@$(BIN)/ruff check -q --fix .
	@$(BIN)/ruff format -q .
	@jlpm lint

types: .make/node  ## Make docs/openapi.json from the models, and the TypeScript types from it
	@$(BIN)/python -m mlk_jupyter.server.openapi
	@jlpm types

bench: .make/python  ## Measure: one JSON array on stdout, words on stderr
	@$(BIN)/python -m benchmarks

bench-kubernetes: .make/labextension  ## Measure a cluster with 11,000 jobs, in the same form
	@$(BIN)/python -m benchmarks cluster

bench-idle: .make/python  ## Simulate a week of 50 people: what the policy for idle kernels saves and destroys (SEED=1)
	@$(BIN)/python -m benchmarks.idle --seed $(or $(SEED),1)

clean:  ## Remove everything that was installed or built
	@rm -rf .venv .make .demo lib node_modules mlk_jupyter/labextension mlk_jupyter/_version.py \
		dist build *.tsbuildinfo .mypy_cache .ruff_cache .pytest_cache

# --- what is installed and built, once ------------------------------------------------------------------------------

.venv/pyvenv.cfg:
	@test -n "$(PYTHON)" || { echo 'No Python >= 3.10 on the PATH. Install one, or run `make PYTHON=/path/to/python3`.'; exit 1; }
	@rm -rf .venv
	@tools/step .make/venv.log 'Making .venv with $(PYTHON)' $(PYTHON) -m venv .venv || \
		{ echo 'Python could not make a virtual environment. On Debian and Ubuntu: apt-get install python3-venv'; exit 1; }

# The front end is built apart (below): an editable install would build it on every run. Byte code comes with the first
# import of what is imported: compiling all of PyTorch takes as long as unpacking it.
.make/python: .venv/pyvenv.cfg $(PACKAGING)
	@SKIP_JUPYTER_BUILDER=1 tools/step .make/python.log 'Installing the Python side (PyTorch is large)' \
		$(BIN)/pip install -q --no-compile -e '.[dev]'
	@touch $@

.make/stacks: .make/python
	@SKIP_JUPYTER_BUILDER=1 tools/step .make/stacks.log 'Installing the stacks that people train with' \
		$(BIN)/pip install -q --no-compile -e '.[stacks]'
	@touch $@

.make/jupyterhub: .make/python
	@SKIP_JUPYTER_BUILDER=1 tools/step .make/jupyterhub.log 'Installing JupyterHub' \
		$(BIN)/pip install -q --no-compile -e '.[hub]'
	@touch $@

.make/node: .make/python package.json yarn.lock .yarnrc.yml
	@node -e 'process.exit(parseInt(process.versions.node) >= 20 ? 0 : 1)' 2>/dev/null || \
		{ echo 'Node >= 20 is needed to build the JupyterLab extension. Install it and try again.'; exit 1; }
	@tools/step .make/node.log 'Installing the packages of the front end' jlpm install --immutable
	@touch $@

# build:prod cleans first: hatch packs whatever lies in mlk_jupyter/labextension, also a stale one.
.make/labextension: .make/node $(FRONT_END)
	@tools/step .make/labextension.log 'Building the JupyterLab extension' \
		sh -c 'jlpm build:prod && $(BIN)/jupyter-builder develop . --overwrite'
	@touch $@

.make/ui-tests: .make/node
	@test -n "$(MLK_CHROMIUM)" || node_modules/.bin/playwright install chromium || \
		{ echo 'The browser tests need Chromium: install it, or name the program in MLK_CHROMIUM.'; exit 1; }
	@touch $@
