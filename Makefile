# Every target prepares what it needs. `make` alone lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip install --constraint constraints.txt
SYSTEM := PYTHON=$(PYTHON) .ci/system-packages venv egl

.DEFAULT_GOAL := help
.PHONY: help demo test test-slow fuzz clients test-clients test-installs lint bench readme readme-check docs clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## /\1\t/' | expand -t 15

$(VENV)/.installed: pyproject.toml constraints.txt Makefile
	@$(SYSTEM)
	@echo "Installing into $(VENV): some 2 GB, some minutes."
	$(PYTHON) -m venv $(VENV)
	$(PIP) --editable '.[train,sim,ui]'
	@touch $@

$(VENV)/.dev: $(VENV)/.installed
	@echo "Installing what tests need into $(VENV)."
	$(PIP) --editable '.[dev]'
	@touch $@

demo: $(VENV)/.installed ## train the study's cases at laptop scale and print what is true
	@$(SYSTEM)
	$(BIN)/mvla demo
	@echo "To use mvla in this shell: source $(BIN)/activate"

test: .test-packages $(VENV)/.dev ## install what tests need and run them (without the slow ones)
	$(BIN)/python -m pytest -m 'not slow'
	$(BIN)/python -m pytest --doctest-modules --doctest-ignore-import-errors \
	  --ignore src/mobile_vla/evaluation/vla_eval.py src

test-slow: .test-packages $(VENV)/.dev ## run the slow tests
	$(BIN)/python -m pytest -m slow

FUZZ_MUTATIONS ?= 10000
fuzz: .test-packages $(VENV)/.dev ## read FUZZ_MUTATIONS (10,000) damaged files of every kind
	FUZZ_MUTATIONS=$(FUZZ_MUTATIONS) FUZZ_TIMEOUT=7200 $(BIN)/python -m pytest tests/fuzz

clients: test-clients
test-clients: .test-packages $(VENV)/.dev ## run the tests against other people's programs
	VENV=$(VENV) PYTHON=$(PYTHON) tests/clients.sh

test-installs: $(VENV)/.dev ## build wheel and sdist, and try both installs in clean environments
	VENV=$(VENV) PYTHON=$(PYTHON) tests/installs.sh

.PHONY: .test-packages
.test-packages:
	@$(SYSTEM) chromium fonts

lint: $(VENV)/.dev ## ruff, mypy, import contracts, the table of licences
	$(BIN)/ruff check src tests benchmarks
	$(BIN)/ruff format --check src tests benchmarks
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python docs/licences.py --check

bench: $(VENV)/.dev ## measure the figures that the documents name
	$(BIN)/python -m benchmarks

readme: $(VENV)/.installed ## make the README's generated parts again
	$(BIN)/python docs/generate.py

readme-check: $(VENV)/.installed ## fail where the README's generated parts are stale
	$(BIN)/python docs/generate.py --check

$(VENV)/.docs: $(VENV)/.installed
	$(PIP) --editable '.[docs]'
	@touch $@

docs: $(VENV)/.docs ## build the documentation site into build/site/html; a broken link fails
	$(BIN)/python docs/build_site.py

clean: ## remove the environments and caches; keep workspaces
	rm -rf $(VENV) .venv-* .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
