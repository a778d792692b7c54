PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test simulate fuzz lint bench clean

demo: .venv/ready
	$(BIN)/seen-connector demo

test: .venv/ready
	$(BIN)/pytest

simulate: .venv/ready
	$(BIN)/python -m tests.simulation --seeds 2000

fuzz: .venv/ready
	$(BIN)/python -m tests.fuzz --requests 100000

lint: .venv/ready
	$(BIN)/ruff format --check . && $(BIN)/ruff check . && $(BIN)/mypy && $(BIN)/lint-imports

bench: .venv/ready
	$(BIN)/python benchmarks/throughput.py

clean:
	rm -rf .venv build *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache

.venv/ready: requirements/dev.txt pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --requirement requirements/dev.txt --editable . --no-deps
	touch $@
