# Two commands do everything: `make run` and `make test`. `make help` lists the rest.

PYTHON ?= python3
VENV ?= .venv
ARGS ?=
# Processes of the tests, each with one thread; 0 runs them in one, for a debugger.
JOBS ?= 2

BIN := $(VENV)/bin
STAMP := $(VENV)/.setup-done

.DEFAULT_GOAL := help
.PHONY: help setup run test lint format clean

help:  ## list the targets
	@echo "graphcortex"
	@echo
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1	\2/p' $(MAKEFILE_LIST)
	@echo
	@echo "  ARGS=\"...\"      options for the main job or for pytest:  make run ARGS=\"--help\"   make test ARGS=\"--no-cov tests/viz\""
	@echo "  JOBS=4          processes of the tests (now: $(JOBS))"
	@echo "  PYTHON=...      the interpreter to set up with, 3.10 to 3.13 (now: $(PYTHON))"
	@echo "  SCATTER=0       set up without compiling torch-scatter"

# The stamp is newer than all that decides what is installed, or the set-up runs again; what is there already is kept.
$(STAMP): setup.cfg setup.py requirements/constraints.txt scripts/setup.sh
	@VENV="$(VENV)" PYTHON="$(PYTHON)" SCATTER="$(SCATTER)" bash scripts/setup.sh
	@touch $@

setup: $(STAMP)  ## create .venv and install the pinned versions
	@echo "[setup] $(VENV) is ready"

run: $(STAMP)  ## set up, then train and analyse the three tasks on the embedded connectome
	$(BIN)/python -m graphcortex run $(ARGS)

test: $(STAMP)  ## set up, then the whole test suite with coverage
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS) --dist loadfile --cov $(ARGS)

lint: $(STAMP)  ## ruff, its formatter, and the contracts between the layers
	@status=0; \
	for check in "ruff check ." "ruff format --check ." "lint-imports"; do \
		echo "$(BIN)/$$check"; $(BIN)/$$check || status=1; \
	done; \
	exit $$status

format: $(STAMP)  ## let ruff mend what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:  ## remove .venv and all that was built; results stay
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .hypothesis .ruff_cache .mypy_cache .import_linter_cache .coverage htmlcov
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
