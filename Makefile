# Airdate: `make demo` and `make test` are all a newcomer needs; both set everything up themselves.
.DEFAULT_GOAL := help
SHELL := /bin/sh

VENV := .venv
BIN := $(VENV)/bin
LOCK := requirements-dev.lock

# The newest Python that Airdate runs on, of those found here; PYTHON=… chooses another.
PYTHON ?= $(shell for candidate in python3.13 python3.12 python3.11 python3 python; do \
	$$candidate -c 'import sys; raise SystemExit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' >/dev/null 2>&1 \
	&& { echo $$candidate; break; }; done)

.PHONY: help
help: ## List what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-15s %s\n", $$1, $$2}'

.PHONY: setup
setup: $(VENV)/.ready ## Make the environment, .venv/ (every other target does it too)

# The lock and pyproject.toml decide what is installed, so a change of either installs again.
$(VENV)/.ready: $(LOCK) pyproject.toml
	@test -n "$(PYTHON)" || { echo "Airdate needs Python 3.11, 3.12 or 3.13, and none was found; install one, or say where: make setup PYTHON=/path/to/python3.13" >&2; exit 1; }
	@echo "setting up $(VENV)/ with $$($(PYTHON) --version): a minute or two, once"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --require-hashes -r $(LOCK)
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-build-isolation --no-deps --editable .
	@touch $@

.PHONY: demo
demo: setup ## Make a podcast episode from nothing and show where to hear it  [FEED=address or file] [EXIT=1]
	@$(BIN)/airdate demo $(if $(FEED),--feed '$(FEED)') $(if $(EXIT),--exit)

.PHONY: run
run: setup ## Run Airdate on this machine until Ctrl-C; what it makes is kept under var/
	@$(BIN)/airdate run

.PHONY: test
test: setup ## Pass the tests  [ARGS='-k feed']
	@$(BIN)/python -m pytest $(ARGS)

.PHONY: lint
lint: setup ## Check style, types and import rules
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/airdate schemas --check

.PHONY: audit
audit: setup ## Look for known vulnerabilities in the locks, and for secrets in the files  [UNAUDITED=allowed]
	@$(BIN)/python -m audit $(if $(UNAUDITED),--unaudited $(UNAUDITED))

.PHONY: lint-infrastructure
lint-infrastructure: setup ## Check the templates, their policies and the image's definition
	@$(BIN)/python infrastructure/linters/lint.py

.PHONY: bench
bench: setup ## Measure Airdate beside its peers (half an hour)  [SECTIONS='publish consume'] [WRITE=1: into docs/performance.md]
	@$(BIN)/python -W ignore:XDG_RUNTIME_DIR -m bench $(if $(WRITE),--write-page) $(SECTIONS)

.PHONY: bench-quick
bench-quick: setup ## The figures that matter most, in under four minutes; the last line is one JSON object
	@$(BIN)/python -W ignore:XDG_RUNTIME_DIR -m bench --quick

.PHONY: bench-transport
bench-transport: setup ## Measure Celery on SQS, the stock transport beside ours (ten minutes)  [ROWS='requests poison']
	@$(BIN)/python -m bench.transport $(ROWS)

.PHONY: chaos
chaos: setup ## Make episodes while everything around fails, and have it audited  [EPISODES=2000] [SEED=7]
	@$(BIN)/python -W ignore:XDG_RUNTIME_DIR -m chaos --episodes $(or $(EPISODES),200) --seed $(or $(SEED),7)

.PHONY: format
format: setup ## Put the code into the project's style
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

# uv resolves for every Python and platform at once; it is needed here only, so it is not in the lock.
.PHONY: lock
lock: ## Resolve the dependencies anew into the lock files (needs uv)
	uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --upgrade --output-file requirements.lock
	uv pip compile pyproject.toml --all-extras --group dev --constraints requirements.lock --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --upgrade --output-file requirements-dev.lock

.PHONY: clean
clean: ## Remove what was set up and made here: .venv/ and var/
	rm -rf $(VENV) var build *.egg-info
