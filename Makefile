# Everything a newcomer or a machine runs. `make help` lists it.
SHELL := /bin/bash
.DEFAULT_GOAL := help
unexport PYTHONDONTWRITEBYTECODE  # hundreds of processes would each compile what they import

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CLIS := build/clis
APT_PACKAGES := git curl jq zsh fish python3-venv bubblewrap qemu-system-x86 qemu-utils gcc libc6-dev e2fsprogs mmdebstrap openssh-client chromium
WEB := src/agent_swarm/server/web/index.html
WEB_SOURCES := $(shell find web -path web/node_modules -prune -o -path web/src/api/schema.d.ts -prune -o -type f -print)

.PHONY: help
help: ## list the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

.PHONY: setup
setup: $(VENV)/.ready web ## make .venv with agent-swarm in it, and the dashboard where Node.js is there

$(VENV)/.ready: pyproject.toml requirements.lock scripts/make-venv
	@PYTHON=$(PYTHON) scripts/make-venv $(VENV)
	@$(BIN)/uv pip install --quiet --python $(BIN)/python -r requirements.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	@touch $@

$(VENV)/.ready-dev: $(VENV)/.ready requirements-dev.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python -r requirements-dev.lock
	@touch $@

.PHONY: dev
dev: $(VENV)/.ready-dev ## setup, and what tests and checks need

.PHONY: web
web: $(WEB) ## build the dashboard, with Node.js 20 or newer

$(WEB): $(WEB_SOURCES) docs/contract/openapi.json scripts/build-web
	@scripts/build-web

.PHONY: demo
demo: setup ## run a real swarm on a small repository; HARNESS=claude lets Claude Code write in it
	@$(BIN)/agent-swarm demo $(if $(HARNESS),--harness $(HARNESS))

.PHONY: system-deps
system-deps: ## install the Debian packages the tests want, where that is allowed
	@scripts/system-deps $(APT_PACKAGES)

.PHONY: clis
clis: $(CLIS)/.ready ## the agent command lines that tests drive, with npm

$(CLIS)/.ready: tests/clis/package.json tests/clis/package-lock.json tests/clis/.npmrc scripts/install-clis
	@scripts/install-clis tests/clis $(CLIS)

.PHONY: guest
guest: dev ## the tiny guest that tests of VMs boot, of two Debian packages; without it they are skipped
	@$(BIN)/python -m agent_swarm.testing.tiny_guest.build build/tiny-guest || [ -z "$$SKIP_NOTHING" ]

.PHONY: test
test: system-deps dev clis guest web ## run everything
	$(BIN)/python -m pytest -m "not alone" -n 2 --dist worksteal
	$(BIN)/python -m pytest -m alone

.PHONY: test-fast
test-fast: dev clis guest web ## run what is quick
	$(BIN)/python -m pytest -m "not slow" -q -n 2 --dist worksteal

.PHONY: check
check: dev ## format, lint, types, import arrows, docs
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python -m pytest -q tests/promises
	@scripts/build-web --only-packages && { [ ! -e web/node_modules/.ready ] || npm --prefix web run --silent check; }

.PHONY: format
format: dev ## put the code into shape
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	@[ ! -e web/node_modules/.ready ] || npm --prefix web run --silent format

.PHONY: docs
docs: dev ## write the generated pages anew
	$(BIN)/python scripts/make-docs

.PHONY: bench
bench: dev clis ## measure, print the table, write benchmarks/results.json
	$(BIN)/python -m benchmarks

.PHONY: lock
lock: dev ## choose versions anew
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --extra server pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --all-extras --group test --group check \
		--constraint requirements.lock pyproject.toml -o requirements-dev.lock

.PHONY: clean
clean: ## remove what was built
	rm -rf $(VENV) build dist web/node_modules src/agent_swarm/server/web .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
