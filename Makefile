# Every target sets itself up: `make setup` has nothing to do when .venv already holds the lock.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help setup reproduce test test-browser explore lint format lab bench weights lock clean

help:            ## this list
	@grep -E '^[a-z-]+: .*##' $(MAKEFILE_LIST) | awk -F ':.*## ?' '{printf "  make %-15s%s\n", $$1, $$2}'

# The stamp keeps the checksum of what was installed, so a fresh checkout of the same lock reinstalls nothing.
setup: $(STAMP)  ## create .venv and install the exact pins of requirements.lock
$(STAMP): requirements.lock pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip --version >/dev/null || { echo "$(VENV) has no pip: remove it, then make setup PYTHON=..." >&2; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $(STAMP)

reproduce: setup ## run the whole suite on the embedded data and print where the report is
	$(BIN)/csalgan reproduce --profile demo --jobs 2

# Two processes with one thread each: most tests are too small to fill two threads.
test: setup      ## the whole test suite, notebooks at smoke size included
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

# Debian's Chromium where apt may install it, else the one playwright brings; kept if there is one.
test-browser: setup  ## the explorer in a real browser: JupyterLab and Voilà
	@for name in chromium chromium-browser google-chrome; do command -v $$name >/dev/null && exit; done; false \
	  || (apt-get install --yes --quiet chromium) || $(BIN)/playwright install chromium
	CSALGAN_SCREENSHOTS=$(or $(SCREENSHOTS),$(CURDIR)/reports/screenshots) \
	  $(BIN)/python -m pytest tests/test_browser.py -s

lint: setup      ## ruff on modules, tests and notebooks; notebooks must be stored without outputs
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/nbstripout --verify notebooks/*.ipynb
	$(BIN)/python -m benchmarks.size

format: setup    ## let ruff and nbstripout mend what lint names
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/nbstripout notebooks/*.ipynb

lab: setup       ## JupyterLab on the notebooks
	$(BIN)/jupyter lab --notebook-dir=notebooks

explore: setup   ## the explorer as an app in the browser
	$(BIN)/csalgan explore

bench: setup     ## benchmarks, side by side, ratios printed (not timed tests)
	$(BIN)/python -m benchmarks

weights: setup   ## put a training run into the package: make weights RUN=folder
	$(BIN)/python -m csalgan.weights $(RUN) compact-minilm

lock:            ## renew requirements.lock from pyproject.toml (needs uv)
	uv pip compile pyproject.toml constraints.in --all-extras --universal --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --custom-compile-command 'make lock' -o requirements.lock

clean:           ## remove what the suite made (never the data you brought)
	rm -rf $(VENV) data/cache data/synthetic-* .pytest_cache .ruff_cache
