# Every target prepares what it needs. `make` alone lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help demo test test-slow lint bench readme readme-check lerobot-checkers clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):[^#]*## /\1\t/' | expand -t 12

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --constraint constraints.txt --editable .
	@touch $@

$(VENV)/.dev: $(VENV)/.installed
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@

demo: $(VENV)/.installed ## train the study's cases at laptop scale and print what is true
	$(BIN)/mvla demo

test: $(VENV)/.dev ## install what tests need and run them (without the slow ones)
	$(BIN)/python -m pytest -m 'not slow'

test-slow: $(VENV)/.dev ## run the slow tests
	$(BIN)/python -m pytest -m slow

lint: $(VENV)/.dev ## ruff, mypy, import contracts
	$(BIN)/ruff check src tests benchmarks
	$(BIN)/ruff format --check src tests benchmarks
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.dev ## measure the figures that the documents name
	$(BIN)/python -m benchmarks

lerobot-checkers: ## install other people's LeRobot programs, apart, for the tests of the format
	$(PYTHON) -m venv .venv-lerobot
	.venv-lerobot/bin/pip install --quiet lerobot-doctor==0.2.0 verdikt-eval==0.3.1
	$(PYTHON) -m venv .venv-lerobot-dataset
	.venv-lerobot-dataset/bin/pip install --quiet torch==2.13.0 lerobot-dataset==0.4.4
	.venv-lerobot-dataset/bin/pip install --quiet --no-deps torchvision

readme: $(VENV)/.installed ## make the README's generated parts again
	$(BIN)/python docs/generate.py

readme-check: $(VENV)/.installed ## fail where the README's generated parts are stale
	$(BIN)/python docs/generate.py --check

clean: ## remove the environment and caches; keep workspaces
	rm -rf $(VENV) .venv-lerobot .venv-lerobot-dataset .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
