# Two commands: `make run` sets up and runs the main job, `make test` sets up and runs the tests.
VENV ?= .venv
PYTHON ?= python3
OUT ?= out
SUITE = $(VENV)/bin/suite
WEB = leaderboard/web
CHARTS = leaderboard/static/dist/charts.js
DATA = $(abspath $(if $(SUITE_DATA_DIR),$(SUITE_DATA_DIR),$(wildcard ../shared/data)))
export OMP_WAIT_POLICY = PASSIVE

.PHONY: run test setup lint gate
run: setup
	$(SUITE) run --method lstm --task scan-jump --results $(OUT)/results
	$(SUITE) run --method compsub --task scan-jump --results $(OUT)/results
	$(SUITE) compare compsub lstm --results $(OUT)/results
	$(SUITE) leaderboard build --results $(OUT)/results --out $(OUT)/site

test: setup
	SUITE_DATA_DIR=$(DATA) OMP_NUM_THREADS=1 $(VENV)/bin/python -m pytest -q -n 2

lint: setup
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

gate: setup
	SUITE_DATA_DIR=$(DATA) SUITE=$(SUITE) OUT=$(OUT) ci/gate

setup: $(VENV)/.ready $(CHARTS)
$(VENV)/.ready: pyproject.toml ci/constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --constraint ci/constraints.txt torch
	$(VENV)/bin/pip install --quiet --constraint ci/constraints.txt --editable '.[test]'
	touch $@

# The libraries of the interactive charts come by the lock file. Without node the pages are complete and plain.
$(CHARTS): $(WEB)/package-lock.json $(WEB)/build.mjs $(WEB)/charts.js
	@if ! command -v npm >/dev/null; then echo "node is absent: the pages get no interactive charts"; \
	elif (cd $(WEB) && npm ci --ignore-scripts --silent && npm run --silent build); then touch $@; \
	else echo "the interactive charts could not be built: the pages do without them"; fi
