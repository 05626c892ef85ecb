# `make` alone lists the targets.
SHELL := /bin/bash
VENV ?= .venv
PYTHON ?= python3
TORCH_INDEX ?=
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help install run test prove lint types contracts check clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

$(VENV)/.installed: pyproject.toml constraints.txt tools/install.sh
	@PYTHON="$(PYTHON)" VENV="$(VENV)" TORCH_INDEX="$(TORCH_INDEX)" tools/install.sh

install: $(VENV)/.installed  ## make .venv with everything pinned; TORCH_INDEX= names PyTorch's CPU index, PYTHON= another Python

run: install  ## play the whole story on real data: land, check, train, gate, promote, serve, poison, roll back
	@$(BIN)/python -m examples.story

test: install  ## the whole suite, each claim with small numbers
	@$(BIN)/pytest -n 3 --dist loadfile --no-loadscope-reorder

prove: install  ## the same claims with the full numbers, and the benchmarks; writes docs/measured.json
	@GRISTMILL_PROVE=1 $(BIN)/pytest -n 3 --dist loadfile --no-loadscope-reorder --timeout 3600
	@$(BIN)/python -m benchmarks.measure

lint: install  ## ruff: rules and format; and the suites in expectations/
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .
	@$(BIN)/gristmill expectations lint

types: install  ## mypy, strict
	@$(BIN)/mypy

contracts: install  ## import contracts: which room may know which
	@$(BIN)/lint-imports

check: lint types contracts test  ## everything that CI asks, but the story

clean:  ## remove caches; keeps .venv, data, the cache of DVC and the mill
	@rm -rf .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
