# Everything is made from a stock Python >= 3.11; `make setup` is quick when nothing changed, so all else may depend on it.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python; do \
	if $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then echo $$p; exit; fi; done; echo python3)
BIN := .venv/bin
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint format types check bench soak lock proto java clean

help: ## Show this list
	@sed -n 's/^\([a-z]*\):.*## /  make \1	/p' Makefile | expand -t 18

setup: ## Make .venv, install the locked packages, fetch the engine (each only if missing)
	@$(PYTHON) scripts/bootstrap.py

demo: setup ## Run real insurance claims through the claims process (ARGS="--cases 40 --speed watch")
	@$(BIN)/camunda-workers demo $(ARGS)

test: setup ## Run every test that this machine can run, and say what was skipped (ARGS="-k jars")
	@$(BIN)/pytest -n 2 --dist loadfile $(ARGS)

lint: setup ## Check style and formatting
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

format: setup ## Put the code in shape
	@$(BIN)/ruff check --fix-only .
	@$(BIN)/ruff format .

types: setup ## Check types (strict)
	@$(BIN)/pyright

check: lint types test ## Everything that has to pass before a change lands

bench: setup ## Measure, and compare with what others do
	@$(BIN)/python -m bench $(ARGS)

soak: setup ## Kill brokers and workers at random for ten minutes; the ledger judges (ARGS="600 SEED")
	@$(BIN)/python -m bench.soak $(ARGS)

lock: setup ## Resolve again: Python packages (requirements.lock) and the engine's jars (jars.lock)
	@$(BIN)/python scripts/lock_requirements.py
	@$(BIN)/python scripts/lock_jars.py

proto: setup ## Generate the gateway's messages again from gateway.proto
	@$(BIN)/python -m grpc_tools.protoc -I. --python_out=. --pyi_out=. camunda_workers/client/proto/gateway.proto

java: setup ## Compile the embedded engine's few Java classes again (needs a JDK 21)
	@$(BIN)/python scripts/compile_java.py

clean: ## Remove what was made here (the engine and package caches stay)
	@rm -rf .venv .pytest_cache .ruff_cache .hypothesis .coverage artifacts build dist
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
