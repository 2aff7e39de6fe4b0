# Everything happens in .venv, from the hashed requirements.lock. Needs python 3.11 or newer and make, nothing else.
# Written for GNU make 3.81 (macOS) and later.

PYTHON ?= python3
ARGS ?=
BIN := .venv/bin
INSTALLED := .venv/.installed
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input --quiet

# One linear-algebra thread per process: the workbench spreads its work over processes itself, and numbers stay the same
# whatever the machine. No program of this project reports home.
export OPENBLAS_NUM_THREADS := 1
export OMP_NUM_THREADS := 1
export MKL_NUM_THREADS := 1
export VECLIB_MAXIMUM_THREADS := 1
export MLFLOW_DISABLE_TELEMETRY := true
# Each process would compile every module of the workbench anew.
unexport PYTHONDONTWRITEBYTECODE

# What `make lock` makes sure that the lock installs on, from wheels alone.
PLATFORMS := x86_64-unknown-linux-gnu aarch64-unknown-linux-gnu x86_64-apple-darwin aarch64-apple-darwin

.DEFAULT_GOAL := help
.PHONY: help install demo test test-browser test-wheel test-commands test-cluster docs lint lock mlflow-tables bench clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s  %s\n", $$1, $$2 }' Makefile
	@echo "  (another Python: make install PYTHON=python3.12; more options: make demo ARGS=--help)"

install: $(INSTALLED) ## create .venv and install what requirements.lock says

$(INSTALLED): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "This needs Python 3.11 or newer; '$(PYTHON)' is missing or older."; \
	  echo "Name another one: make install PYTHON=python3.12"; exit 2; }
	@start=$$(date +%s); \
	  echo "Installing into .venv: about 140 packages, 1.3 GB, 1 to 3 minutes ..." && \
	  $(PYTHON) -m venv .venv && \
	  $(PIP) install --no-deps --require-hashes -r requirements.lock && \
	  $(PIP) install --no-deps -e . && \
	  touch $@ && \
	  echo "Installed in $$(( $$(date +%s) - start )) s: $(BIN)/workbench"

demo: $(INSTALLED) ## simulate a trial, analyse it and write the report
	@$(BIN)/workbench demo $(ARGS)

test: $(INSTALLED) ## run the whole test suite on two cores
	@$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder $(ARGS)

test-browser: $(INSTALLED) ## look at report and UI in a headless browser (installs chromium where missing)
	@command -v chromium > /dev/null || command -v chromium-browser > /dev/null || command -v google-chrome > /dev/null || \
	  [ -n "$$CHROMIUM" ] || { apt-get update && apt-get install -y chromium; }
	@$(BIN)/python tests/browser/check_ui.py $(ARGS)

test-wheel: ## install the wheel into empty environments (Python 3.11, 3.12, 3.13) and run the demo far from the repository
	@tests/wheel/try_wheel.sh $(ARGS)

test-commands: $(INSTALLED) ## run every command that the documentation shows, in a small study
	@$(PIP) install --no-deps --require-hashes -r tests/documentation/requirements.lock
	@$(BIN)/python -m pytest -q tests/documentation/shown_commands.py $(ARGS)

test-cluster: $(INSTALLED) ## try loky, Dask, SLURM, SQLite and PostgreSQL for real, on 127.0.0.1 (root installs them where missing)
	@$(PIP) install --no-deps --require-hashes -r tests/cluster/requirements.lock
	@$(BIN)/python tests/cluster/check_cluster.py $(ARGS)

docs: $(INSTALLED) ## build the documentation site: docs/_build/index.html (installs Sphinx)
	@$(PIP) install --no-deps --require-hashes -r docs/requirements.lock
	@$(BIN)/python -m sphinx -W --keep-going -q -b html docs docs/_build
	@echo "Open docs/_build/index.html"

lint: $(INSTALLED) ## style, format, types and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

mlflow-tables: $(INSTALLED) ## write MLflow's tables of a new study out again (after a lock with another MLflow)
	@$(BIN)/python -c "from workbench.tracking.new_store import write_out; write_out()"

lock: ## write requirements.lock again from pyproject.toml (needs uv; ARGS=--upgrade for newer versions)
	@command -v uv > /dev/null || { \
	  echo "make lock needs uv, which only those who change dependencies need; install it and try again."; exit 2; }
	uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header --no-annotate \
	  --extra matlab --extra excel --extra cluster --extra test --extra dev $(ARGS) pyproject.toml -p 3.11 \
	  -o requirements.lock
	uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header --no-annotate --extra docs \
	  -c requirements.lock $(ARGS) pyproject.toml -p 3.11 -o docs/requirements.lock
	@$(PYTHON) docs/beside_the_lock.py requirements.lock docs/requirements.lock
	uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header --no-annotate --extra postgres \
	  -c requirements.lock $(ARGS) pyproject.toml -p 3.11 -o tests/cluster/requirements.lock
	@$(PYTHON) docs/beside_the_lock.py requirements.lock tests/cluster/requirements.lock
	uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header --no-annotate --extra notebook \
	  -c requirements.lock $(ARGS) pyproject.toml -p 3.11 -o tests/documentation/requirements.lock
	@$(PYTHON) docs/beside_the_lock.py requirements.lock tests/documentation/requirements.lock
	@for python in 3.11 3.12 3.13; do for platform in $(PLATFORMS); do \
	  uv pip install --no-config --quiet --dry-run --no-deps --require-hashes --only-binary :all: --target .venv/lock \
	    --python-version $$python --python-platform $$platform -r requirements.lock && \
	  echo "installs on $$platform with Python $$python" || exit 1; \
	done; done

bench: $(INSTALLED) ## run every benchmark and print what it measured
	@for script in benchmarks/[a-z]*.py; do \
	  [ -e "$$script" ] || { echo "There is no benchmark yet."; continue; }; \
	  echo "$$script"; $(BIN)/python "$$script" || exit 1; \
	done

clean: ## remove .venv and caches; never tables, runs or data
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
